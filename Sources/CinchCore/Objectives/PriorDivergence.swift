import CinchBackend
import CinchData

/// How much the divergence of a drawn code from its prior counts: β(t)·KL(N(μ, diag eˢ) ‖ N(0, I)), where β grows from 0
/// to its value over the first updates.
///
/// With β = 1 the objective is the negative evidence lower bound (Kingma and Welling 2014), with another a β-VAE's (Higgins
/// et al. 2017); a warm-up keeps units of the code from being given up early (Sønderby et al. 2016).
public struct PriorSettings: Sendable, Hashable {
  public var beta: Double
  /// Updates until β has its value; at update t, counted from 0, it is β·min(1, (t + 1)/`warmUp`).
  public var warmUp: Int

  public init(beta: Double = 1, warmUp: Int = 0) {
    self.beta = beta
    self.warmUp = warmUp
  }

  /// β at an update.
  func weight(_ step: Int) -> Double { warmUp > 0 ? beta * min(1, Double(step + 1) / Double(warmUp)) : beta }
}

/// `{"beta": 1, "warm_up": 0}`.
extension PriorSettings: Codable {
  private enum CodingKeys: String, CodingKey, CaseIterable { case beta, warmUp }

  public init(from decoder: any Decoder) throws {
    try decoder.refuseUnknownKeys(CodingKeys.self, in: "prior")
    let container = try decoder.container(keyedBy: CodingKeys.self)
    self.init(
      beta: try container.decodeIfPresent(Double.self, forKey: .beta) ?? 1,
      warmUp: try container.wholeIfPresent(.warmUp) ?? 0)
  }
}

extension Metrics {
  /// KL(q(z|x) ‖ p(z)), averaged over samples: nats.
  public static let divergenceName = "kl"
  /// The evidence lower bound, −(reconstruction + KL), averaged over samples: nats.
  public static let boundName = "elbo"
  /// The importance-weighted bound, averaged over samples: nats.
  public static let weightedBoundName = "importance_weighted_bound"
  /// What is reported beside the terms of an objective.
  static let derivedNames = [divergenceName, boundName]
}

/// The divergence of a drawn code from N(0, I), ½ Σ (μ² + eˢ − 1 − s) of a sample: see `SamplingOps`.
struct PriorDivergence: Penalty {
  let settings: PriorSettings
  var name: String { "prior" }
  var weight: Double { settings.beta }
  var setting: CinchError.Setting { .beta }
  var usualWeight: Double { 1 }

  /// The layer that gives means and log variances.
  func sites(encoderCount: Int) -> [Int] { [encoderCount - 2] }

  func terms<B: Backend>(on network: Network<B>, memory: Memory<B>) throws -> [any Term<B>] {
    guard let layer = network.code as? SamplingLayer<B> else { return [] }
    layer.priorWeight = { [settings] in settings.weight($0) }
    let divergences = divergences(network, memory)
    return [
      PriorDivergenceTerm(
        column: Column(name) { [settings] in settings.weight($0) }, sites: sites(encoderCount: network.encoderCount),
        divergences: divergences, measures: network.backend),
      PriorDivergenceTerm(column: Column(Metrics.divergenceName, weight: nil), divergences: divergences),
    ]
  }

  func reports<B: Backend>(on network: Network<B>, memory: Memory<B>) throws -> [any Term<B>] {
    [
      PriorDivergenceTerm(
        column: Column(Metrics.divergenceName, weight: nil), sites: sites(encoderCount: network.encoderCount),
        divergences: divergences(network, memory), measures: network.backend)
    ]
  }

  private func divergences<B: Backend>(_ network: Network<B>, _ memory: Memory<B>) -> RowScratch<B> {
    RowScratch(memory) { $0 }
  }
}

private struct PriorDivergenceTerm<B: Backend>: Term {
  let column: Column
  var sites: [Int] = []
  let divergences: RowScratch<B>
  /// Nil where another term has measured.
  var measures: B?

  func measure(_ view: PassView<B>) throws {
    guard let measures else { return }
    try measures.priorDivergence(
      try view.output(of: sites[0]), into: divergences.tensor(rows: view.batch.rows))
  }

  func value(_ view: PassView<B>) throws -> SumTerm<B.Buffer> {
    SumTerm(try divergences.tensor(rows: view.batch.rows), scale: 1 / view.samples)
  }
}
