import CinchBackend
import CinchData

/// What a model makes of a data set, by the names of its learner's metrics.
public struct Evaluation: Sendable, Hashable {
  public var metrics: Metrics
  public var samples: Int

  static let meanActivationName = "mean_activation"
  /// The name of the mean of (x̂−x)² over samples and elements, which models of different losses have in common.
  public static let mseName = "mse_per_element"
  /// The name of the same of PCA with as many components as the model's code has units.
  public static let principalName = "pca_mse_per_element"

  /// The mean reconstruction loss; not a number where the model reconstructs nothing.
  public var reconstruction: Reconstruction { Reconstruction(metrics) }
  /// The mean of the code over samples and units: ρ̂ of a sparse autoencoder.
  public var meanActivation: Double { metrics[Self.meanActivationName] ?? .nan }
}

/// Passes a data set through a learner in evaluation mode: queued batch by batch, with one wait for all of it.
struct EvaluationPass<B: Backend> {
  private let learner: any Learner<B>
  private let backend: B
  let feed: Feed<B>
  private let rows: Int
  private let seed: UInt64
  private let record: Tensor<B.Buffer>
  private let columns: Int
  private let features: Int
  private let count: Int
  private let permutation: Permutation?

  init(_ learner: any Learner<B>, _ network: Network<B>, _ source: FeedSource<B>, memoryLimit: Int) throws {
    let rows = min(network.resolved.evaluationRows, source.count)
    try self.init(
      learner, network,
      try Feed(
        source, on: network.backend, as: network.input, batchSize: rows, corruption: nil,
        objective: network.recipe.objective, memoryLimit: memoryLimit), rows: rows)
  }

  /// Of samples that are on the device for another reason.
  ///
  /// - Parameters:
  ///   - count: how many of them; nil for all.
  ///   - permutation: which are the first; nil for their own order.
  init(
    _ learner: any Learner<B>, _ network: Network<B>, sharing feed: Feed<B>, count: Int? = nil,
    permutation: Permutation? = nil
  ) throws {
    let rows = min(network.resolved.evaluationRows, count ?? feed.count)
    try self.init(
      learner, network, try Feed(sharing: feed, batchSize: rows), rows: rows, count: count, permutation: permutation)
  }

  private init(
    _ learner: any Learner<B>, _ network: Network<B>, _ feed: Feed<B>, rows: Int, count: Int? = nil,
    permutation: Permutation? = nil
  ) throws {
    self.learner = learner
    self.feed = feed
    self.rows = rows
    self.count = count ?? feed.count
    self.permutation = permutation
    backend = network.backend
    seed = network.recipe.seed
    features = network.input.count
    try learner.reserve(rows: rows, .evaluation)
    if self.count % rows > 0 { try learner.reserve(rows: self.count % rows, .evaluation) }
    columns = learner.columns(.evaluation).count
    record = try backend.tensor([(self.count + rows - 1) / rows, columns])
  }

  /// - Parameter withSquares: adds `Evaluation.mseName`, where a pass leaves what it takes.
  func run(withSquares: Bool = false) throws -> Evaluation {
    try learner.beginEvaluation()
    var squares = withSquares ? try backend.tensor([record.rows]) : nil
    for (index, start) in stride(from: 0, to: count, by: rows).enumerated() {
      let n = min(rows, count - start)
      let part = try feed.load(
        SampleOrder(start: start, permutation: permutation), rows: n,
        Pass(.evaluation, step: UInt64(index), seed: seed, batchRows: n))
      try learner.forward(part)
      try learner.record(part, into: record.slice(at: index * columns, shape: [columns]))
      if let sums = squares, try !learner.squaredError(part, into: sums.slice(at: index, shape: [1])) { squares = nil }
    }
    var metrics = learner.metrics(try means(of: record), .evaluation)
    if let squares {
      // Of what is there, as for the loss.
      metrics[Evaluation.mseName] =
        try means(of: squares)[0] / Double(features) / max(feed.observedShare, .leastNormalMagnitude)
    }
    Reconstruction.correct(&metrics, observed: feed.observedShare)
    return Evaluation(metrics: metrics, samples: count)
  }

  /// Over all samples, of what each batch comes to, a row each.
  private func means(of record: Tensor<B.Buffer>) throws -> [Double] {
    let values = try backend.read(record).map { Double($0) }
    let columns = values.count / record.rows
    var means = [Double](repeating: 0, count: columns)
    for (index, start) in stride(from: 0, to: count, by: rows).enumerated() {
      let share = Double(min(rows, count - start)) / Double(count)
      for column in 0..<columns { means[column] += share * values[index * columns + column] }
    }
    return means
  }
}
