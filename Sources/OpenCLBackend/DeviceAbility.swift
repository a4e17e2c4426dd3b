import COpenCL
import CinchBackend

/// What kernels ask of a device. What its driver does not say is taken for granted.
struct DeviceAbility {
  var isAvailable = true
  var hasCompiler = true
  /// As in `OpenCL 3.0 PoCL …`.
  var version = ""
  var profile = ""
  /// Work-items of a work-group, and along each of its axes.
  var largestGroup = Int.max
  var longestAxes: [Int] = []
  /// Bytes that the work-items of a group share.
  var localMemory = Int.max

  /// Of the GPU family's work-groups; the largest blocks of products have 12.5 KB.
  static let neededLocalMemory = 16 << 10

  init() {}

  /// What the driver says of a device.
  init(_ handle: cl_device_id) {
    func says(_ key: Int32) -> Bool {
      OpenCLBackend.value(handle, key).map { (answer: cl_bool) in answer != 0 } ?? true
    }
    isAvailable = says(CL_DEVICE_AVAILABLE)
    hasCompiler = says(CL_DEVICE_COMPILER_AVAILABLE)
    version = OpenCLBackend.text(handle, CL_DEVICE_VERSION)
    profile = OpenCLBackend.text(handle, CL_DEVICE_PROFILE)
    largestGroup = OpenCLBackend.value(handle, CL_DEVICE_MAX_WORK_GROUP_SIZE) ?? .max
    let memory: cl_ulong = OpenCLBackend.value(handle, CL_DEVICE_LOCAL_MEM_SIZE) ?? .max
    localMemory = Int(clamping: memory)
    var axes = [Int](repeating: 0, count: 16), bytes = 0
    let stride = MemoryLayout<Int>.stride
    let status = clGetDeviceInfo(
      handle, cl_device_info(CL_DEVICE_MAX_WORK_ITEM_SIZES), axes.count * stride, &axes, &bytes)
    if status == CL_SUCCESS { longestAxes = Array(axes.prefix(bytes / stride)) }
  }

  /// The numbers of a version such as `OpenCL 1.2 CUDA`; nil where there are none.
  static func number(of version: String) -> (Int, Int)? {
    let words = version.split(separator: " ")
    guard words.count > 1, words[0].lowercased() == "opencl" else { return nil }
    let parts = words[1].split(separator: ".")
    guard parts.count > 1, let major = Int(parts[0]), let minor = Int(parts[1].prefix { $0.isNumber }) else {
      return nil
    }
    return (major, minor)
  }

  /// - Parameter device: what the error calls the device.
  /// - Throws: `BackendError.unavailable` where the family's kernels do not run on it.
  func require(_ family: KernelFamily, of device: String) throws {
    guard isAvailable, hasCompiler else {
      throw BackendError.unavailable(
        "The device \(device) is switched off or has no compiler for kernels: name another device.")
    }
    if let number = Self.number(of: version), number < (1, 2) {
      throw BackendError.unavailable(
        "The device \(device) has OpenCL \(number.0).\(number.1), and kernels need 1.2: install a newer driver, or name "
          + "another device.")
    }
    guard profile.isEmpty || profile == "FULL_PROFILE" else {
      throw BackendError.unavailable(
        "The device \(device) has OpenCL's profile \(profile), and kernels need the full one: name another device.")
    }
    let groups = [family.groups.line, family.groups.matrix, family.groups.columns]
    let needed = groups.map { $0.0 * $0.1 * $0.2 }.max() ?? 1
    guard needed <= largestGroup else {
      throw BackendError.unavailable(
        "The device \(device) runs \(largestGroup) work-items together, and kernels need \(needed): name another "
          + "device.")
    }
    for (axis, longest) in longestAxes.prefix(3).enumerated() {
      let needed = groups.map { [$0.0, $0.1, $0.2][axis] }.max() ?? 1
      guard needed <= longest else {
        throw BackendError.unavailable(
          "The device \(device) runs \(longest) work-items together along axis \(axis), and kernels need \(needed): name "
            + "another device.")
      }
    }
    // The CPU family's kernels have none.
    guard family == .cpu || Self.neededLocalMemory <= localMemory else {
      throw BackendError.unavailable(
        "The device \(device) has \(byteText(localMemory)) of local memory, and kernels need "
          + "\(byteText(Self.neededLocalMemory)): name another device.")
    }
  }
}
