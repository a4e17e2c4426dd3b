import CPUBackend
import CinchBackend
import CinchCore
import OpenCLBackend

/// How `auto` takes a device, by a rule, so that a machine gives the same one each time: a GPU that opens, or else `cpu`,
/// or else what other device OpenCL has, or else the reference.
///
/// `cpu` comes before OpenCL on a processor because it was ahead on the AVX2 and AVX-512 machines measured
/// (`Benchmarks/README.md`), and starts at once, having nothing to compile.
struct AutomaticDevice {
  struct Choice {
    let backend: any Backend
    let device: Device
    /// What was taken and why, failures included.
    let note: String
  }

  /// What OpenCL finds, in its order.
  var devices: () throws -> [OpenCLDevice] = { try OpenCLBackend.devices() }
  var openOpenCL: (OpenCLDevice) throws -> any Backend
  var openCPU: () throws -> any Backend = { try CPUBackend() }

  static func open(profiling: Bool) -> OpenedDevice {
    let rule = AutomaticDevice(openOpenCL: {
      let backend = try OpenCLBackend(platform: $0.platform, device: $0.device, profiling: profiling)
      TuningFile.apply(to: backend)
      return backend
    })
    let choice = rule.choose()
    return OpenedDevice(backend: choice.backend, note: choice.note)
  }

  func choose() -> Choice {
    var remarks: [String] = []
    func attempt<T>(_ name: String, _ body: () throws -> T) -> T? {
      do { return try body() } catch {
        remarks.append("\(name) does not open (\(Self.clause(error)))")
        return nil
      }
    }
    func choice(_ backend: any Backend, _ device: Device, _ taking: String) -> Choice {
      Choice(backend: backend, device: device, note: "auto: " + (remarks + [taking]).joined(separator: "; "))
    }

    let found = (attempt("OpenCL", devices) ?? []).ranked
    for gpu in found where gpu.isGPU {
      if let backend = attempt("the GPU \(gpu.name)", { try openOpenCL(gpu) }) {
        return choice(backend, gpu.named, "took the OpenCL GPU \(gpu.name)")
      }
    }
    if remarks.isEmpty { remarks.append(found.isEmpty ? "no OpenCL device found" : "no GPU") }
    if let cpu = attempt("cpu", openCPU) { return choice(cpu, .cpu, "took cpu") }
    for other in found where !other.isGPU && !other.isSoftware {
      if let backend = attempt(other.identifier, { try openOpenCL(other) }) {
        return choice(backend, other.named, "took opencl, \(other.name)")
      }
    }
    return choice(
      ReferenceBackend(), .reference,
      "took the slow reference device (install libopenblas0 or an OpenCL driver such as pocl-opencl-icd)")
  }

  /// An error as a part of a sentence; of a compiler's, which may have many lines, the beginning.
  private static func clause(_ error: any Error) -> String {
    var text = "\(error)".split(whereSeparator: \.isNewline).joined(separator: " ")
    while text.last == "." { text.removeLast() }
    return text.count > 400 ? String(text.prefix(400)) + "…" : text
  }
}

extension Sequence<OpenCLDevice> {
  /// GPUs first, rasterisers such as llvmpipe last, and otherwise in OpenCL's order: `opencl` takes the first, `auto`
  /// tries them in turn.
  var ranked: [OpenCLDevice] {
    filter(\.isGPU) + filter { !$0.isGPU && !$0.isSoftware } + filter(\.isSoftware)
  }
}

extension OpenCLDevice {
  fileprivate var isGPU: Bool { kind == .gpu && !isSoftware }
  fileprivate var named: Device { .opencl(platform: platform, device: device) }
}
