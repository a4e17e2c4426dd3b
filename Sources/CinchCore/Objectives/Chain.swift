import CinchBackend
import CinchData

/// How the gradient of log p(v) of a restricted Boltzmann machine is estimated: by Gibbs sampling, for so many steps from
/// the samples (contrastive divergence; Hinton 2002), or on from where the last update left the chains (persistent
/// contrastive divergence; Tieleman 2008).
public struct ChainSettings: Sendable, Hashable {
  /// k: how often v and h are drawn in turns.
  public var steps: Int
  /// Whether chains go on from update to update. They are as many as a batch has samples.
  public var persistent: Bool

  public init(steps: Int = 1, persistent: Bool = false) {
    self.steps = steps
    self.persistent = persistent
  }
}

/// `{"steps": 1, "persistent": false}`.
extension ChainSettings: Codable {
  private enum CodingKeys: String, CodingKey, CaseIterable { case steps, persistent }

  public init(from decoder: any Decoder) throws {
    try decoder.refuseUnknownKeys(CodingKeys.self, in: "chain")
    let container = try decoder.container(keyedBy: CodingKeys.self)
    self.init(
      steps: try container.wholeIfPresent(.steps) ?? 1,
      persistent: try container.decodeIfPresent(Bool.self, forKey: .persistent) ?? false)
  }
}

extension ChainSettings {
  private static let mostSteps = 100_000

  /// - Throws: `CinchError.usage`, naming what makes no restricted Boltzmann machine.
  func validate(_ objective: Objective, on network: ResolvedNetwork) throws {
    guard (1...Self.mostSteps).contains(steps) else {
      throw CinchError.usage("\(.chainSteps) must lie between 1 and \(Self.mostSteps), not \(steps).")
    }
    let layers = network.layers
    guard layers.count == 2, layers.allSatisfy({ $0.kind is DenseKind }),
      network.parameters.uses(at: 1).first?.isShared ?? false,
      layers[0].spec.activation == .sigmoid, [.sigmoid, .linear].contains(layers[1].spec.activation)
    else {
      throw CinchError.usage(
        "A Boltzmann machine has one dense layer of sigmoid units and its mirror with the same weights: give two numbers in "
          + "\(.layers), \(.activation, "sigmoid") without another \(.codeActivation), and \(.outputActivation, "sigmoid"), or "
          + "linear for gaussian visible units."
      )
    }
    guard objective.loss == .sse else {
      throw CinchError.usage(
        "What a Boltzmann machine reports of its reconstructions is their squared error: use \(.loss, "sse"), not "
          + "\(objective.loss.rawValue).")
    }
    var others = objective.penalties
    others.weightDecay = 0
    others.kl = nil
    guard others.active.isEmpty, objective.corruption == nil else {
      throw CinchError.usage(
        "Contrastive divergence knows \(.weightDecay), \(.rho) with \(.beta) and no other penalty, and no corruption: leave "
          + "the others out.")
    }
  }
}

extension Metrics {
  /// The mean free energy of samples: −log p(v) but for a constant.
  public static let freeEnergyName = "free_energy"
  /// Of a Boltzmann machine of Bernoulli units: see `PseudoLikelihood`; nats.
  public static let pseudoLikelihoodName = "pseudo_likelihood"
  /// log p(x), averaged over samples, of probabilistic PCA, or −F(v) − log Z of a Boltzmann machine: nats.
  public static let logLikelihoodName = "log_likelihood"
  /// Of held-out samples less that of as many training samples, or of 1,024 where fewer are held out, both with the weights
  /// after the epoch: grows when a Boltzmann machine overfits (Hinton 2010, section 6).
  public static let freeEnergyGapName = "free_energy_gap"
}
