import CVector
import CinchBackend

extension CPUBackend {
  public func allocate(_ count: Int) throws -> CPUBuffer {
    try require(count >= 0, "A buffer cannot hold \(count) elements.")
    let (bytes, overflow) = count.multipliedReportingOverflow(by: MemoryLayout<Float>.stride)
    // Past physical memory the system would grant the pages and kill the process when they are touched.
    guard !overflow, count <= DeviceInfo.mostElements, HostMemory.fits(bytes),
      let buffer = CPUBuffer(count: max(count, 1), queue: queue, account: account)
    else {
      // What failed before is to be told first, and once.
      try queue.finish()
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
    let destination = try tensor.pointer
    try queue.run("copy") { cinch_copy($0, source, destination, Int64(values.count)) }
  }

  public func read(_ tensor: Tensor<CPUBuffer>, into values: UnsafeMutableBufferPointer<Float>) throws {
    try checkTransfer(tensor, count: values.count)
    counters.waits += 1
    guard let destination = values.baseAddress else { return }
    let source = try tensor.input
    try queue.run("copy") { cinch_copy($0, source, destination, Int64(values.count)) }
  }

  public func fill(_ tensor: Tensor<CPUBuffer>, with value: Float) throws {
    let count = Int64(tensor.count)
    launch("fill", try tensor.pointer) { cinch_fill($0, $1, count, value) }
  }

  public func copy(_ source: Tensor<CPUBuffer>, to destination: Tensor<CPUBuffer>) throws {
    try checkCopy(source, to: destination)
    let count = Int64(source.count)
    launch("copy", (try source.input, try destination.pointer)) { cinch_copy($0, $1.0, $1.1, count) }
  }

  public func synchronize() throws {
    counters.waits += 1
    try queue.finish()
  }
}
