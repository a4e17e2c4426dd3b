import COpenCL
import CinchBackend

/// Device memory, given back with its last reference.
public final class OpenCLBuffer {
  let memory: cl_mem?
  let count: Int
  private let isScratch: Bool
  private let account: MemoryAccount

  /// - Parameter isScratch: whether it is the backend's own.
  init(_ memory: cl_mem, count: Int, isScratch: Bool, account: MemoryAccount) {
    self.memory = memory
    self.count = count
    self.isScratch = isScratch
    self.account = account
    account.add(count * MemoryLayout<Float>.stride, isScratch: isScratch)
  }

  deinit {
    account.add(-count * MemoryLayout<Float>.stride, isScratch: isScratch)
    clReleaseMemObject(memory)
  }
}

/// Two pinned buffers that host values pass through on their way to the device: one fills while the other is
/// copied from.
struct StagingRing {
  struct Slot {
    let memory: cl_mem
    let mapped: UnsafeMutableRawPointer
    /// The copy out of this slot that was queued last.
    var copied: cl_event?
  }

  static let slotBytes = 4 << 20
  var slots: [Slot]
  var next = 0

  func release(_ queue: cl_command_queue) {
    for slot in slots {
      if let event = slot.copied { clReleaseEvent(event) }
      clEnqueueUnmapMemObject(queue, slot.memory, slot.mapped, 0, nil, nil)
    }
    clFinish(queue)
    for slot in slots { clReleaseMemObject(slot.memory) }
  }
}

extension OpenCLBackend {
  public var memory: MemoryUse {
    var use = account.use
    // Pinned memory is the host's.
    if let staging, device.sharesMemory { use.scratch += staging.slots.count * StagingRing.slotBytes }
    return use
  }

  public func allocate(_ count: Int) throws -> OpenCLBuffer { try allocate(count, isScratch: false) }

  /// - Parameter isScratch: whether it is for the backend's own work.
  func allocate(_ count: Int, isScratch: Bool) throws -> OpenCLBuffer {
    try requireAlive()
    try require(count > 0, "A buffer of \(count) elements: ask for at least one.")
    let (bytes, overflow) = count.multipliedReportingOverflow(by: MemoryLayout<Float>.stride)
    if overflow || bytes > info.largestBuffer || account.bytes + bytes > device.globalMemory {
      throw BackendError.outOfMemory(
        """
        The device \(device.name) cannot hold a buffer of \(count) numbers: its largest is \(byteText(info.largestBuffer)), \
        and \(byteText(account.bytes)) of \(byteText(device.globalMemory)) are taken. \
        Use a smaller batch or model, or keep the data set on the host.
        """)
    }
    guard !device.sharesMemory || HostMemory.fits(bytes) else {
      throw BackendError.outOfMemory(
        "The device \(device.name) cannot allocate \(byteText(bytes)): \(byteText(HostMemory.available)) of this machine's "
          + "memory are left. Use a smaller batch or model, or fewer samples.")
    }
    var status = CL_SUCCESS
    guard let memory = clCreateBuffer(context, cl_mem_flags(CL_MEM_READ_WRITE), bytes, nil, &status) else {
      throw failure("making a buffer of \(byteText(bytes))", status, allocates: true)
    }
    counters.allocations += 1
    let buffer = OpenCLBuffer(memory, count: count, isScratch: isScratch, account: account)
    var zero: Float = 0
    status = clEnqueueFillBuffer(queue, memory, &zero, 4, 0, bytes, 0, nil, nil)
    guard status == CL_SUCCESS else {
      throw failure("zeroing a buffer of \(byteText(bytes))", status, allocates: true)
    }
    return buffer
  }

  /// Writes of more bytes than this block: a data set comes once, and copying it twice would cost more.
  private static let largestStaged = 16 << 20

  public func write(_ values: UnsafeBufferPointer<Float>, to tensor: Tensor<OpenCLBuffer>) throws {
    try requireAlive()
    try checkTransfer(tensor, count: values.count)
    try checkBounds(tensor)
    guard let source = values.baseAddress, !values.isEmpty else { return }
    let bytes = values.count * MemoryLayout<Float>.stride
    let offset = tensor.offset * MemoryLayout<Float>.stride
    if bytes > Self.largestStaged {
      let status = timed("writeBuffer") {
        clEnqueueWriteBuffer(queue, tensor.buffer.memory, cl_bool(CL_TRUE), offset, bytes, source, 0, nil, $0)
      }
      guard status == CL_SUCCESS else { throw failure("writing \(byteText(bytes))", status) }
      counters.waits += 1
      counters.launches += 1
      return
    }
    if staging == nil { staging = try makeStaging() }
    var done = 0
    while done < bytes {
      let piece = min(bytes - done, StagingRing.slotBytes)
      try stage(UnsafeRawPointer(source) + done, piece, to: tensor.buffer, at: offset + done)
      done += piece
    }
  }

