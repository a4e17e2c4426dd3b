import COpenCL
import CinchBackend

extension OpenCLBackend {
  public func takeLaunches() throws -> [KernelLaunch] {
    guard !profile.isEmpty else { return [] }
    let entries = profile
    profile = []
    defer { for entry in entries { clReleaseEvent(entry.event) } }
    let status = clFinish(queue)
    if status != 0 { throw failure("waiting for kernels to be timed", status) }
    return entries.map { entry in
      let nanoseconds = time(entry.event, CL_PROFILING_COMMAND_END) - time(entry.event, CL_PROFILING_COMMAND_START)
      return KernelLaunch(
        kernel: entry.id.name, global: Self.extents(entry.grid.global), local: Self.extents(entry.grid.local),
        microseconds: max(nanoseconds, 0) / 1e3)
    }
  }

  /// Nanoseconds on the device's clock; 0 where the device does not tell.
  private func time(_ event: cl_event, _ what: Int32) -> Double {
    var value: cl_ulong = 0
    let status = clGetEventProfilingInfo(event, cl_profiling_info(what), MemoryLayout<cl_ulong>.size, &value, nil)
    return status == 0 ? Double(value) : 0
  }

  /// Without the dimensions that a grid does not use.
  private static func extents(_ grid: (Int, Int, Int)) -> [Int] {
    grid.2 > 1 ? [grid.0, grid.1, grid.2] : grid.1 > 1 ? [grid.0, grid.1] : [grid.0]
  }
}
