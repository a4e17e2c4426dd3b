import CinchBackend
import CinchData

/// One summand of the objective beside the loss, or one number that is only reported.
///
/// A term owns its memory and is asked in this order: `claim` once, when the learner is made; then, in every pass,
/// `measure` after the forward pass; `derive`, `add` and `addGradients` in the backward pass; `value` for the record.
protocol Term<B> {
  associatedtype B: Backend

  var column: Column { get }

  /// The layers whose output it reads or whose δ it changes. The schedule keeps those, and no fused pass skips them.
  var sites: [Int] { get }

  /// Sums over the batch, or a part of it, that `value` and `derive` need. It leaves no trace in what is kept.
  func measure(_ view: PassView<B>) throws

  /// What `measure` leaves that must be summed over all parts before `derive`.
  var statistics: [Tensor<B.Buffer>] { get }

  /// What the backward pass needs of the complete sums. It may run several times in an update, each time from what was
  /// kept before it, which it does not change.
  func derive(_ view: PassView<B>) throws

  /// Takes places in the op that makes δ at a site: what it adds there costs no pass of its own.
  /// - Throws: `CinchError.usage` where another term has taken the place.
  func claim(_ slots: inout ActivationSlots<B>, at site: Int) throws

  /// Adds to δ at a site what no slot can: ∂/∂a, with f′ already in it.
  func add(to delta: Tensor<B.Buffer>, at site: Int, _ view: PassView<B>) throws

  /// Adds to the gradients of a layer's parameters, which the backward pass has just written.
  func addGradients(at layer: Int, _ view: PassView<B>) throws

  /// Moves on what is kept: once after each update.
  func endUpdate() throws

  /// The term's value for the record: the part's share of its mean over the batch's samples.
  func value(_ view: PassView<B>) throws -> SumTerm<B.Buffer>

  /// Whether `add` and `addGradients` do anything.
  var addsToDelta: Bool { get }
  var addsToGradients: Bool { get }
}

extension Term {
  var sites: [Int] { [] }
  var statistics: [Tensor<B.Buffer>] { [] }
  var addsToDelta: Bool { false }
  var addsToGradients: Bool { false }
  func measure(_ view: PassView<B>) throws {}
  func derive(_ view: PassView<B>) throws {}
  func endUpdate() throws {}
  func claim(_ slots: inout ActivationSlots<B>, at site: Int) throws {}
  func add(to delta: Tensor<B.Buffer>, at site: Int, _ view: PassView<B>) throws {}
  func addGradients(at layer: Int, _ view: PassView<B>) throws {}
}

/// What the op that makes δ at a layer adds on the way; see `ActivationGradient` and `RowPull`. Each place is taken once.
struct ActivationSlots<B: Backend> {
  /// ∂Ω/∂h, the same for every sample: `[units]`.
  private(set) var column: Tensor<B.Buffer>?
  /// λ of λ Σ abs(h) per sample.
  private(set) var l1 = 0.0
  /// Squared row norms `[units]`, and a factor that is divided by the batch's samples.
  private(set) var curvature: (norms: Tensor<B.Buffer>, factor: Double)?
  /// What is added to the gradient of the layer's weight.
  private(set) var rowPull: RowPull<B.Buffer>?

  /// Who has taken which.
  private var takers: [String: String] = [:]
  private let layer: ResolvedLayer
  private let takesRowPull: Bool
  private let isOutput: Bool
  private static var weightGradient: String { "weight gradient" }

  /// - Parameter isOutput: whether the layer's δ is made by the loss, which has no places.
  init(_ layer: any Layer<B>, isOutput: Bool) {
    self.layer = layer.resolved
    self.isOutput = isOutput
    takesRowPull = layer.takesRowPull
  }

  private mutating func take(_ place: String, for term: String) throws {
    guard !isOutput || place == Self.weightGradient else {
      throw CinchError.usage(
        "The term \(term) needs the \(place) of the output layer \(layer.name), whose gradient the loss makes: "
          + "let it act on a hidden layer.")
    }
    if let other = takers.updateValue(term, forKey: place) {
      throw CinchError.usage(
        "The terms \(other) and \(term) both need the \(place) of layer \(layer.name): train with one of them.")
    }
  }

  mutating func takeColumn(_ column: Tensor<B.Buffer>, for term: String) throws {
    try take("column", for: term)
    self.column = column
  }

  mutating func takeL1(_ factor: Double, for term: String) throws {
    try take("L1 factor", for: term)
    l1 = factor
  }

  mutating func takeCurvature(norms: Tensor<B.Buffer>, factor: Double, for term: String) throws {
    try take("curvature", for: term)
    curvature = (norms, factor)
  }

  mutating func takeRowPull(_ pull: RowPull<B.Buffer>, for term: String) throws {
    guard takesRowPull else {
      throw CinchError.usage("The term \(term) acts on the weight of a dense layer, which \(layer.name) is not.")
    }
    try take(Self.weightGradient, for: term)
    rowPull = pull
  }
}
