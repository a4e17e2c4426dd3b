import CinchBackend
import CinchData

extension LayerSpec {
  /// A code drawn from a normal distribution, of which the layer below gives means and log variances:
  /// z = μ + e^{s/2}⊙ε, ε from N(0, I). What only wants to use a model takes z = μ.
  ///
  /// Source: Kingma and Welling, "Auto-encoding variational Bayes", ICLR 2014.
  public struct Sampling: LayerDefinition {
    public init() {}

    /// The means and log variances of a code of so many units. What does not fit an Int is its largest or smallest number, which
    /// the layer below refuses.
    static func inputs(drawing units: Int) -> Int {
      let (count, overflow) = units.multipliedReportingOverflow(by: 2)
      return overflow ? (units < 0 ? .min : .max) : count
    }
  }

  /// A code drawn from a normal distribution, of which the layer below gives [μ | s], s = log σ².
  public static let sampling = LayerSpec.sampling(Sampling())
}

/// `{"type": "sampling"}`.
extension LayerSpec.Sampling {
  static let typeName = "sampling"

  public init(from decoder: any Decoder) throws {}
  public func encode(to encoder: any Encoder) throws {}
}

extension LayerSpec.Sampling {
  var spec: LayerSpec { .sampling(self) }

  func resolve(
    _ input: FeatureShape, name: String, in network: inout NetworkShape
  ) throws -> (output: FeatureShape, kind: any ResolvedKind) {
    guard case .flat(let count) = input, count.isMultiple(of: 2), count > 0 else {
      throw CinchError.usage(
        "Layer \(name) draws a code of which it needs means and log variances, but its input is \(input): put a dense layer "
          + "of twice as many units as the code before it.")
    }
    guard let below = network.layers.last, below.spec.activation == .linear else {
      throw CinchError.usage(
        "Layer \(name) takes means and log variances as they are: make the layer before it dense and "
          + "\(.codeActivation, "linear").")
    }
    return (.flat(count / 2), SamplingKind())
  }

  /// Nothing: what leads back from a code needs no more than the code.
  func mirror(of layer: ResolvedLayer, activation: Activation, pools: PoolInverse) throws -> [LayerSpec] { [] }
}

struct SamplingKind: ResolvedKind {
  var draws: Bool { true }

  /// z = μ, the first half of [μ | s].
  func operators(of layer: ResolvedLayer, on x: String, in graph: inout GraphBuilder) throws -> String {
    let (first, last) = (graph.integers([0], "first"), graph.integers([layer.output.count], "last"))
    return graph.add("Slice", [x, first, last, graph.integers([1], "axis")])
  }

  func modules(of layer: ResolvedLayer) throws -> [TorchModule] {
    throw TorchModule.refusal(layer, "draws the code")
  }

  func make<B: Backend>(_ layer: ResolvedLayer, at site: LayerSite<B>) throws -> any Layer<B> {
    SamplingLayer(resolved: layer, index: site.index, backend: site.backend)
  }
}

/// The op that makes δ of the path through z adds the gradient of the divergence from the prior, whose weight the term
/// `PriorDivergence` sets.
final class SamplingLayer<B: Backend>: Layer {
  let resolved: ResolvedLayer
  private let index: Int
  private let backend: B
  /// What the divergence of a sample counts in the objective at an update.
  var priorWeight: @Sendable (_ step: Int) -> Double = { _ in 0 }

  init(resolved: ResolvedLayer, index: Int, backend: B) {
    self.resolved = resolved
    self.index = index
    self.backend = backend
  }

  private func draws(_ pass: Pass) -> Draws? {
    pass.mode == .inference ? nil : pass.draws(.sampling, site: index)
  }

  func forward(_ x: Tensor<B.Buffer>, into h: Tensor<B.Buffer>, _ pass: Pass) throws {
    try backend.sample(x, draws(pass), into: h)
  }

  func inputGradient(
    delta: Tensor<B.Buffer>, below: ActivationGradient<B.Buffer>, into result: Tensor<B.Buffer>, _ pass: Pass
  ) throws {
    try backend.sampleGradient(
      delta, below.output, pass.draws(.sampling, site: index),
      prior: priorWeight(Int(pass.step)) / Double(pass.batchRows), into: result)
  }
}