  private func makeStaging() throws -> StagingRing {
    var ring = StagingRing(slots: [])
    do {
      for _ in 0..<2 { ring.slots.append(try makeSlot()) }
    } catch {
      ring.release(queue)
      throw error
    }
    return ring
  }

  private func makeSlot() throws -> StagingRing.Slot {
    var status = CL_SUCCESS
    let flags = cl_mem_flags(CL_MEM_READ_WRITE | CL_MEM_ALLOC_HOST_PTR)
    guard let memory = clCreateBuffer(context, flags, StagingRing.slotBytes, nil, &status) else {
      throw failure("making a pinned buffer", status, allocates: true)
    }
    counters.allocations += 1
    guard
      let mapped = clEnqueueMapBuffer(
        queue, memory, cl_bool(CL_TRUE), cl_map_flags(CL_MAP_WRITE), 0, StagingRing.slotBytes, 0, nil, nil, &status)
    else {
      clReleaseMemObject(memory)
      throw failure("mapping a pinned buffer", status, allocates: true)
    }
    counters.waits += 1
    return StagingRing.Slot(memory: memory, mapped: mapped)
  }

  /// Copies one piece to a slot of the ring and queues its way to the device.
  private func stage(_ source: UnsafeRawPointer, _ bytes: Int, to buffer: OpenCLBuffer, at offset: Int) throws {
    let index = staging!.next
    staging!.next = 1 - index
    if let event = staging!.slots[index].copied {
      try waitFor(event)
      clReleaseEvent(event)
      staging!.slots[index].copied = nil
    }
    let mapped = staging!.slots[index].mapped
    mapped.copyMemory(from: source, byteCount: bytes)
    let status = clEnqueueWriteBuffer(
      queue, buffer.memory, cl_bool(CL_FALSE), offset, bytes, mapped, 0, nil, &staging!.slots[index].copied)
    guard status == CL_SUCCESS else { throw failure("writing \(byteText(bytes))", status) }
    if isProfiling, let event = staging!.slots[index].copied {
      clRetainEvent(event)
      profile.append(TimedCommand(name: "writeBuffer", grid: nil, event: event))
    }
    counters.launches += 1
  }

  private func waitFor(_ event: cl_event) throws {
    var state: cl_int = 0
    clGetEventInfo(event, cl_event_info(CL_EVENT_COMMAND_EXECUTION_STATUS), 4, &state, nil)
    if state == CL_COMPLETE { return }
    var waited: cl_event? = event
    let status = clWaitForEvents(1, &waited)
    counters.waits += 1
    guard status == CL_SUCCESS else { throw failure("waiting for a copy", status) }
  }

  private func checkBounds(_ tensor: Tensor<OpenCLBuffer>) throws {
    try require(
      tensor.lies(within: tensor.buffer.count),
      "A tensor of \(tensor.shape) at \(tensor.offset) reaches beyond its buffer of \(tensor.buffer.count).")
  }

  public func read(_ tensor: Tensor<OpenCLBuffer>, into values: UnsafeMutableBufferPointer<Float>) throws {
    try requireAlive()
    try checkTransfer(tensor, count: values.count)
    try checkBounds(tensor)
    guard let target = values.baseAddress, !values.isEmpty else { return }
    let bytes = values.count * MemoryLayout<Float>.stride
    let offset = tensor.offset * MemoryLayout<Float>.stride
    let status = timed("readBuffer") {
      clEnqueueReadBuffer(queue, tensor.buffer.memory, cl_bool(CL_TRUE), offset, bytes, target, 0, nil, $0)
    }
    counters.waits += 1
    guard status == CL_SUCCESS else { throw failure("reading \(byteText(bytes))", status) }
  }

  public func fill(_ tensor: Tensor<OpenCLBuffer>, with value: Float) throws {
    guard tensor.count > 0 else { return }
    let grid = elements(tensor.count)
    var call = try call(.fill)
    call.add(tensor)
    call.add(value)
    call.add(grid.chunk)
    call.add(long: tensor.count)
    try run(call, grid)
  }

  public func copy(_ source: Tensor<OpenCLBuffer>, to destination: Tensor<OpenCLBuffer>) throws {
    try requireAlive()
    try checkCopy(source, to: destination)
    try checkBounds(source)
    try checkBounds(destination)
    guard source.count > 0 else { return }
    let stride = MemoryLayout<Float>.stride
    let status = timed("copyBuffer") {
      clEnqueueCopyBuffer(
        queue, source.buffer.memory, destination.buffer.memory, source.offset * stride, destination.offset * stride,
        source.count * stride, 0, nil, $0)
    }
    guard status == CL_SUCCESS else { throw failure("copying \(source.shape)", status) }
    counters.launches += 1
  }

  public func synchronize() throws {
    try requireAlive()
    counters.waits += 1
    let status = clFinish(queue)
    guard status == CL_SUCCESS else { throw failure("finishing queued work", status) }
  }
}
