import CinchBackend

/// One layer of a network, as data: what `config.json` stores and a recipe file spells out.
public enum LayerSpec: Sendable, Hashable {
  /// h = f(x Wᵀ + b), with W `[units, inputs]` and b `[units]`.
  case dense(units: Int, activation: Activation)
  /// h = f(x ∗ W + b), cross-correlation, with W `[filters, channels, rows, columns]`.
  case convolution(ConvolutionSpec)
  /// The adjoint of a convolution and a bias, with W `[channels, filters, rows, columns]`.
  case transposedConvolution(ConvolutionSpec)
  /// The largest value of each window, and where it was.
  case maxPool(PoolSpec)
  /// The mean of each window.
  case averagePool(PoolSpec)
  /// Puts values back where the mirrored max-pool found them; zeros elsewhere (Zeiler & Fergus 2014).
  case unpool
  /// Repeats every value over a rectangle of `Extent`: nearest-neighbour upsampling.
  case upsample(Extent)

  /// What ends the layer; pooling layers are linear.
  public var activation: Activation {
    switch self {
    case .dense(_, let activation): activation
    case .convolution(let spec), .transposedConvolution(let spec): spec.activation
    case .maxPool, .averagePool, .unpool, .upsample: .linear
    }
  }

  /// Whether it has weights.
  public var hasParameters: Bool {
    switch self {
    case .dense, .convolution, .transposedConvolution: true
    case .maxPool, .averagePool, .unpool, .upsample: false
    }
  }
}

/// The settings of a convolution or transposed convolution.
public struct ConvolutionSpec: Sendable, Hashable {
  public var filters: Int
  public var kernel: Extent
  public var stride: Extent
  public var dilation: Extent
  public var padding: Padding
  /// Rows and columns that a transposed convolution adds at the end, as in PyTorch.
  public var outputPadding: Extent
  /// A transposed convolution's output, where its other settings leave it open: a mirrored layer's input.
  public var outputSize: Extent?
  public var activation: Activation

  public init(
    filters: Int, kernel: Extent = Extent(3), stride: Extent = Extent(1), dilation: Extent = Extent(1),
    padding: Padding = .same, outputPadding: Extent = Extent(0), outputSize: Extent? = nil,
    activation: Activation = .relu
  ) {
    self.filters = filters
    self.kernel = kernel
    self.stride = stride
    self.dilation = dilation
    self.padding = padding
    self.outputPadding = outputPadding
    self.outputSize = outputSize
    self.activation = activation
  }
}

/// The settings of a pooling layer; windows stay inside the image.
public struct PoolSpec: Sendable, Hashable {
  public var size: Extent
  public var stride: Extent

  public init(_ size: Extent, stride: Extent? = nil) {
    self.size = size
    self.stride = stride ?? size
  }
}
