import COpenCL

/// How a device has sub-groups: work-items that run in step and read each other's registers.
package struct Subgroups: Hashable, Sendable {
  /// Whether kernels stand in for them with local memory, which is slow: so processors test what is for GPUs.
  var areEmulated = false
  /// How many work-items one may be asked to have, the fewest first.
  var sizes: [Int]

  /// All sizes that there are tiles for.
  package static let any = Subgroups(sizes: [8, 16])
  /// One is enough to prove what is the same for all, and every tile takes processors seconds to compile.
  package static let emulated = Subgroups(areEmulated: true, sizes: [8])

  func have(_ lanes: Int) -> Bool { sizes.contains(lanes) }
}

extension Subgroups {
  /// Those of a device: nil where its driver has none whose size a kernel can ask for.
  ///
  /// - Parameters:
  ///   - extensions: what the driver calls its own.
  ///   - sizes: of sub-groups, as `cl_intel_required_subgroup_size` has a device tell.
  init?(extensions: String, sizes: [Int]) {
    let names = Set(extensions.split(separator: " "))
    guard names.isSuperset(of: ["cl_intel_subgroups", "cl_intel_required_subgroup_size"]), !sizes.isEmpty
    else { return nil }
    self.init(sizes: sizes.sorted())
  }

  /// CL_DEVICE_SUB_GROUP_SIZES_INTEL.
  private static let sizesKey = cl_device_info(0x4108)

  init?(_ device: cl_device_id) {
    let extensions = OpenCLBackend.text { clGetDeviceInfo(device, cl_device_info(CL_DEVICE_EXTENSIONS), $0, $1, $2) }
    var sizes = [Int](repeating: 0, count: 16), bytes = 0
    let room = sizes.count * MemoryLayout<Int>.size
    guard clGetDeviceInfo(device, Self.sizesKey, room, &sizes, &bytes) == CL_SUCCESS else { return nil }
    self.init(extensions: extensions, sizes: Array(sizes.prefix(bytes / MemoryLayout<Int>.size)))
  }
}
