import COpenCL
import CinchBackend
import FoundationEssentials
import Glibc

/// An OpenCL device as the drivers report it.
public struct OpenCLDevice: Sendable, Hashable, CustomStringConvertible {
  public enum Kind: String, Sendable { case cpu, gpu, accelerator }

  /// The index of its platform, and its own index there: `opencl:platform:device`.
  public let platform: Int
  public let device: Int
  public let name: String
  public let vendor: String
  public let platformName: String
  public let driver: String
  /// The device's OpenCL version, as in `OpenCL 3.0 PoCL …`.
  public let version: String
  public let kind: Kind
  public let computeUnits: Int
  /// Nil where it has none.
  package var subgroups: Subgroups?
  /// Bytes of global memory.
  public let globalMemory: Int
  /// Bytes of the largest buffer.
  public let largestBuffer: Int
  /// Whether the driver says that its memory is the host's, as that of a GPU beside the processor's cores is.
  var isUnified = false
  /// Whether its memory is the host's.
  package var sharesMemory: Bool { kind == .cpu || isSoftware || isUnified }

  public var identifier: String { "opencl:\(platform):\(device)" }
  /// The kernels that are made for it. Mesa's rusticl compiles for its processor device, llvmpipe, as for a GPU: the CPU
  /// family's long functions keep it busy for minutes, the GPU family's are done in seconds.
  public var naturalFamily: KernelFamily { kind == .cpu && !isMesa ? .cpu : .gpu }

  /// Whether Mesa runs it: `rusticl`, or `Clover` before that.
  private var isMesa: Bool { ["rusticl", "clover"].contains { platformName.lowercased().contains($0) } }

  /// Whether its driver is its vendor's.
  package var isVendors: Bool { !isMesa && !isPoCL }

  /// Work-groups that a launch may have along its second axis, and its third.
  var mostGroups: Int { vendor.lowercased().contains("nvidia") ? 65_535 : .max }

  /// Whether it is PoCL's.
  var isPoCL: Bool { platformName == OpenCLBackend.poclName }

  /// Whether its programs may declare their builtins themselves. PoCL's GPUs have compilers and headers of their own, and
  /// without its header PoCL 1 lacks types, too.
  var takesBuiltins: Bool { isPoCL && kind == .cpu && Int(driver.prefix { $0.isNumber }) ?? 0 >= 3 }

  /// The families that it runs: processors both, but for Mesa's. The CPU family's work-items wait for one another, which
  /// other devices need not let them.
  public var families: [KernelFamily] { naturalFamily == .cpu ? KernelFamily.allCases : [.gpu] }

  /// Whether `clBuildProgram` returns before machine code is made, which the first launch then waits for.
  var compilesLate: Bool { isMesa }

  /// Whether it is a GPU in name only, whose work the processor does.
  public var isSoftware: Bool {
    ["llvmpipe", "softpipe", "swrast"].contains { name.lowercased().contains($0) }
  }
  public var description: String { "\(identifier)  \(name) (\(vendor), driver \(driver))" }
}

/// Which set of kernels runs on a device: one long work-item per piece, or work-groups that share local memory.
public enum KernelFamily: String, Sendable, CaseIterable { case cpu, gpu }

extension OpenCLBackend {
  /// Held while a driver sets itself up, which it does at the first calls and not always safely for two threads.
  static let setUp = RecursiveLock()

  /// Address space that a driver with a compiler in it takes; without it LLVM ends the process, or never does.
  static let driverSpace = 900 << 20

  /// - Throws: `BackendError.unavailable` where the process's limit leaves no room for a driver.
  static func requireRoom() throws {
    guard let left = HostMemory.addressSpaceLeft, left < driverSpace, !isLoaded else { return }
    throw BackendError.unavailable(
      "An OpenCL driver needs \(byteText(driverSpace)) of address space, and \(byteText(left)) are left: raise the limit "
        + "(ulimit -v), or use the device cpu.")
  }

  static let poclName = "Portable Computing Language"

  /// Whether drivers have been loaded, and have their share.
  nonisolated(unsafe) private static var isLoaded = false

