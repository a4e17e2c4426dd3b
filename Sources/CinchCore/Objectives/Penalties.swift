import CinchBackend
import CinchData

/// What is added to the reconstruction loss. A zero leaves a term out, and so does a `kl` of nil.
///
/// | term | added to the mean loss per sample |
/// |---|---|
/// | `weightDecay` λ | (λ/2) Σ W² over weights, never biases |
/// | `kl` ρ, β | β Σ_j KL(ρ ‖ ρ̂_j), ρ̂_j the mean activation of code unit j; see below for Boltzmann machines |
/// | `l1` λ | λ Σ_j abs(h_j) of the code, averaged over samples |
/// | `contraction` λ | λ ‖∂h/∂x‖²_F of a one-layer encoder, averaged over samples |
/// | `prior` β | β KL(N(μ, diag eˢ) ‖ N(0, I)) of a code that is drawn, averaged over samples; it must be there |
///
/// The gradient of a restricted Boltzmann machine is that of no loss. There `kl` adds β(ρ̂_j − ρ) to what is derived by the
/// input of hidden unit j (Hinton, "A practical guide to training restricted Boltzmann machines", 2010, section 11).
public struct Penalties: Sendable, Hashable {
  public var weightDecay: Double
  public var kl: KLSettings?
  public var l1: Double
  public var contraction: Double
  public var prior: PriorSettings?

  public init(
    weightDecay: Double = 0, kl: KLSettings? = nil, l1: Double = 0, contraction: Double = 0, prior: PriorSettings? = nil
  ) {
    self.weightDecay = weightDecay
    self.kl = kl
    self.l1 = l1
    self.contraction = contraction
    self.prior = prior
  }
}

extension Penalties: Codable {
  private enum CodingKeys: String, CodingKey, CaseIterable { case weightDecay, kl, l1, contraction, prior }

  public init(from decoder: any Decoder) throws {
    try decoder.refuseUnknownKeys(CodingKeys.self, in: "penalties")
    let container = try decoder.container(keyedBy: CodingKeys.self)
    self.init(
      weightDecay: try container.decodeIfPresent(Double.self, forKey: .weightDecay) ?? 0,
      kl: try container.decodeIfPresent(KLSettings.self, forKey: .kl),
      l1: try container.decodeIfPresent(Double.self, forKey: .l1) ?? 0,
      contraction: try container.decodeIfPresent(Double.self, forKey: .contraction) ?? 0,
      prior: try container.decodeIfPresent(PriorSettings.self, forKey: .prior))
  }
}

extension Recipe {
  /// The sparsity that is usual for a recipe: a Boltzmann machine's gradient is that of single units, and its batches are
  /// small.
  public var usualSparsity: KLSettings {
    objective.chain == nil ? KLSettings(rho: 0.05, beta: 3) : KLSettings(rho: 0.05, beta: 0.1, momentum: 0.9)
  }
}

extension KLSettings: Codable {
  private enum CodingKeys: String, CodingKey, CaseIterable { case rho, beta, momentum }

  public init(from decoder: any Decoder) throws {
    try decoder.refuseUnknownKeys(CodingKeys.self, in: "kl")
    let container = try decoder.container(keyedBy: CodingKeys.self)
    self.init(
      rho: try container.decode(Double.self, forKey: .rho), beta: try container.decode(Double.self, forKey: .beta),
      momentum: try container.decodeIfPresent(Double.self, forKey: .momentum) ?? 0)
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(rho, forKey: .rho)
    try container.encode(beta, forKey: .beta)
    try container.encode(momentum, forKey: .momentum)
  }
}
