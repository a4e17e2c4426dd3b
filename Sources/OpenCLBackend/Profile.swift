import COpenCL
import CinchBackend

/// A command whose time is on record.
struct TimedCommand {
  var name: String
  /// None for a transfer.
  var grid: Grid?
  var event: cl_event
}

extension OpenCLBackend {
  public var launchesToTake: Int? { isProfiling ? profile.count : nil }

  /// Runs `enqueue`, which queues a transfer and, where commands are timed, leaves its event in what it is given.
  func timed(_ name: String, _ enqueue: (UnsafeMutablePointer<cl_event?>?) -> cl_int) -> cl_int {
    guard isProfiling else { return enqueue(nil) }
    var event: cl_event?
    let status = enqueue(&event)
    if let event { profile.append(TimedCommand(name: name, grid: nil, event: event)) }
    return status
  }

  public func takeLaunches() throws -> [KernelLaunch] {
    try requireAlive()
    guard !profile.isEmpty else { return [] }
    let entries = profile
    profile = []
    defer { for entry in entries { clReleaseEvent(entry.event) } }
    let status = clFinish(queue)
    if status != 0 { throw failure("waiting for kernels to be timed", status) }
    return entries.map { entry in
      let start = time(entry.event, CL_PROFILING_COMMAND_START)
      return KernelLaunch(
        kernel: entry.name, global: entry.grid.map { Self.extents($0.global) } ?? [],
        local: entry.grid.map { Self.extents($0.local) } ?? [], pieces: entry.grid?.pieces ?? 0,
        queued: time(entry.event, CL_PROFILING_COMMAND_QUEUED), start: start,
        microseconds: max(time(entry.event, CL_PROFILING_COMMAND_END) - start, 0))
    }
  }

  /// Microseconds on the device's clock; 0 where the device does not tell.
  private func time(_ event: cl_event, _ what: Int32) -> Double {
    var value: cl_ulong = 0
    let status = clGetEventProfilingInfo(event, cl_profiling_info(what), MemoryLayout<cl_ulong>.size, &value, nil)
    return status == 0 ? Double(value) / 1e3 : 0
  }

  /// Without the dimensions that a grid does not use.
  private static func extents(_ grid: (Int, Int, Int)) -> [Int] {
    grid.2 > 1 ? [grid.0, grid.1, grid.2] : grid.1 > 1 ? [grid.0, grid.1] : [grid.0]
  }
}