  /// Every device of every platform; empty where there is no driver.
  /// - Throws: `BackendError.unavailable` where a limit leaves no room for drivers.
  public static func devices() throws -> [OpenCLDevice] {
    setUp.lock()
    defer { setUp.unlock() }
    try requireRoom()
    return platforms().enumerated().flatMap { index, platform in
      handles(of: platform).enumerated().map { describe($1, platform: platform, at: (index, $0)) }
    }
  }

  /// What to do where no platform is found although an NVIDIA driver is there, as in containers that mount
  /// the library without the file that names it, or where a platform has no device.
  public static var hint: String? {
    setUp.lock()
    defer { setUp.unlock() }
    guard (try? requireRoom()) != nil else { return nil }
    let platforms = platforms()
    guard platforms.isEmpty else { return idleHint(platforms) }
    guard let library = unnamedLibrary() else { return nil }
    return """
      \(library) is an OpenCL driver that no ICD file names: make a folder with a file nvidia.icd in it that holds \
      the one line \(library), and set OCL_ICD_VENDORS to that folder.
      """
  }

  /// Of platforms that may have no device. PoCL has none where it cannot keep what it compiles.
  private static func idleHint(_ platforms: [cl_platform_id]) -> String? {
    guard platforms.allSatisfy({ handles(of: $0).isEmpty }) else { return nil }
    let names = platforms.map(platformText)
    if names.contains(poclName), !isWritable(kernelFolder) {
      return "PoCL finds no device, for it cannot keep compiled kernels in '\(kernelFolder)': "
        + "set POCL_CACHE_DIR to a folder that can be written."
    }
    return "\(names.joined(separator: ", ")) finds no device: install the driver of the card, or check who may use it."
  }

  /// The folder in which PoCL keeps its kernels.
  private static var kernelFolder: String {
    let environment = ProcessInfo.processInfo.environment
    return environment["POCL_CACHE_DIR"] ?? environment["XDG_CACHE_HOME"] ?? (environment["HOME"] ?? "") + "/.cache"
  }

  /// PoCL's compiler ends the process where it cannot write what it makes.
  /// - Throws: `BackendError.unavailable` where the folder of PoCL's kernels has no room.
  static func requireKernelRoom() throws {
    let folder = kernelFolder
    guard let volume = volume(of: folder) else { return }
    // Some file systems do not say how large they are, or make files as they need them.
    try requireKernelRoom(
      volume.f_blocks > 0 ? Double(volume.f_bavail) * Double(volume.f_frsize) : .infinity,
      files: volume.f_files > 0 ? Int(clamping: volume.f_favail) : .max, in: folder)
  }

  /// Where a folder lies, or would lie if it were made.
  static func volume(of folder: String) -> statvfs? {
    var volume = statvfs()
    guard let place = present(folder), statvfs(place, &volume) == 0 else { return nil }
    return volume
  }

  /// Whether there can be files in a folder, which may have to be made.
  static func isWritable(_ folder: String) -> Bool { present(folder).map { access($0, W_OK | X_OK) == 0 } ?? false }

  /// A folder, or the nearest above it that is there; nil where there is none.
  private static func present(_ folder: String) -> String? {
    var path = folder[...]
    while !path.isEmpty {
      if access(String(path), F_OK) == 0 { return String(path) }
      guard errno == ENOENT else { return nil }
      path = path.prefix(upTo: path.lastIndex(of: "/") ?? path.startIndex)
    }
    return folder.hasPrefix("/") ? "/" : "."
  }

  static func requireKernelRoom(_ free: Double, files: Int = .max, in folder: String) throws {
    guard free >= kernelRoom else {
      throw BackendError.unavailable(
        "PoCL keeps compiled kernels in '\(folder)', whose disk has \(byteText(Int(free))) left: free some space, or "
          + "set POCL_CACHE_DIR to a folder that has it.")
    }
    guard files >= kernelFiles else {
      throw BackendError.unavailable(
        "PoCL keeps compiled kernels in '\(folder)', whose disk has room for \(files) more files: remove some, or set "
          + "POCL_CACHE_DIR to a folder on another disk.")
    }
  }

  /// Bytes of a program and its temporary files, and some more.
  private static let kernelRoom = Double(1 << 20)
  /// Files and folders of a program, and some more.
  private static let kernelFiles = 64

