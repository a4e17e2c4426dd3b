import CinchBackend
import CinchCore

extension Recipe {
  /// Weights and biases of the network; nil where their number does not fit an Int.
  public var parameterCount: Int? { Int(exactly: layerSizes.reduce(0) { $0 + $1.parameters }) }

  /// Bytes that training takes beside the data: parameters, gradients, moments, the best weights, and the
  /// activations of a batch. In floating point, so that no size overflows.
  func trainingBytes(scalar: Int) -> Double {
    let sizes = layerSizes
    let parameters = sizes.reduce(0) { $0 + $1.parameters }
    let copies = 2 + (optimizer.rule == .adam ? 2.0 : 1) + (patience == nil ? 0 : 1)
    let columns = sizes.reduce(2 * Double(input)) { $0 + 2 * $1.outputs }
    return Double(scalar) * (parameters * copies + columns * 1024)
  }

  /// Refuses a network that a device cannot hold, before anything of its size is allocated.
  /// - Throws: `CinchError.usage`.
  func requireFit<B: Backend>(_ backend: B) throws {
    let needed = trainingBytes(scalar: MemoryLayout<B.Scalar>.size)
    let device = backend.info
    guard needed > Double(device.memory) || parameterCount == nil else { return }
    throw CinchError.usage(
      "The layers \(widths) need about \(gigabytes(needed)) of memory to train, but \(device.identifier) "
        + "has \(gigabytes(Double(device.memory))) for a model: choose narrower --layers.")
  }

  private func gigabytes(_ bytes: Double) -> String {
    let tenths = (bytes / 1e8).rounded()
    return tenths < 1e15 ? "\(tenths / 10) GB" : "more than 1e14 GB"
  }
}
