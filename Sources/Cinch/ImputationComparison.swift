import CinchBackend
import CinchCore
import CinchData

/// How well missing cells are completed: known cells are hidden, and what each method puts there is compared with them.
public struct ImputationComparison: Sendable {
  /// One way to complete a table.
  public enum Method: String, Sendable, Hashable, CaseIterable {
    /// The model.
    case autoencoder
    /// A column's mean, or most frequent text.
    case mean
    /// A column's median, or most frequent text.
    case median
    /// Principal components, fitted to what they put in until that no longer changes.
    case pca
    /// The mean or most frequent text of the five nearest rows that have the column.
    case neighbours
  }

  /// What a method makes of the hidden cells.
  public struct Score: Sendable, Hashable {
    public let method: Method
    /// The root mean squared error of numbers, each in standard deviations of its column; nil where none was hidden.
    public let rmse: Double?
    /// The share of texts that are right; nil where none was hidden.
    public let accuracy: Double?
    /// Each column's own: the root mean squared error in its units, or the share that is right. Nil where none of it was
    /// hidden.
    public let columns: [Double?]
  }

  /// The columns' names, in the order of `Score.columns`.
  public let columns: [String]
  /// Cells that were hidden.
  public let hidden: Int
  public let scores: [Score]

  /// Hides cells, trains a recipe on what is left, and compares.
  ///
  /// - Parameters:
  ///   - data: a table, not scaled.
  ///   - share: of the known cells that are hidden, each by a draw of its own.
  ///   - recipe: fitted to the data; nil takes `imputation(of:)`.
  ///   - seed: of the draws.
  ///   - device: where it trains.
  ///   - progress: told of each epoch; training stops where it answers false.
  /// - Throws: `CinchError.usage` for a share that is none, or a recipe that completes no tables; `.badData` where no cell can
  ///   be hidden; `.interrupted` where `progress` says so; as `Trainer`.
  public init(
    _ data: Dataset, hiding share: Double, recipe: Recipe? = nil, seed: UInt64 = 0, on device: Device = .automatic,
    progress: (TrainingProgress) -> Bool = { _ in true }
  ) throws {
    guard share > 0, share < 1 else {
      throw CinchError.usage("A share of \(share) hidden cells is not between 0 and 1: try 0.2.")
    }
    try data.requireTable()
    let recipe = recipe ?? .imputation(of: data)
    try recipe.requireImputation()
    let kinds = data.columns
    let philox = Philox(seed: seed, stream: .imputation, site: 1)
    let threshold = Philox.threshold(share)
    let holed = try data.hiding(kinds) { row, column in
      UInt64(philox.word(element: row * kinds.count + column, step: 0)) < threshold
    }
    guard holed.missingCount > data.missingCount else {
      throw CinchError.badData(
        "No cell of '\(data.name)' was hidden, for two of each column stay: give another share, or a larger table.")
    }
    let scaling = try Scaling.fit(.standard, to: holed)
    let scaled = try scaling.apply(to: holed)
    let trainer = try Trainer(recipe, on: device)
    try trainer.prepare(scaled, validation: nil)
    // An epoch that has come to its end ends, whatever the answer.
    var goesOn = true
    training: while goesOn {
      let outcome = try trainer.trainEpoch(epochs: recipe.epochs) {
        goesOn = progress($0)
        return goesOn
      }
      switch outcome {
      case .finished: continue
      case .interrupted: throw CinchError.interrupted
      case .complete: break training
      }
    }
    guard goesOn else { throw CinchError.interrupted }
    let truth = HiddenCells(data, holed, kinds, scaling)
    let baselines = ImputationBaselines(scaled, kinds)
    scores = try Method.allCases.map { method in
      let completed: [Float] =
        switch method {
        case .autoencoder: try trainer.model.impute(scaled).values
        case .mean: baselines.means()
        case .median: baselines.medians()
        case .pca: try baselines.principalComponents(seed: seed)
        case .neighbours: baselines.neighbours(seed: seed)
        }
      return truth.score(method, try scaled.completed(with: completed, columns: kinds).values)
    }
    columns = data.schema?.columns.map(\.name) ?? data.columnNames ?? (1...kinds.count).map { "\($0)" }
    hidden = truth.count
  }
}

extension Dataset {
  /// - Throws: `CinchError.usage` where samples are images.
  package func requireTable() throws {
    guard sampleShape.dimensions.count == 1 else {
      throw CinchError.usage("'\(name)' holds images, not rows of a table: name a table, or inpaint them.")
    }
  }
}

/// The cells that were hidden, and what they hold.
private struct HiddenCells {
  private let kinds: [OutputColumn]
  private let scaling: Scaling
  private let features: Int
  private let truth: [Float]
  /// By column, the place of its first number in the values.
  private let places: [[Int]]

  init(_ data: Dataset, _ holed: Dataset, _ kinds: [OutputColumn], _ scaling: Scaling) {
    self.kinds = kinds
    self.scaling = scaling
    features = data.features
    truth = data.values
    let before = data.observedValues, after = holed.observedValues
    var start = 0
    places = kinds.map { kind in
      defer { start += kind.width }
      return (0..<data.count).map { $0 * data.features + start }.filter {
        before?[$0] ?? 1 != 0 && after?[$0] ?? 1 == 0
      }
    }
  }

  var count: Int { places.reduce(0) { $0 + $1.count } }

  /// - Parameter values: scaled.
  func score(_ method: ImputationComparison.Method, _ values: [Float]) -> ImputationComparison.Score {
    var (squares, numbers, right, texts) = (0.0, 0, 0, 0)
    var start = 0
    let columns = zip(kinds, places).map { kind, places -> Double? in
      defer { start += kind.width }
      guard !places.isEmpty else { return nil }
      if kind == .number {
        let (offset, scale) = (scaling.offset[start], scaling.scale[start])
        // One that does not vary has no standard deviation.
        guard scale > 0 else { return nil }
        let sum = places.reduce(0.0) { sum, place in
          let difference = Double(values[place]) - (Double(truth[place]) - offset) / scale
          return sum + difference * difference
        }
        squares += sum
        numbers += places.count
        return scale * (sum / Double(places.count)).squareRoot()
      }
      let hits = places.count { place in
        (place..<place + kind.width).allSatisfy { (values[$0] >= 0.5) == (truth[$0] >= 0.5) }
      }
      right += hits
      texts += places.count
      return Double(hits) / Double(places.count)
    }
    return ImputationComparison.Score(
      method: method, rmse: numbers > 0 ? (squares / Double(numbers)).squareRoot() : nil,
      accuracy: texts > 0 ? Double(right) / Double(texts) : nil, columns: columns)
  }
}
