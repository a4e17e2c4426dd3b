import CinchBackend
import CinchData

/// L-BFGS on the whole training set (Nocedal & Wright, "Numerical Optimization", 2nd ed., section 7.2).
///
///     x ← x + αd     d = −H g     H from the last m pairs s = αd, y = g(x + αd) − g(x)
///
/// H g is algorithm 7.4's, from γI with γ = sᵀy/yᵀy of the last pair. Its two loops need nothing but scalar products, so
/// the host runs them on coefficients: one product on the device gives those of all s, y and g with each other, a second
/// one d from its coefficients in them (Chen, Wang and Zhou, "Large-scale L-BFGS using MapReduce", NIPS 2014). α is
/// `WolfeSearch`'s, which tries the learning rate first; without pairs d = −g, and the rate is multiplied by min(1, 1/‖g‖).
struct LBFGS<B: Backend>: Updater {
  private let network: Network<B>
  private let backend: B
  private let size: Int
  private let search = WolfeSearch()
  /// Whether another update has another objective, so that what is kept of the last one's says nothing of it.
  private let changes: Bool

  /// The pairs' s, the pairs' y, and g: `[2m+1, n]`.
  private let basis: Tensor<B.Buffer>
  /// How many pairs there are, where the next one goes, and whether g and `known` are those of the weights at hand.
  private let counters: Tensor<B.Buffer>
  /// The objective's terms at the weights at hand.
  private let known: Tensor<B.Buffer>

  private let start, direction, pair: Tensor<B.Buffer>
  private let products, pairProducts, coefficients, slope: Tensor<B.Buffer>
  /// The objective's terms before the update.
  private let before: Tensor<B.Buffer>

  /// Arenas that the rule holds: see `basis`, and `start`, `direction` and `pair`.
  static func arenaCount(historySize: Int) -> Int { 2 * historySize + 5 }

  init(_ network: Network<B>, memory: Memory<B>, record: Shape) throws {
    self.network = network
    backend = network.backend
    size = network.recipe.optimizer.historySize
    changes = network.recipe.corruption != nil || network.resolved.layers.contains { $0.kind.draws }
    let (rows, count) = (2 * size + 1, network.trained.count)
    basis = try memory.kept("lbfgs.basis", [rows, count])
    counters = try memory.kept("lbfgs.counters", [3])
    known = try memory.kept("lbfgs.record", record)
    start = try memory.scratch([count])
    direction = try memory.scratch([1, count])
    pair = try memory.scratch([2, count])
    products = try memory.scratch([rows, rows])
    pairProducts = try memory.scratch([2, 2])
    coefficients = try memory.scratch([1, rows])
    slope = try memory.scratch([1, 1])
    before = try memory.scratch(record)
  }

  /// The pairs of the history: how many, and where the next one goes.
  private struct Pairs {
    var count: Int
    var next: Int
    static var none: Pairs { Pairs(count: 0, next: 0) }

    init(count: Int, next: Int) {
      self.count = count
      self.next = next
    }

    /// Of the counters of a checkpoint, which may be damaged.
    init<Scalar: BinaryFloatingPoint>(_ counters: [Scalar], size: Int) throws {
      guard let count = Int(exactly: counters[0]), let next = Int(exactly: counters[1]), (0...size).contains(count),
        (0..<size).contains(next)
      else {
        throw CinchError.badData("The checkpoint's L-BFGS history contradicts itself: start a new run.")
      }
      self.init(count: count, next: next)
    }

    /// Their places, the oldest first.
    func places(of size: Int) -> [Int] { (0..<count).map { (next - count + $0 + size) % size } }
  }

  func forget() throws { try backend.fill(counters, with: 0) }

  func update(_ step: OptimizerStep, _ objective: UpdateObjective<B>) throws -> Bool {
    let kept = try backend.read(counters)
    var pairs = try Pairs(kept, size: size)
    if kept[2] == 0 || changes {
      try evaluate(step, objective)
      try backend.copy(network.trainedGradients, to: gradient)
    } else {
      try backend.copy(known, to: objective.record)
    }
    let value = try objective.value()
    // The run finds it in the record.
    guard value.isFinite else { return true }
    try backend.copy(objective.record, to: before)
    try backend.copy(network.trained, to: start)

    var found = try descend(pairs, from: value, step, objective)
    if found == nil, pairs.count > 0 {
      // A history that leads nowhere is given up for the gradient.
      pairs = .none
      found = try descend(pairs, from: value, step, objective)
    }
    if let found {
      try backend.copy(objective.record, to: known)
      try remember(found, &pairs)
    } else {
      try backend.copy(start, to: network.trained)
      try backend.copy(before, to: known)
    }
    try backend.copy(before, to: objective.record)
    try backend.write([B.Scalar(pairs.count), B.Scalar(pairs.next), 1], to: counters)
    return found != nil || changes
  }

  /// The last row of the basis.
  private var gradient: Tensor<B.Buffer> {
    basis.slice(at: 2 * size * direction.count, shape: [direction.count])
  }

  private func row(_ index: Int) -> Tensor<B.Buffer> {
    basis.slice(at: index * direction.count, shape: [direction.count])
  }

