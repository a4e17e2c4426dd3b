import CinchBackend
import CinchData

/// The loss of a table's columns, each by its kind: whole rows are looked at, and the logits lie in δ's place until the loss
/// is known.
struct MixedOutputLoss<B: Backend>: OutputLoss {
  private let network: Network<B>
  private let stage: Stage<B>
  private let outputs: OutputColumns<B.Buffer>
  let columns = [Column("reconstruction")]

  init(network: Network<B>, _ stage: Stage<B>, columns: [OutputColumn]) throws {
    self.network = network
    self.stage = stage
    outputs = try network.backend.outputColumns(columns)
  }

  func partialCount(rows: Int) -> Int { rows * outputs.width }

  func run(_ view: PassView<B>) throws {
    let delta = try view.delta(of: stage.layers.upperBound - 1)
    try stage.layer.forward(try view.input(of: stage.layers.lowerBound), into: delta, view.pass)
    try network.backend.mixedLoss(
      delta, outputs, target: view.batch.target, weight: view.batch.weight, gradientScale: 1 / view.samples,
      gradient: delta, losses: view.activations.lossPartials.reshaped(delta.shape))
  }
}

/// `"number"`, `"binary"`, or how many texts a category has.
extension OutputColumn: Codable {
  public init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    if let texts = try? container.decode(Int.self) {
      self = .category(texts)
      return
    }
    switch try container.decode(String.self) {
    case "number": self = .number
    case "binary": self = .binary
    case let other:
      throw DecodingError.dataCorruptedError(
        in: container, debugDescription: "'\(other)' is no column: use number, binary, or how many texts a category has"
      )
    }
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    switch self {
    case .number: try container.encode("number")
    case .binary: try container.encode("binary")
    case .category(let texts): try container.encode(texts)
    }
  }
}

extension Recipe {
  /// Whether the loss can give way to `mixed`: a dense autoencoder whose objective is made of no probabilities.
  package var takesMixedLoss: Bool {
    guard case .autoencoder = architecture, image == nil else { return false }
    return closedForm == nil && objective.chain == nil && penalties.prior == nil && loss.target == .samples
  }

  /// The recipe with the mixed loss of a table's columns, behind a linear output layer: ½(x̂−x)² of numbers, which should be
  /// standardised, the cross-entropy of categories.
  ///
  /// - Parameter data: from a table with names; any other is taken to have numbers alone.
  /// - Throws: `CinchError.usage` where the recipe has no such output.
  public func adopting(columnsOf data: Dataset) throws -> Recipe {
    guard takesMixedLoss else {
      throw CinchError.usage(
        "'\(name)' has a loss of its own, which \(.loss, "mixed") cannot replace: train another recipe, such as deep.")
    }
    var recipe = try settingOutputActivation(.linear)
    recipe.objective.loss = .mixed
    recipe.objective.sigma = nil
    recipe.objective.columns = data.columns
    return recipe
  }
}

extension Dataset {
  /// What its columns are to a network.
  package var columns: [OutputColumn] {
    guard let schema, schema.features == features else {
      return [OutputColumn](repeating: .number, count: features)
    }
    return schema.columns.map(\.kind.output)
  }

  /// The share of values that are there; of a table's columns, where these are given, each counts once.
  package func observedShare(_ columns: [OutputColumn]?) -> Double {
    guard let observed else { return 1 }
    let counted: [Int]
    if let columns {
      var start = 0
      counted = columns.map { column in
        defer { start += column.width }
        return start
      }
    } else {
      counted = Array(0..<features)
    }
    var count = 0
    observed.forEachBlock { _, block in
      for row in stride(from: 0, to: block.count, by: features) {
        for feature in counted where block[row + feature] != 0 { count += 1 }
      }
    }
    return Double(count) / Double(self.count * counted.count)
  }
}

extension Dataset {
  /// The first value of a binary or categorical column that is not in 0…1, with its row and feature, from 0.
  func firstShare(outside columns: [OutputColumn]) -> (row: Int, feature: Int, value: Float)? {
    guard first(outside: 0...1) != nil else { return nil }
    let isShare = columns.flatMap { [Bool](repeating: $0 != .number, count: $0.width) }
    var found: (row: Int, feature: Int, value: Float)?
    rows.forEachBlock { first, block in
      guard found == nil, let place = block.indices.first(where: { isShare[$0 % features] && !(0...1 ~= block[$0]) })
      else { return }
      found = (first + place / features, place % features, block[place])
    }
    return found
  }
}
