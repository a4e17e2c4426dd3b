import CPUBackend
import CinchBackend
import CinchCore
import CinchData
import OpenCLBackend

/// Where a model trains.
public enum Device: Sendable, Hashable, CustomStringConvertible {
  /// An OpenCL GPU if there is one that passes a check, or else `cpu`, or, where that needs OpenBLAS and has none,
  /// what other device OpenCL has.
  case automatic
  /// Plain loops in Double: what the others are compared with, and slow.
  case reference
  /// The processor itself: C for its instruction set, OpenBLAS where that has no AVX2.
  case cpu
  /// An OpenCL device by its numbers in `cinch devices`. Without `device` it is the first GPU, or else the first device,
  /// of that platform or of all; without `platform` alone it is a device of platform 0. `family` forces the kernels
  /// `.cpu` or `.gpu`, whatever the device is.
  case opencl(platform: Int? = nil, device: Int? = nil, family: KernelFamily? = nil)

  /// Reads `auto`, `reference`, `cpu`, `opencl`, `opencl:P` or `opencl:P:D`; `/cpu` or `/gpu` behind an OpenCL
  /// device forces that family of kernels.
  /// - Throws: `CinchError.usage`.
  public init(_ text: String) throws {
    let halves = text.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
    let parts = halves[0].split(separator: ":", omittingEmptySubsequences: false).map(String.init)
    let numbers = parts.dropFirst().map { Int($0) }
    let family = halves.count == 2 ? KernelFamily(rawValue: halves[1]) : nil
    let isPlain = parts.count == 1 && halves.count == 1
    switch parts.first {
    case "auto" where isPlain, "automatic" where isPlain: self = .automatic
    case "reference" where isPlain: self = .reference
    case "cpu" where isPlain: self = .cpu
    case "opencl"
    where parts.count <= 3 && numbers.allSatisfy { $0 != nil && $0! >= 0 }
      && (halves.count == 1 || halves.count == 2 && family != nil):
      self = .opencl(
        platform: numbers.first ?? nil, device: numbers.count > 1 ? numbers[1] : nil, family: family)
    default:
      throw CinchError.usage(
        "There is no device '\(text)': use auto, reference, cpu, opencl, opencl:P or opencl:P:D; "
          + "\(.devices) lists what is here.")
    }
  }

  public var description: String {
    switch self {
    case .automatic: "auto"
    case .reference: "reference"
    case .cpu: "cpu"
    case .opencl(let platform, let device, let family):
      // A device's number alone would read as a platform's.
      (["opencl"] + [platform ?? device.map { _ in 0 }, device].compactMap { $0.map(String.init) })
        .joined(separator: ":") + (family.map { "/\($0.rawValue)" } ?? "")
    }
  }
}

extension Device: Codable {
  /// Reads what `description` writes.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    do { try self.init(container.decode(String.self)) } catch let error as CinchError {
      throw DecodingError.dataCorruptedError(in: container, debugDescription: error.description)
    }
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(description)
  }
}

extension DeviceInfo {
  /// The device itself, to open it again.
  /// - Throws: `CinchError.usage` where `identifier`, as in a damaged file, names none.
  public var device: Device {
    get throws { try Device(identifier) }
  }
}

/// A backend that was opened, and what there is to say about the choice.
package struct OpenedDevice {
  package let backend: any Backend
  /// Why `auto` took it; nil where the device was named.
  package let note: String?
}

extension Device {
  /// With `CINCH_TRACE=1` in the environment it tells of every op on standard error; see `TracePrinter`. An OpenCL device
  /// takes what `cinch tune` chose for it; see `TuningFile`.
  ///
  /// - Parameter profiler: told of every op.
  /// - Throws: `CinchError.unavailable`, with what to install or name instead.
  package func open(profiler: Profiler? = nil) throws -> OpenedDevice {
    do {
      guard profiler != nil || TracePrinter.isWanted else { return try openPlain(profiling: false) }
      let opened = try openPlain(profiling: true)
      let backend = profiler.map { profiling(opened.backend, by: $0) } ?? TracePrinter.tracing(opened.backend)
      return OpenedDevice(backend: backend, note: opened.note)
    } catch let error as BackendError {
      throw CinchError(error)
    }
  }

  private func profiling(_ backend: some Backend, by profiler: Profiler) -> any Backend { profiler.profiling(backend) }

  /// Without the trace.
  package func openPlain(profiling: Bool) throws -> OpenedDevice {
    switch self {
    case .automatic: return AutomaticDevice.open(profiling: profiling)
    case .reference: return OpenedDevice(backend: ReferenceBackend(), note: nil)
    case .cpu: return OpenedDevice(backend: try CPUBackend(profiling: profiling), note: nil)
    case .opencl(let platform, let device, let family):
      let (platform, device) = try device.map { (platform ?? 0, $0) } ?? Self.first(of: platform)
      let backend = try OpenCLBackend(platform: platform, device: device, family: family, profiling: profiling)
      TuningFile.apply(to: backend)
      return OpenedDevice(backend: backend, note: nil)
    }
  }

  /// The device that `opencl` or `opencl:P` stands for.
  private static func first(of platform: Int?) throws -> (platform: Int, device: Int) {
    let devices = try OpenCLBackend.devices().filter { platform == nil || $0.platform == platform }
    // Where there is none the backend words the error: it knows what is missing.
    return devices.ranked.first.map { ($0.platform, $0.device) } ?? (platform ?? 0, 0)
  }
}
