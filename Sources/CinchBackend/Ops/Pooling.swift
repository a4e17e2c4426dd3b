/// Where each window of a pooling, unpooling or upsampling lies: window (i, j) of the small image covers rows
/// `i·strideʸ − top ..< i·strideʸ − top + kernelʸ` of the large one, and columns alike. Pixels outside do not count.
public struct PoolingGeometry: Sendable, Hashable {
  public var height: Int
  public var width: Int
  public var channels: Int
  public var outputHeight: Int
  public var outputWidth: Int
  public var kernelHeight: Int
  public var kernelWidth: Int
  public var strideHeight: Int
  public var strideWidth: Int
  public var top: Int
  public var left: Int

  public init(
    height: Int, width: Int, channels: Int, outputHeight: Int, outputWidth: Int, kernel: (height: Int, width: Int),
    stride: (height: Int, width: Int), top: Int = 0, left: Int = 0
  ) {
    self.height = height
    self.width = width
    self.channels = channels
    self.outputHeight = outputHeight
    self.outputWidth = outputWidth
    kernelHeight = kernel.height
    kernelWidth = kernel.width
    strideHeight = stride.height
    strideWidth = stride.width
    self.top = top
    self.left = left
  }

  /// Pixels of a window whose places floats tell apart, as switches have to.
  @usableFromInline package static let mostPlaces = 1 << 24

  /// `[samples, height, width, channels]`.
  public func large(_ samples: Int) -> Shape { [samples, height, width, channels] }
  /// `[samples, outputHeight, outputWidth, channels]`.
  public func small(_ samples: Int) -> Shape { [samples, outputHeight, outputWidth, channels] }
}

/// Pooling and its inverses, forward and backward. Images are channels last. Each gradient op takes the activation
/// gradient of the layer below, so that what pooling hands down is already at that layer's pre-activation. A result
/// overlaps neither what it is made of nor the switches.
public protocol PoolingOps: MemoryOps {
  /// y = the largest value of each window, and where it was: `switches` receives `u·kernelWidth + v` of the first
  /// largest (row by row), as a scalar. A NaN in a window is its largest value. Ops with switches take windows of 2²⁴
  /// pixels at most.
  func maxPool(
    _ x: Tensor<Buffer>, _ geometry: PoolingGeometry, into y: Tensor<Buffer>, switches: Tensor<Buffer>) throws

  /// x[pixel] = Σ of y over the windows whose switch points at the pixel, else 0: the gradient of `maxPool`, and
  /// unpooling by switches (Zeiler & Fergus 2014). `below` is applied where given.
  func unpool(
    _ y: Tensor<Buffer>, switches: Tensor<Buffer>, _ geometry: PoolingGeometry, into x: Tensor<Buffer>,
    below: ActivationGradient<Buffer>?) throws

  /// y = x at each window's switch: the gradient of `unpool`.
  func pickSwitches(
    _ x: Tensor<Buffer>, switches: Tensor<Buffer>, _ geometry: PoolingGeometry, into y: Tensor<Buffer>,
    below: ActivationGradient<Buffer>?) throws

  /// y = Σ of each window's pixels inside the image, divided by their number if `mean`: average pooling
  /// (mean), and the gradient of upsampling (sum).
  func poolSum(
    _ x: Tensor<Buffer>, _ geometry: PoolingGeometry, mean: Bool, into y: Tensor<Buffer>,
    below: ActivationGradient<Buffer>?) throws

  /// The adjoint of `poolSum`: x[pixel] = Σ over the windows that cover it of y, each divided by the window's pixels
  /// inside the image if `mean`. Nearest-neighbour upsampling (kernel = stride, sum), and the gradient of average
  /// pooling (mean).
  func poolSpread(
    _ y: Tensor<Buffer>, _ geometry: PoolingGeometry, mean: Bool, into x: Tensor<Buffer>,
    below: ActivationGradient<Buffer>?) throws
}
