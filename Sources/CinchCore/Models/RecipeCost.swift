import CinchBackend

/// A convolution of a network by itself, for measuring.
package struct ConvolutionLayerShape: Sendable {
  package var name: String
  package var geometry: ConvolutionGeometry
  package var isTransposed: Bool
  package var activation: Activation
}

extension ConvolutionGeometry {
  /// Of a sample in any of the three modes, 2 for a multiply-add. Taps that lie in the padding count.
  package var flops: Double { 2 * Double(outputHeight * outputWidth) * Double(weightShape.count) }
}

extension Recipe {
  package var convolutions: [ConvolutionLayerShape] {
    ((try? shape().layers) ?? []).compactMap { layer in
      func found(_ geometry: ConvolutionGeometry, transposed: Bool) -> ConvolutionLayerShape {
        ConvolutionLayerShape(
          name: layer.name, geometry: geometry, isTransposed: transposed, activation: layer.spec.activation)
      }
      return switch layer.kind {
      case .convolution(let geometry): found(geometry, transposed: false)
      case .transposedConvolution(let geometry): found(geometry, transposed: true)
      default: nil
      }
    }
  }

  /// The products of one training step, a sample: forward, weight gradients, and input gradients of all layers but the
  /// first; 2 for a multiply-add.
  package var stepFlops: Double {
    let layers = (try? shape().layers) ?? []
    let products = layers.map { layer -> Double in
      switch layer.kind {
      case .dense: return 2 * Double(layer.input.count) * Double(layer.output.count)
      case .convolution(let geometry), .transposedConvolution(let geometry):
        return geometry.flops
      case .maxPool, .averagePool, .unpool, .upsample: return 0
      }
    }
    return 3 * products.reduce(0, +) - (products.first ?? 0)
  }
}
