import CPUBackend
import CinchBackend
import CinchCore
import OpenCLBackend

/// Where a model trains.
public enum Device: Sendable, Hashable, CustomStringConvertible {
  /// An OpenCL GPU if there is one, otherwise whichever of the rest is fastest here: `cpu` where it is a quarter faster
  /// than OpenCL.
  case automatic
  /// Plain loops in Double: the oracle, and slow.
  case reference
  /// OpenBLAS and vectorised passes.
  case cpu
  /// An OpenCL device by its numbers in `cinch devices`; nil takes the first GPU, or else the first device.
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
        "There is no device '\(text)'. Use auto, reference, cpu, opencl, opencl:P or opencl:P:D; "
          + "'cinch devices' lists what is here.")
    }
  }

  public var description: String {
    switch self {
    case .automatic: "auto"
    case .reference: "reference"
    case .cpu: "cpu"
    case .opencl(let platform, let device, let family):
      (["opencl"] + [platform, device].compactMap { $0.map(String.init) }).joined(separator: ":")
        + (family.map { "/\($0.rawValue)" } ?? "")
    }
  }
}

/// A backend that was opened, and what there is to say about the choice.
package struct OpenedDevice {
  package let backend: any Backend
  /// Why `auto` took it; nil where the device was named.
  package let note: String?
}

extension Device {
  /// - Throws: `CinchError.unavailable`, with what to install or name instead.
  package func open() throws -> OpenedDevice {
    do {
      switch self {
      case .automatic: return try openAutomatic()
      case .reference: return OpenedDevice(backend: ReferenceBackend(), note: nil)
      case .cpu: return OpenedDevice(backend: try CPUBackend(), note: nil)
      case .opencl(let platform, let device, let family):
        let chosen = try Self.choose(platform: platform, device: device)
        return OpenedDevice(
          backend: try OpenCLBackend(platform: chosen.platform, device: chosen.device, family: family), note: nil)
      }
    } catch let error as BackendError {
      throw CinchError.unavailable(error.description)
    }
  }

  private static func choose(platform: Int?, device: Int?) throws -> (platform: Int, device: Int) {
    let devices = try OpenCLBackend.devices().filter { platform == nil || $0.platform == platform }
    if let device { return (platform ?? 0, device) }
    if let found = devices.first(where: { $0.kind == .gpu }) ?? devices.first {
      return (found.platform, found.device)
    }
    // The backend words the error: it knows what is missing.
    return (platform ?? 0, 0)
  }

  private func openAutomatic() throws -> OpenedDevice {
    let devices = (try? OpenCLBackend.devices()) ?? []
    if let gpu = devices.first(where: { $0.kind == .gpu }) {
      if let backend = try? OpenCLBackend(platform: gpu.platform, device: gpu.device) {
        return OpenedDevice(backend: backend, note: "auto: took the OpenCL GPU \(gpu.name)")
      }
    }
    let cpu = Result { try CPUBackend() }
    let opencl = devices.first.flatMap { try? OpenCLBackend(platform: $0.platform, device: $0.device) }
    switch (cpu, opencl) {
    case (.success(let cpu), let opencl?):
      let rates = (Self.rate(cpu), Self.rate(opencl))
      let figures = "cpu \(Int(rates.0)), opencl \(Int(rates.1)) GFLOP/s"
      // Near ties fall one way, so that the next command takes the same device.
      return rates.0 > 1.25 * rates.1
        ? OpenedDevice(backend: cpu, note: "auto: no GPU; took cpu as the faster (\(figures))")
        : OpenedDevice(backend: opencl, note: "auto: no GPU; took opencl (\(figures))")
    case (.success(let cpu), nil):
      return OpenedDevice(backend: cpu, note: "auto: no OpenCL device found; took cpu")
    case (.failure, let opencl?):
      return OpenedDevice(backend: opencl, note: "auto: OpenBLAS is missing; took opencl")
    case (.failure, nil):
      return OpenedDevice(
        backend: ReferenceBackend(),
        note: "auto: neither OpenCL nor OpenBLAS found; took the slow reference device "
          + "(install libopenblas0 or an OpenCL driver such as pocl-opencl-icd)")
    }
  }

  /// GFLOP/s of a layer's product, the best of a few: enough to tell two devices apart.
  private static func rate<B: Backend>(_ backend: B) -> Double {
    let (m, n, k) = (256, 256, 784)
    do {
      let a = try backend.tensor([m, k])
      let b = try backend.tensor([n, k])
      let c = try backend.tensor([m, n])
      try backend.fill(a, with: 0.5)
      try backend.fill(b, with: 0.25)
      var best = Double.infinity
      for _ in 0..<8 {
        let start = ContinuousClock.now
        for _ in 0..<4 {
          try backend.matmul(a, transposeA: false, b, transposeB: true, into: c, epilogue: .none)
        }
        try backend.synchronize()
        best = min(best, (ContinuousClock.now - start).seconds / 4)
      }
      return 2 * Double(m * n * k) / best / 1e9
    } catch {
      return 0
    }
  }
}
