import COpenCL
import CinchBackend

/// The name that the OpenCL headers give an error code.
func errorName(_ code: cl_int) -> String {
  let names: [cl_int: String] = [
    CL_DEVICE_NOT_FOUND: "CL_DEVICE_NOT_FOUND", CL_DEVICE_NOT_AVAILABLE: "CL_DEVICE_NOT_AVAILABLE",
    CL_COMPILER_NOT_AVAILABLE: "CL_COMPILER_NOT_AVAILABLE",
    CL_MEM_OBJECT_ALLOCATION_FAILURE: "CL_MEM_OBJECT_ALLOCATION_FAILURE",
    CL_OUT_OF_RESOURCES: "CL_OUT_OF_RESOURCES", CL_OUT_OF_HOST_MEMORY: "CL_OUT_OF_HOST_MEMORY",
    CL_BUILD_PROGRAM_FAILURE: "CL_BUILD_PROGRAM_FAILURE", CL_MAP_FAILURE: "CL_MAP_FAILURE",
    CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST: "CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST",
    CL_INVALID_VALUE: "CL_INVALID_VALUE", CL_INVALID_DEVICE: "CL_INVALID_DEVICE",
    CL_INVALID_CONTEXT: "CL_INVALID_CONTEXT", CL_INVALID_COMMAND_QUEUE: "CL_INVALID_COMMAND_QUEUE",
    CL_INVALID_MEM_OBJECT: "CL_INVALID_MEM_OBJECT", CL_INVALID_BUILD_OPTIONS: "CL_INVALID_BUILD_OPTIONS",
    CL_INVALID_PROGRAM_EXECUTABLE: "CL_INVALID_PROGRAM_EXECUTABLE",
    CL_INVALID_KERNEL_NAME: "CL_INVALID_KERNEL_NAME", CL_INVALID_KERNEL: "CL_INVALID_KERNEL",
    CL_INVALID_ARG_INDEX: "CL_INVALID_ARG_INDEX", CL_INVALID_ARG_VALUE: "CL_INVALID_ARG_VALUE",
    CL_INVALID_ARG_SIZE: "CL_INVALID_ARG_SIZE", CL_INVALID_KERNEL_ARGS: "CL_INVALID_KERNEL_ARGS",
    CL_INVALID_WORK_DIMENSION: "CL_INVALID_WORK_DIMENSION",
    CL_INVALID_WORK_GROUP_SIZE: "CL_INVALID_WORK_GROUP_SIZE",
    CL_INVALID_WORK_ITEM_SIZE: "CL_INVALID_WORK_ITEM_SIZE", CL_INVALID_EVENT: "CL_INVALID_EVENT",
    CL_INVALID_OPERATION: "CL_INVALID_OPERATION", CL_INVALID_BUFFER_SIZE: "CL_INVALID_BUFFER_SIZE",
    CL_INVALID_GLOBAL_WORK_SIZE: "CL_INVALID_GLOBAL_WORK_SIZE",
    CL_PROFILING_INFO_NOT_AVAILABLE: "CL_PROFILING_INFO_NOT_AVAILABLE", CL_MEM_COPY_OVERLAP: "CL_MEM_COPY_OVERLAP",
    CL_MISALIGNED_SUB_BUFFER_OFFSET: "CL_MISALIGNED_SUB_BUFFER_OFFSET",
    CL_LINK_PROGRAM_FAILURE: "CL_LINK_PROGRAM_FAILURE", CL_INVALID_QUEUE_PROPERTIES: "CL_INVALID_QUEUE_PROPERTIES",
    CL_INVALID_PROGRAM: "CL_INVALID_PROGRAM", CL_INVALID_EVENT_WAIT_LIST: "CL_INVALID_EVENT_WAIT_LIST",
    CL_INVALID_COMPILER_OPTIONS: "CL_INVALID_COMPILER_OPTIONS", -1001: "CL_PLATFORM_NOT_FOUND_KHR",
    // In no header.
    -9999: "error -9999, NVIDIA's for an access beyond a buffer",
  ]
  return names[code] ?? "OpenCL error \(code)"
}

extension OpenCLBackend {
  var deviceText: String { "The device \(device.name) (driver \(device.driver))" }

  /// An error that says on which device what failed.
  ///
  /// - Parameter allocates: whether memory was asked for.
  func failure(_ doing: String, _ status: cl_int, allocates: Bool = false) -> BackendError {
    .failure(of: deviceText, at: doing, status, allocates: allocates)
  }
}

extension BackendError {
  static func failure(of device: String, at doing: String, _ status: cl_int, allocates: Bool) -> BackendError {
    let text = "\(device) failed at \(doing): \(errorName(status))."
    // NVIDIA's and AMD's drivers take memory at its first use, and then name the lack of it CL_OUT_OF_RESOURCES.
    let lacksMemory =
      status == CL_MEM_OBJECT_ALLOCATION_FAILURE || status == CL_OUT_OF_HOST_MEMORY
      || (allocates && status == CL_OUT_OF_RESOURCES)
    if lacksMemory { return .outOfMemory(text + " Use a smaller batch or model, or keep the data set on the host.") }
    guard status == CL_OUT_OF_RESOURCES else { return .device(text + " Try again, or another device.") }
    return .device(
      text + " It may have too little memory, a kernel may have reached beyond a buffer, or a watchdog may have ended "
        + "one that took long: use a smaller batch or another device.")
  }

  /// A kernel whose work-groups a device has no room for, as it was compiled.
  static func smallGroups(of kernel: String, on device: String, needed: Int, allowed: Int) -> BackendError {
    .device(
      "\(device) runs \(allowed) work-items of the kernel \(kernel) together, and it needs \(needed): use another driver or "
        + "device.")
  }

  /// An error of a compiler.
  ///
  /// - Parameters:
  ///   - kernels: the names of their files.
  ///   - version: the device's version of OpenCL.
  ///   - options: the compiler's.
  ///   - log: what it printed.
  static func build(
    of kernels: String, on device: String, version: String, options: String, _ status: cl_int, log: String
  ) -> BackendError {
    let log = logExcerpt(log)
    let said =
      log.isEmpty
      ? "The compiler says nothing: its options were '\(options)', and the device's version is '\(version)'."
      : "The compiler says:\n\(log)"
    return .device(
      "\(device) does not compile the kernels of \(kernels) (\(errorName(status))). \(said)\nTry another driver or device."
    )
  }
}

/// What a compiler printed, for people to read: its first lines, none of them endless.
func logExcerpt(_ log: String) -> String {
  let (most, width) = (20, 240)
  let lines = log.split(whereSeparator: \.isNewline).filter { !$0.allSatisfy(\.isWhitespace) }
  var shown = lines.prefix(most).map { line in
    line.count > width ? String(line.prefix(width)) + "…" : String(line)
  }
  if lines.count > most { shown.append("(and \(lines.count - most) more lines)") }
  return shown.joined(separator: "\n")
}
