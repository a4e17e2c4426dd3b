/// The element-wise functions a layer ends with.
///
/// Every derivative is written in terms of the *output* h = f(a), so a backward pass needs no
/// pre-activations:
///
/// | name | f(a) | f′(a) from h | f″(a) from h |
/// |---|---|---|---|
/// | `linear` | a | 1 | 0 |
/// | `sigmoid` | 1/(1+e⁻ᵃ) | h(1−h) | h(1−h)(1−2h) |
/// | `relu` | max(a, 0) | 1[h>0] | 0 |
/// | `tanh` | tanh a | 1−h² | −2h(1−h²) |
/// | `softplus` | log(1+eᵃ) | 1−e⁻ʰ | e⁻ʰ(1−e⁻ʰ) |
/// | `leakyReLU` | a > 0 ? a : 0.01 a | h>0 ? 1 : 0.01 | 0 |
///
/// The leaky slope 0.01 is PyTorch's default. The raw values are also the codes the kernels switch on.
public enum Activation: String, CaseIterable, Sendable, Codable {
  case linear, sigmoid, relu, tanh, softplus
  case leakyReLU = "leaky-relu"

  /// The slope of `leakyReLU` for negative pre-activations.
  public static let leakySlope = 0.01

  /// The number that stands for this function in device code.
  public var code: Int32 {
    switch self {
    case .linear: 0
    case .sigmoid: 1
    case .relu: 2
    case .tanh: 3
    case .softplus: 4
    case .leakyReLU: 5
    }
  }

  /// Whether every output lies in [0, 1], as KL sparsity and a Bernoulli reading of the output need.
  public var isProbability: Bool { self == .sigmoid }
}