  private static func unnamedLibrary() -> String? {
    let paths = ProcessInfo.processInfo.environment["LD_LIBRARY_PATH"]?.split(separator: ":").map(String.init) ?? []
    let folders =
      paths + [
        "/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/local/nvidia/lib64",
        "/usr/lib/wsl/lib",
      ]
    return folders.map { $0 + "/libnvidia-opencl.so.1" }.first { FileManager.default.fileExists(atPath: $0) }
  }

  static func platforms() -> [cl_platform_id] {
    var count: cl_uint = 0
    guard clGetPlatformIDs(0, nil, &count) == CL_SUCCESS, count > 0 else { return [] }
    var ids = [cl_platform_id?](repeating: nil, count: Int(count))
    guard clGetPlatformIDs(count, &ids, nil) == CL_SUCCESS else { return [] }
    isLoaded = true
    return ids.compactMap { $0 }
  }

  static func handles(of platform: cl_platform_id) -> [cl_device_id] {
    var count: cl_uint = 0
    let all = cl_device_type(0xFFFF_FFFF)
    guard clGetDeviceIDs(platform, all, 0, nil, &count) == CL_SUCCESS, count > 0 else { return [] }
    var ids = [cl_device_id?](repeating: nil, count: Int(count))
    guard clGetDeviceIDs(platform, all, count, &ids, nil) == CL_SUCCESS else { return [] }
    return ids.compactMap { $0 }
  }

  static func describe(_ device: cl_device_id, platform: cl_platform_id, at index: (Int, Int)) -> OpenCLDevice {
    let type: cl_device_type = value(device, CL_DEVICE_TYPE) ?? 0
    let kind: OpenCLDevice.Kind =
      type & cl_device_type(CL_DEVICE_TYPE_GPU) != 0
      ? .gpu : type & cl_device_type(CL_DEVICE_TYPE_CPU) != 0 ? .cpu : .accelerator
    let global: cl_ulong = value(device, CL_DEVICE_GLOBAL_MEM_SIZE) ?? 0
    let largest: cl_ulong = value(device, CL_DEVICE_MAX_MEM_ALLOC_SIZE) ?? 0
    let units: cl_uint = value(device, CL_DEVICE_MAX_COMPUTE_UNITS) ?? 1
    var described = OpenCLDevice(
      platform: index.0, device: index.1, name: text(device, CL_DEVICE_NAME), vendor: text(device, CL_DEVICE_VENDOR),
      platformName: platformText(platform), driver: text(device, CL_DRIVER_VERSION),
      version: text(device, CL_DEVICE_VERSION), kind: kind, computeUnits: max(Int(units), 1),
      globalMemory: Int(clamping: global), largestBuffer: Int(clamping: largest))
    let unified: cl_bool = value(device, CL_DEVICE_HOST_UNIFIED_MEMORY) ?? 0
    described.isUnified = unified != 0
    described.subgroups = kind == .gpu && !described.isSoftware ? Subgroups(device) : .emulated
    return described
  }

  static func value<T: FixedWidthInteger>(_ device: cl_device_id, _ key: Int32) -> T? {
    var result: T = 0
    let status = clGetDeviceInfo(device, cl_device_info(key), MemoryLayout<T>.size, &result, nil)
    return status == CL_SUCCESS ? result : nil
  }

  static func text(_ device: cl_device_id, _ key: Int32) -> String {
    text { clGetDeviceInfo(device, cl_device_info(key), $0, $1, $2) }
  }

  private static func platformText(_ platform: cl_platform_id) -> String {
    text { clGetPlatformInfo(platform, cl_platform_info(CL_PLATFORM_NAME), $0, $1, $2) }
  }

  /// A string that a query returns, in one line.
  static func text(
    _ query: (Int, UnsafeMutableRawPointer?, UnsafeMutablePointer<Int>?) -> cl_int
  ) -> String {
    wholeText(query).split(whereSeparator: \.isWhitespace).joined(separator: " ")
  }

  /// A string that a query returns in two calls: its size, then its bytes.
  static func wholeText(
    _ query: (Int, UnsafeMutableRawPointer?, UnsafeMutablePointer<Int>?) -> cl_int
  ) -> String {
    var size = 0
    guard query(0, nil, &size) == CL_SUCCESS, size > 0 else { return "" }
    var bytes = [UInt8](repeating: 0, count: size)
    guard query(size, &bytes, nil) == CL_SUCCESS else { return "" }
    return String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
  }
}
