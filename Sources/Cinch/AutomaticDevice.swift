import CPUBackend
import CinchBackend
import CinchCore
import OpenCLBackend

/// How `auto` takes a device, by a rule, so that a machine gives the same one each time: a GPU that opens and passes a check,
/// or else `cpu`, or else what other device OpenCL has, or else the reference.
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
  var openCPU: () throws -> any Backend

  static func open(profiling: Bool) -> OpenedDevice {
    let rule = AutomaticDevice(
      openOpenCL: {
        let backend = try OpenCLBackend(platform: $0.platform, device: $0.device, profiling: profiling)
        TuningFile.apply(to: backend)
        return backend
      }, openCPU: { try CPUBackend(profiling: profiling) })
    let choice = rule.choose()
    return OpenedDevice(backend: choice.backend, note: choice.note)
  }

  func choose() -> Choice {
    var remarks: [String] = []
    func attempt<T>(_ name: String, failing: String = "does not open", _ body: () throws -> T) -> T? {
      do { return try body() } catch {
        remarks.append("\(name) \(failing) (\(Self.clause(error)))")
        return nil
      }
    }
    // Some drivers open and then fail at the first kernel, or give other numbers.
    func opened(_ name: String, _ device: OpenCLDevice) -> (any Backend)? {
      guard let backend = attempt(name, { try openOpenCL(device) }) else { return nil }
      return attempt(name, failing: "fails a check") {
        try Self.check(backend)
        return backend
      }
    }
    func choice(_ backend: any Backend, _ device: Device, _ taking: String) -> Choice {
      Choice(backend: backend, device: device, note: "auto: " + (remarks + [taking]).joined(separator: "; "))
    }

    let found = (attempt("OpenCL", devices) ?? []).ranked
    for gpu in found.gpus {
      if let backend = opened("the GPU \(gpu.name)", gpu) {
        return choice(backend, gpu.named, "took the OpenCL GPU \(gpu.name)")
      }
    }
    if remarks.isEmpty { remarks.append(found.isEmpty ? "no OpenCL device found" : "no GPU") }
    if let cpu = attempt("cpu", openCPU) { return choice(cpu, .cpu, "took cpu") }
    for other in found where !other.isGPU && !other.isSoftware {
      if let backend = opened(other.identifier, other) {
        return choice(backend, other.named, "took opencl, \(other.name)")
      }
    }
    return choice(
      ReferenceBackend(), .reference,
      "took the slow reference device (install libopenblas0 or an OpenCL driver such as pocl-opencl-icd)")
  }

  /// Adds up columns of small whole numbers, whose sums are exact in any order. Every training has these kernels compiled, so
  /// their time is not lost.
  ///
  /// - Throws: what the device does, or `BackendError.device` where its sums are wrong.
  static func check<B: Backend>(_ backend: B) throws {
    let (rows, columns) = (300, 70)
    func number(_ row: Int, _ column: Int) -> Int { (7 * row + 5 * column) % 13 - 6 }
    var values: [B.Scalar] = [], wanted = [Int](repeating: 0, count: columns)
    for row in 0..<rows {
      for column in 0..<columns {
        values.append(B.Scalar(number(row, column)))
        wanted[column] += number(row, column)
      }
    }
    let sums = try backend.tensor([columns])
    try backend.columnSums(try backend.tensor([rows, columns], values), scale: 1, into: sums)
    guard try backend.read(sums) == wanted.map({ B.Scalar($0) }) else {
      throw BackendError.device("Sums of small numbers come out wrong: update its driver.")
    }
    // Nobody who times kernels is told of these.
    _ = try backend.takeLaunches()
  }

  /// An error as a part of a sentence; of a compiler's, which may have many lines, the beginning.
  private static func clause(_ error: any Error) -> String {
    var text = "\(error)".split(whereSeparator: \.isNewline).joined(separator: " ")
    while text.last == "." { text.removeLast() }
    return text.count > 400 ? String(text.prefix(400)) + "…" : text
  }
}

extension Sequence<OpenCLDevice> {
  /// GPUs first, rasterisers such as llvmpipe last, and otherwise in OpenCL's order: `opencl` takes the first.
  var ranked: [OpenCLDevice] {
    filter(\.isGPU) + filter { !$0.isGPU && !$0.isSoftware } + filter(\.isSoftware)
  }

  /// Its GPUs in the order in which `auto` tries them: those with memory of their own before those that share the host's, and
  /// among them the vendors' drivers before Mesa's and PoCL's, which may have the same GPU. Otherwise in OpenCL's order.
  var gpus: [OpenCLDevice] {
    let gpus = filter(\.isGPU)
    return [false, true].flatMap { shares in
      [true, false].flatMap { vendors in
        gpus.filter { $0.sharesMemory == shares && $0.isVendors == vendors }
      }
    }
  }
}

extension OpenCLDevice {
  fileprivate var isGPU: Bool { kind == .gpu && !isSoftware }
  fileprivate var named: Device { .opencl(platform: platform, device: device) }
}
