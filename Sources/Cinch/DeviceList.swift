import CPUBackend
import CinchBackend
import OpenCLBackend

/// A device of this machine, as `cinch devices` lists it.
public struct DeviceSummary: Sendable, Hashable, Codable {
  /// How `--device` names it.
  public var identifier: String
  /// `gpu`, `cpu`, `accelerator`, or `reference`.
  public var type: String
  public var name: String
  /// Driver or library, in one line.
  public var driver: String
  /// OpenCL's compute units.
  public var computeUnits: Int?
  /// Bytes of the device's memory.
  public var memory: Int
  /// Bytes of the largest buffer.
  public var largestBuffer: Int?
  /// The family of kernels that runs on it.
  public var family: String?
}

/// What this machine has.
public struct DeviceList: Sendable, Hashable, Codable {
  public var devices: [DeviceSummary]
  /// What `auto` takes.
  public var automatic: String
  /// Why.
  public var reason: String?
  /// What to do about devices that are missing.
  public var hints: [String]
}

extension Device {
  /// Every device here: OpenCL's, then `cpu`, then `reference`.
  public static func list() throws -> DeviceList {
    var hints: [String] = []
    var opencl: [OpenCLDevice] = []
    do {
      opencl = try OpenCLBackend.devices()
      if opencl.isEmpty {
        hints.append(
          OpenCLBackend.hint ?? "No OpenCL device found: install a driver, such as pocl-opencl-icd for the processor.")
      }
      hints += OpenCLBackend.cardHints(beside: opencl)
    } catch let error as BackendError {
      // What there is nobody can say: a driver may well be installed.
      hints.append(error.description)
    }
    var devices = opencl.map { device in
      DeviceSummary(
        identifier: device.identifier, type: device.kind.rawValue, name: device.name,
        driver: "\(device.platformName), driver \(device.driver)", computeUnits: device.computeUnits,
        memory: device.globalMemory, largestBuffer: device.largestBuffer,
        family: device.naturalFamily.rawValue)
    }
    do { devices.append(summary(of: try CPUBackend().info, type: "cpu")) } catch let error as BackendError {
      hints.append(error.description)
    }
    devices.append(summary(of: ReferenceBackend().info, type: "reference"))
    let opened = try Device.automatic.open()
    return DeviceList(
      devices: devices, automatic: opened.backend.info.identifier, reason: opened.note, hints: hints)
  }

  private static func summary(of info: DeviceInfo, type: String) -> DeviceSummary {
    DeviceSummary(identifier: info.identifier, type: type, name: info.name, driver: info.detail, memory: info.memory)
  }

  /// Every device to check: each family of kernels that an OpenCL device runs, `cpu` where it opens, and `reference`.
  ///
  /// - Throws: `CinchError.unavailable` where OpenCL cannot be asked for its devices. To have none is no error.
  public static func everyVariant() throws -> [Device] {
    let opencl: [OpenCLDevice]
    do { opencl = try OpenCLBackend.devices() } catch let error as BackendError { throw CinchError(error) }
    let hasCPU = (try? CPUBackend()) != nil
    return opencl.flatMap { device in
      device.families.map { .opencl(platform: device.platform, device: device.device, family: $0) }
    } + (hasCPU ? [.cpu] : []) + [.reference]
  }
}
