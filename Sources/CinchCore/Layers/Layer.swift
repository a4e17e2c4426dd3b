import CinchBackend
import CinchData

/// A layer on a device. Forward and backward are explicit: each call queues ops and returns.
///
/// A layer's δ is the gradient of the objective at its pre-activation, so `inputGradient` takes the activation
/// gradient of the layer *below* and hands down that layer's δ.
protocol Layer<B> {
  associatedtype B: Backend

  var resolved: ResolvedLayer { get }

  /// h = f(a), where x is `[samples, …]` and h is too.
  func forward(_ x: Tensor<B.Buffer>, into h: Tensor<B.Buffer>) throws

  /// The output layer of a training step: δ and the loss in place of the output.
  func forward(_ x: Tensor<B.Buffer>, loss: FusedLoss<B.Buffer>, delta: Tensor<B.Buffer>) throws

  /// The gradients of the layer's own parameters from its δ and its input.
  func gradients(delta: Tensor<B.Buffer>, input: Tensor<B.Buffer>, rowPull: RowPull<B.Buffer>?) throws

  /// δ of the layer below.
  func inputGradient(
    delta: Tensor<B.Buffer>, below: ActivationGradient<B.Buffer>, into result: Tensor<B.Buffer>) throws

  /// How many partial sums `forward(_:loss:delta:)` writes.
  func lossPartialCount(samples: Int) -> Int
}

/// The part of a layer that is learned: views of the parameter and gradient arenas.
struct LayerParameters<Buffer: AnyObject> {
  let weight: Tensor<Buffer>
  let weightGradient: Tensor<Buffer>
  let bias: Tensor<Buffer>
  let biasGradient: Tensor<Buffer>
  /// Whether `weight` is the mirrored encoder layer's.
  let isTied: Bool
  /// Whether a tied decoder layer has already written `weightGradient` in this backward pass.
  let accumulates: Bool
}

extension Layer {
  func lossPartialCount(samples: Int) -> Int { 0 }

  func gradients(delta: Tensor<B.Buffer>, input: Tensor<B.Buffer>, rowPull: RowPull<B.Buffer>?) throws {}

  func forward(_ x: Tensor<B.Buffer>, loss: FusedLoss<B.Buffer>, delta: Tensor<B.Buffer>) throws {
    throw CinchError.usage("Layer \(resolved.name) cannot be the last: end with a dense layer or a convolution.")
  }
}
