import CinchBackend
import CinchData

/// A layer on a device. Forward and backward are explicit: each call queues ops and returns.
///
/// A layer's δ is the gradient of the objective at its pre-activation, so `inputGradient` takes the activation
/// gradient of the layer *below* and hands down that layer's δ.
protocol Layer<B> {
  associatedtype B: Backend

  var resolved: ResolvedLayer { get }

  /// Makes room for what it keeps of batches of so many samples between forward and backward.
  func reserve(rows: Int) throws

  /// h = f(a), where x is `[samples, …]` and h is too.
  func forward(_ x: Tensor<B.Buffer>, into h: Tensor<B.Buffer>, _ pass: Pass) throws

  /// The output layer of a training step: δ and the loss in place of the output.
  func forward(_ x: Tensor<B.Buffer>, loss: FusedLoss<B.Buffer>, delta: Tensor<B.Buffer>) throws

  /// The gradients of the layer's own parameters from its δ and its input.
  func gradients(delta: Tensor<B.Buffer>, input: Tensor<B.Buffer>, rowPull: RowPull<B.Buffer>?) throws

  /// δ of the layer below.
  func inputGradient(
    delta: Tensor<B.Buffer>, below: ActivationGradient<B.Buffer>, into result: Tensor<B.Buffer>,
    _ pass: Pass) throws

  /// How many partial sums `forward(_:loss:delta:)` writes.
  func lossPartialCount(samples: Int) -> Int

  /// Whether `gradients` heeds a row pull.
  var takesRowPull: Bool { get }
}

/// A tensor that a layer learns or keeps: views of the parameter and gradient arenas.
struct LayerParameter<Buffer: AnyObject> {
  let value: Tensor<Buffer>
  let gradient: Tensor<Buffer>
  /// Whether it is another layer's, as a tied decoder layer's weight is its mirror's.
  let isShared: Bool
  /// Whether a layer above has already written `gradient` in this backward pass.
  let accumulates: Bool

  func reshaped(_ shape: Shape) -> LayerParameter {
    LayerParameter(
      value: value.reshaped(shape), gradient: gradient.reshaped(shape), isShared: isShared, accumulates: accumulates)
  }
}

extension Layer {
  var takesRowPull: Bool { false }

  func reserve(rows: Int) throws {}

  func lossPartialCount(samples: Int) -> Int { 0 }

  func gradients(delta: Tensor<B.Buffer>, input: Tensor<B.Buffer>, rowPull: RowPull<B.Buffer>?) throws {}

  func forward(_ x: Tensor<B.Buffer>, loss: FusedLoss<B.Buffer>, delta: Tensor<B.Buffer>) throws {
    throw CinchError.usage("Layer \(resolved.name) cannot be the last: end with a dense layer or a convolution.")
  }
}
