extension ReferenceBackend {
  public func allocate(_ count: Int) throws -> ReferenceBuffer {
    guard count >= 0 else { throw BackendError.invalidArgument("A buffer cannot have \(count) elements.") }
    counters.allocations += 1
    return try ReferenceBuffer(count: count, account: account)
  }

  public func write(_ values: UnsafeBufferPointer<Double>, to tensor: Tensor<ReferenceBuffer>) throws {
    try checkTransfer(tensor, count: values.count)
    let target = try view(tensor)
    for i in 0..<values.count { target[i] = values[i] }
  }

  public func read(_ tensor: Tensor<ReferenceBuffer>, into values: UnsafeMutableBufferPointer<Double>) throws {
    try checkTransfer(tensor, count: values.count)
    counters.waits += 1
    let source = try view(tensor)
    for i in 0..<values.count { values[i] = source[i] }
  }

  public func fill(_ tensor: Tensor<ReferenceBuffer>, with value: Double) throws {
    counters.launches += 1
    let target = try view(tensor)
    for i in 0..<target.count { target[i] = value }
  }

  public func copy(_ source: Tensor<ReferenceBuffer>, to destination: Tensor<ReferenceBuffer>) throws {
    try checkCopy(source, to: destination)
    counters.launches += 1
    let from = try view(source), to = try view(destination)
    for i in 0..<from.count { to[i] = from[i] }
  }

  public func synchronize() throws { counters.waits += 1 }
}
