/// Where each weight of a two-dimensional convolution meets the image.
///
/// A convolution maps a *large* image `[samples, height, width, channels]` to a *small* one
/// `[samples, outputHeight, outputWidth, outputChannels]`; the transposed convolution of the same geometry is its
/// adjoint and maps small to large. Images lie channels last on a device: a row of channels is contiguous.
/// "Convolution" is cross-correlation, as everywhere in the field:
///
///     y[n, i, j, k] = Σ_{u, v, c} x[n, i·strideʸ + u·dilationʸ − top, j·strideˣ + v·dilationˣ − left, c] · w[u, v, c, k]
///
/// with x taken as 0 outside. Dumoulin & Visin, "A guide to convolution arithmetic for deep learning" (2016).
public struct ConvolutionGeometry: Sendable, Hashable {
  /// The large image: a convolution's input, a transposed convolution's output.
  public var height: Int
  public var width: Int
  public var channels: Int
  /// The small image: a convolution's output, a transposed convolution's input.
  public var outputHeight: Int
  public var outputWidth: Int
  public var outputChannels: Int
  public var kernelHeight: Int
  public var kernelWidth: Int
  public var strideHeight: Int
  public var strideWidth: Int
  public var dilationHeight: Int
  public var dilationWidth: Int
  /// Rows of zeros above the image; what lies below follows from the sizes.
  public var top: Int
  /// Columns of zeros to the left of the image.
  public var left: Int

  public init(
    height: Int, width: Int, channels: Int, outputHeight: Int, outputWidth: Int, outputChannels: Int,
    kernel: (height: Int, width: Int), stride: (height: Int, width: Int) = (1, 1),
    dilation: (height: Int, width: Int) = (1, 1), top: Int = 0, left: Int = 0
  ) {
    self.height = height
    self.width = width
    self.channels = channels
    self.outputHeight = outputHeight
    self.outputWidth = outputWidth
    self.outputChannels = outputChannels
    kernelHeight = kernel.height
    kernelWidth = kernel.width
    strideHeight = stride.height
    strideWidth = stride.width
    dilationHeight = dilation.height
    dilationWidth = dilation.width
    self.top = top
    self.left = left
  }

  /// `[samples, height, width, channels]`.
  public func large(_ samples: Int) -> Shape { [samples, height, width, channels] }
  /// `[samples, outputHeight, outputWidth, outputChannels]`.
  public func small(_ samples: Int) -> Shape { [samples, outputHeight, outputWidth, outputChannels] }
  /// `[kernelHeight, kernelWidth, channels, outputChannels]`: taps outermost, so that the channels of a tap are
  /// one contiguous matrix. Files keep PyTorch's `[outputChannels, channels, kernelHeight, kernelWidth]`.
  public var weightShape: Shape { [kernelHeight, kernelWidth, channels, outputChannels] }

  /// Floating-point operations of a sample in any of the three modes, 2 for a multiply-add. Taps that lie in the padding
  /// count.
  public var flops: Double { 2 * (Double(outputHeight) * Double(outputWidth)) * Double(weightShape.count) }
}
