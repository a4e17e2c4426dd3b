import CinchBackend

/// How many rows and columns of zeros surround an image, as a recipe may ask for.
package enum ImagePadding: CaseIterable, Sendable {
  /// None: the kernel stays inside.
  case valid
  /// TensorFlow's: as many outputs as strides begin in the image, less before and more after.
  case same
  /// All before or all after, more of it one way than the other.
  case asymmetric
  /// (kernel − 1)·dilation on all sides: every meeting of kernel and image.
  case full
}

/// A geometry with the number of samples it is tried with.
package struct ImageGeometry<Geometry: Sendable>: Sendable {
  package let geometry: Geometry
  package let samples: Int
}

extension ImageGeometry<ConvolutionGeometry> {
  package var name: String {
    let g = geometry
    return
      "\(samples) × \(g.height) × \(g.width) × \(g.channels) to \(g.outputHeight) × \(g.outputWidth) × "
      + "\(g.outputChannels), kernel \(g.kernelHeight) × \(g.kernelWidth), strides \(g.strideHeight) \(g.strideWidth), "
      + "dilations \(g.dilationHeight) \(g.dilationWidth), from \(-g.top) \(-g.left)"
  }

  /// Multiply-adds, at most.
  package var work: Int { samples * geometry.outputHeight * geometry.outputWidth * geometry.weightShape.count }
}

/// The values that a convolution's factors take, and one choice among each.
package struct ConvolutionFactors: Sendable {
  package static let kernels = [(1, 1), (2, 2), (3, 3), (4, 3), (5, 5), (6, 1), (2, 7), (7, 7)]
  package static let strides = [(1, 1), (2, 2), (3, 3), (2, 1), (1, 3)]
  package static let dilations = [(1, 1), (2, 2), (1, 2)]
  package static let sizes = [(1, 1), (5, 5), (6, 7), (8, 8), (1, 9), (13, 4), (14, 14)]
  package static let channels = [1, 3, 8, 17, 32, 33]
  package static let samples = [1, 2, 5]

  /// Kernel, stride, dilation, padding, size, channels, output channels, samples: indices into the lists.
  package let choice: [Int]
  package static let counts = [
    kernels.count, strides.count, dilations.count, ImagePadding.allCases.count, sizes.count, channels.count,
    channels.count, samples.count,
  ]

  /// Nothing where the kernel leaves no output, or where the work would make the table slow.
  package var geometry: ImageGeometry<ConvolutionGeometry>? {
    let kernel = Self.kernels[choice[0]], stride = Self.strides[choice[1]], dilation = Self.dilations[choice[2]]
    let padding = ImagePadding.allCases[choice[3]], size = Self.sizes[choice[4]]
    let down = padding.place(size.0, kernel: kernel.0, stride: stride.0, dilation: dilation.0, last: false)
    let across = padding.place(size.1, kernel: kernel.1, stride: stride.1, dilation: dilation.1, last: true)
    guard down.output > 0, across.output > 0 else { return nil }
    let geometry = ConvolutionGeometry(
      height: size.0, width: size.1, channels: Self.channels[choice[5]], outputHeight: down.output,
      outputWidth: across.output, outputChannels: Self.channels[choice[6]], kernel: kernel, stride: stride,
      dilation: dilation, top: down.before, left: across.before)
    let result = ImageGeometry(geometry: geometry, samples: Self.samples[choice[7]])
    return result.work <= 120_000 ? result : nil
  }

  /// Rows such that (nearly) every value of a factor meets every value of every other: each row is, of some drawn at
  /// random, the one that brings most new pairs together.
  package static let rows: [ConvolutionFactors] = {
    var rows: [ConvolutionFactors] = [], met: Set<Int> = [], state: UInt64 = 1, barren = 0
    while barren < 40 {
      var best: (row: ConvolutionFactors, pairs: [Int])?
      for _ in 0..<30 {
        let row = ConvolutionFactors(choice: counts.map { Int(CaseData.next(&state) >> 33) % $0 })
        guard row.geometry != nil else { continue }
        let pairs = row.pairs.filter { !met.contains($0) }
        if pairs.count > (best?.pairs.count ?? 0) { best = (row, pairs) }
      }
      if let best {
        rows.append(best.row)
        met.formUnion(best.pairs)
        barren = 0
      } else {
        barren += 1
      }
    }
    return rows
  }()

  /// A number for each pair of factors with their values.
  package var pairs: [Int] {
    choice.indices.flatMap { a in
      (a + 1..<choice.count).map { b in ((a * 8 + b) * 8 + choice[a]) * 8 + choice[b] }
    }
  }
}

extension ImagePadding {
  /// How many outputs an extent gives, and how many zeros lie before it.
  func place(_ size: Int, kernel: Int, stride: Int, dilation: Int, last: Bool) -> (output: Int, before: Int) {
    let reach = (kernel - 1) * dilation
    switch self {
    case .valid: return (size > reach ? (size - reach - 1) / stride + 1 : 0, 0)
    case .same:
      let output = (size + stride - 1) / stride
      return (output, max((output - 1) * stride + reach + 1 - size, 0) / 2)
    case .asymmetric:
      let before = last ? reach / 3 : reach, after = last ? reach : reach / 3 + 1
      let room = size + before + after - reach - 1
      return (room < 0 ? 0 : room / stride + 1, before)
    case .full: return ((size + reach - 1) / stride + 1, reach)
    }
  }
}

