import CVector
import CinchBackend

extension CPUBackend {
  public func allocate(_ count: Int) throws -> CPUBuffer {
    try require(count >= 0, "A buffer cannot hold \(count) elements.")
    let (bytes, overflow) = count.multipliedReportingOverflow(by: MemoryLayout<Float>.stride)
    // Past physical memory the system would grant the pages and kill the process when they are touched.
    guard !overflow, count <= DeviceInfo.mostElements, HostMemory.fits(bytes),
      let buffer = CPUBuffer(count: max(count, 1), account: account)
    else {
      throw BackendError.outOfMemory(
        "The cpu device cannot allocate \(count) floats; there are \(byteText(HostMemory.available)) of memory left, and "
          + "a buffer holds \(DeviceInfo.mostElements) floats at most. Use a smaller batch or model, or fewer samples.")
    }
    counters.allocations += 1
    return buffer
  }

  public func write(_ values: UnsafeBufferPointer<Float>, to tensor: Tensor<CPUBuffer>) throws {
    try checkTransfer(tensor, count: values.count)
    guard let source = values.baseAddress else { return }
    try cinch_copy(device, source, tensor.pointer, Int64(values.count))
  }

  public func read(_ tensor: Tensor<CPUBuffer>, into values: UnsafeMutableBufferPointer<Float>) throws {
    try checkTransfer(tensor, count: values.count)
    counters.waits += 1
    guard let destination = values.baseAddress else { return }
    try cinch_copy(device, tensor.input, destination, Int64(values.count))
  }

  public func fill(_ tensor: Tensor<CPUBuffer>, with value: Float) throws {
    try cinch_fill(device, tensor.pointer, Int64(tensor.count), value)
    counters.launches += 1
  }

  public func copy(_ source: Tensor<CPUBuffer>, to destination: Tensor<CPUBuffer>) throws {
    try checkCopy(source, to: destination)
    try cinch_copy(device, source.input, destination.pointer, Int64(source.count))
    counters.launches += 1
  }

  public func synchronize() throws { counters.waits += 1 }
}
