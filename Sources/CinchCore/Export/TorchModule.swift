import CinchBackend
import CinchData

/// A module of an `nn.Sequential` of PyTorch's.
struct TorchModule: Sendable {
  /// As Python makes it, without `nn.`.
  let text: String
  /// The layer whose weight and bias it has; nil where it has none.
  let layer: String?

  /// - Parameter layer: whose weight and bias it has; nil for a module without.
  init(_ text: String, of layer: ResolvedLayer? = nil) {
    self.text = text
    self.layer = layer?.name
  }

  /// None for a linear layer.
  static func activation(_ activation: Activation) -> [TorchModule] {
    switch activation {
    case .linear: []
    case .sigmoid: [TorchModule("Sigmoid()")]
    case .relu: [TorchModule("ReLU()")]
    case .tanh: [TorchModule("Tanh()")]
    case .softplus: [TorchModule("Softplus()")]
    case .leakyReLU: [TorchModule("LeakyReLU(\(Activation.leakySlope))")]
    }
  }

  /// - Parameter what: what the layer does that no module of a sequence can.
  static func refusal(_ layer: ResolvedLayer, _ what: String) -> CinchError {
    .usage(
      "Layer \(layer.name) \(what), which no module of an nn.Sequential does: write a class of your own, and load the run's "
        + "model.safetensors into it.")
  }
}