  /// The gradient of the whole objective: weight decay's λW is not the learner's.
  private func evaluate(_ step: OptimizerStep, _ objective: UpdateObjective<B>) throws {
    try objective.evaluate(.arena)
    guard step.weightDecay > 0, step.decayCount > 0 else { return }
    try add(step.weightDecay, network.weights, to: network.gradients.slice(at: 0, shape: network.weights.shape))
  }

  /// y += a x.
  private func add(_ a: Double, _ x: Tensor<B.Buffer>, to y: Tensor<B.Buffer>) throws {
    try backend.columnSums(x.reshaped([1, x.count]), scale: a, accumulate: true, into: y)
  }

  /// Goes along −H g, and leaves the parameters, the gradient and the record there.
  /// - Returns: how far; nil where no step lowers the objective.
  private func descend(
    _ pairs: Pairs, from value: Double, _ step: OptimizerStep, _ objective: UpdateObjective<B>
  ) throws -> Double? {
    try backend.matmul(basis, transposeA: false, basis, transposeB: true, into: products, epilogue: .none)
    let products = Scalars.doubles(try backend.read(products))
    guard let square = products.last, square.isFinite else {
      throw CinchError.diverged(
        Divergence.explain(
          network.recipe, "the gradient's norm", products.last ?? .nan, step: objective.number + 1,
          epoch: objective.number + 1))
    }
    guard square > 0 else { return nil }
    let weights = Self.direction(products, size: size, pairs.places(of: size))
    try backend.write(weights.map { B.Scalar($0) }, to: coefficients)
    try backend.matmul(coefficients, transposeA: false, basis, transposeB: false, into: direction, epilogue: .none)
    let origin = WolfeSearch.Point(step: 0, value: value, slope: try slope(along: gradient))
    guard origin.slope < 0 else { return nil }

    let first = step.learningRate * (pairs.count == 0 ? min(1, 1 / square.squareRoot()) : 1)
    var last = 0.0
    func trial(_ length: Double) throws -> WolfeSearch.Point {
      last = length
      try backend.copy(start, to: network.trained)
      try add(length, direction, to: network.trained)
      try evaluate(step, objective)
      return WolfeSearch.Point(
        step: length, value: try objective.value(), slope: try slope(along: network.trainedGradients))
    }
    guard let found = try search.run(from: origin, first: first, trial) else { return nil }
    // Where no trial was flat enough, the lowest need not be the last one.
    if found.step != last { _ = try trial(found.step) }
    return found.step
  }

  /// φ′ = gᵀd.
  private func slope(along gradient: Tensor<B.Buffer>) throws -> Double {
    try backend.matmul(
      gradient.reshaped([1, gradient.count]), transposeA: false, direction, transposeB: true, into: slope,
      epilogue: .none)
    return Scalars.doubles(try backend.read(slope))[0]
  }

  /// Takes up the pair of the step just made, where its curvature is positive by more than rounding makes of it, and the
  /// new gradient.
  private func remember(_ length: Double, _ pairs: inout Pairs) throws {
    let (s, y) = (
      pair.slice(at: 0, shape: [direction.count]), pair.slice(at: direction.count, shape: [direction.count])
    )
    try backend.columnSums(direction, scale: length, into: s)
    try backend.copy(network.trainedGradients, to: y)
    try add(-1, gradient, to: y)
    try backend.copy(network.trainedGradients, to: gradient)
    try backend.matmul(pair, transposeA: false, pair, transposeB: true, into: pairProducts, epilogue: .none)
    let product = Scalars.doubles(try backend.read(pairProducts))
    guard product[1] > Double(B.Scalar.ulpOfOne) * (product[0] * product[3]).squareRoot(), product[1].isFinite else {
      return
    }
    try backend.copy(s, to: row(pairs.next))
    try backend.copy(y, to: row(size + pairs.next))
    pairs = Pairs(count: min(pairs.count + 1, size), next: (pairs.next + 1) % size)
  }

  /// −H g by two loops, as coefficients of the basis.
  ///
  /// - Parameters:
  ///   - products: of the basis, each with each.
  ///   - places: of the pairs, the oldest first.
  static func direction(_ products: [Double], size: Int, _ places: [Int]) -> [Double] {
    let rows = 2 * size + 1
    /// Row `index` times the vector of such coefficients.
    func product(_ index: Int, _ coefficients: [Double]) -> Double {
      (0..<rows).reduce(0) { $0 + coefficients[$1] * products[index * rows + $1] }
    }
    func curvature(_ place: Int) -> Double { products[place * rows + size + place] }
    var coefficients = [Double](repeating: 0, count: rows)
    coefficients[rows - 1] = 1
    var factors: [Double] = []
    for place in places.reversed() {
      let factor = product(place, coefficients) / curvature(place)
      coefficients[size + place] -= factor
      factors.append(factor)
    }
    if let last = places.last {
      let scale = curvature(last) / products[(size + last) * rows + size + last]
      for index in 0..<rows { coefficients[index] *= scale }
    }
    for (place, factor) in zip(places, factors.reversed()) {
      coefficients[place] += factor - product(size + place, coefficients) / curvature(place)
    }
    return coefficients.map { -$0 }
  }
}