extension Conformance {
  /// Every convolution of the table: those of `ConvolutionFactors`, and the layers of small image models.
  package static let convolutions: [ImageGeometry<ConvolutionGeometry>] =
    ConvolutionFactors.rows.compactMap(\.geometry) + modelConvolutions + unevenConvolutions + raggedConvolutions

  private static let modelConvolutions = [
    // 28 × 28 in two strides of two, as a transposed convolution with an output padding of 1 undoes them.
    convolution(28, 1, to: 14, 16, kernel: 3, stride: 2, before: 1, samples: 3),
    convolution(14, 16, to: 7, 32, kernel: 3, stride: 2, before: 1, samples: 2),
    // The same as TensorFlow pads: nothing before, one after.
    convolution(28, 1, to: 14, 16, kernel: 3, stride: 2, before: 0, samples: 2),
    // A kernel of 4 doubles an image without overlap at the edges.
    convolution(16, 3, to: 8, 8, kernel: 4, stride: 2, before: 1, samples: 2),
    convolution(28, 1, to: 28, 16, kernel: 3, stride: 1, before: 1, samples: 2),
    convolution(14, 16, to: 14, 8, kernel: 3, stride: 1, before: 1, samples: 1),
    // A dense layer in disguise.
    convolution(7, 32, to: 1, 10, kernel: 7, stride: 1, before: 0, samples: 5),
    // More channels, and more pixels, than a tile of any kernel.
    convolution(6, 65, to: 3, 130, kernel: 3, stride: 2, before: 1, samples: 1),
    convolution(20, 2, to: 20, 3, kernel: 3, stride: 1, before: 1, samples: 9),
    // Images that a decoder makes of many channels and of few, of 18 and of 17 pixels a phase.
    convolution(35, 1, to: 18, 32, kernel: 3, stride: 2, before: 1, samples: 2),
    convolution(35, 1, to: 18, 8, kernel: 3, stride: 2, before: 1, samples: 3),
  ]

  /// Where sizes do not add up: pixels that no weight reaches, and outputs that lie in the padding alone.
  private static let unevenConvolutions = [
    convolution(9, 3, to: 2, 4, kernel: 2, stride: 3, before: 0, samples: 2),
    convolution(5, 2, to: 8, 3, kernel: 3, stride: 1, before: 4, samples: 2),
    convolution(4, 3, to: 4, 5, kernel: 1, stride: 2, before: 2, samples: 2),
    // Strides beyond the image, and taps that lie in the padding for every output: all but one, four in five, all.
    convolution(12, 3, to: 1, 4, kernel: 3, stride: 4096, before: 0, samples: 2),
    convolution(12, 3, to: 12, 4, kernel: 3, stride: 1, dilation: 4096, before: 4096, samples: 2),
    convolution(6, 17, to: 6, 33, kernel: 5, stride: 1, dilation: 5, before: 10, samples: 2),
    convolution(6, 33, to: 3, 17, kernel: 9, stride: 2, dilation: 3, before: 11, samples: 2),
    convolution(12, 2, to: 12, 20, kernel: 2, stride: 1, dilation: 4096, before: 2048, samples: 2),
  ]

  /// Images of every width and number of channels up to two of the longest vectors and one: every remainder of a vector of
  /// channels, and of the pixels that a tile takes, under the kernels of the workloads.
  private static let raggedConvolutions = CaseData.widths.map { width in
    let (kernel, stride) = [(3, 1), (3, 2), (4, 2)][width % 3]
    return ImageGeometry(
      geometry: ConvolutionGeometry(
        height: 3, width: width, channels: 1 + 7 * width % 33, outputHeight: (5 - kernel) / stride + 1,
        outputWidth: max((width + 2 - kernel) / stride + 1, 1), outputChannels: 1 + 10 * width % 33,
        kernel: (kernel, kernel), stride: (stride, stride), top: 1, left: 1), samples: 1 + width % 3)
  }

  /// Very many pixels, in one image and in many, of channels that divide a vector and that do not.
  static let longConvolutions = [
    convolution(512, 1, to: 64, 1, kernel: 1, stride: 8, before: 0, samples: 1),
    convolution(160, 3, to: 40, 9, kernel: 1, stride: 4, before: 0, samples: 1),
    convolution(1, 1, to: 1, 2, kernel: 1, stride: 1, before: 0, samples: 800_000),
  ]

  private static func convolution(
    _ size: Int, _ channels: Int, to output: Int, _ outputChannels: Int, kernel: Int, stride: Int, dilation: Int = 1,
    before: Int, samples: Int
  ) -> ImageGeometry<ConvolutionGeometry> {
    ImageGeometry(
      geometry: ConvolutionGeometry(
        height: size, width: size, channels: channels, outputHeight: output, outputWidth: output,
        outputChannels: outputChannels, kernel: (kernel, kernel), stride: (stride, stride),
        dilation: (dilation, dilation), top: before, left: before),
      samples: samples)
  }
}
