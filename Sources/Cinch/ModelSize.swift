import CinchBackend
import CinchCore

extension Recipe {
  /// Weights and biases of the network; nil where their number does not fit an Int.
  public var parameterCount: Int? {
    let layers = encoder + decoder
    var count = 0
    for (index, units) in layers.map(\.units).enumerated() {
      let inputs = index == 0 ? input : layers[index - 1].units
      let shared = tied && index >= encoder.count
      let (weights, overflow) = inputs.multipliedReportingOverflow(by: shared ? 0 : units)
      let (sum, sumOverflow) = count.addingReportingOverflow(weights)
      let (total, totalOverflow) = sum.addingReportingOverflow(units)
      if overflow || sumOverflow || totalOverflow { return nil }
      count = total
    }
    return count
  }

  /// Bytes that training takes beside the data: parameters, gradients, moments, the best weights, and the
  /// activations of a batch. In floating point, so that no size overflows.
  func trainingBytes(scalar: Int) -> Double {
    let layers = encoder + decoder
    var parameters = 0.0
    var inputs = Double(input)
    for layer in layers {
      parameters += (inputs + 1) * Double(layer.units)
      inputs = Double(layer.units)
    }
    let copies = 2 + (optimizer.rule == .adam ? 2.0 : 1) + (patience == nil ? 0 : 1)
    let columns = layers.reduce(2 * Double(input)) { $0 + 2 * Double($1.units) }
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
