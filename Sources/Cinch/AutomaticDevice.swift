import CPUBackend
import CinchBackend
import CinchCore
import OpenCLBackend
import Synchronization

/// How `auto` takes a device: a GPU that opens, or else the faster of `cpu` and OpenCL, or else the reference.
struct AutomaticDevice {
  struct Choice {
    let backend: any Backend
    let device: Device
    /// What was taken and why, failures included.
    let note: String
  }

  /// What OpenCL finds, in its order.
  var devices: () throws -> [OpenCLDevice] = { try OpenCLBackend.devices() }
  var openOpenCL: (OpenCLDevice) throws -> any Backend = { try OpenCLBackend(platform: $0.platform, device: $0.device) }
  var openCPU: () throws -> any Backend = { try CPUBackend() }
  /// GFLOP/s.
  var rate: (any Backend) -> Double = { measuredRate($0) }

  /// What was taken first in this process: later models neither race again nor end up on another device.
  private static let taken = Mutex<(device: Device, note: String)?>(nil)

  static func open(profiling: Bool) -> OpenedDevice {
    // The lock is held during a race, too: two at once would measure each other.
    taken.withLock { taken in
      if let earlier = taken, let opened = try? earlier.device.openPlain(profiling: profiling) {
        return OpenedDevice(backend: opened.backend, note: earlier.note)
      }
      let choice = AutomaticDevice().choose()
      taken = (choice.device, choice.note)
      if profiling, let opened = try? choice.device.openPlain(profiling: true) {
        return OpenedDevice(backend: opened.backend, note: choice.note)
      }
      return OpenedDevice(backend: choice.backend, note: choice.note)
    }
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
    for gpu in found where gpu.kind == .gpu {
      if let backend = attempt("the GPU \(gpu.name)", { try openOpenCL(gpu) }) {
        return choice(backend, gpu.named, "took the OpenCL GPU \(gpu.name)")
      }
    }
    if remarks.isEmpty { remarks.append(found.isEmpty ? "no OpenCL device found" : "no GPU") }
    var opencl: (backend: any Backend, device: Device)?
    for other in found where other.kind != .gpu && opencl == nil {
      opencl = attempt(other.identifier) { try openOpenCL(other) }.map { ($0, other.named) }
    }
    switch (attempt("cpu", openCPU), opencl) {
    case (let cpu?, let opencl?):
      let rates = (cpu: rate(cpu), opencl: rate(opencl.backend))
      let figures = "(cpu \(Int(rates.cpu)), opencl \(Int(rates.opencl)) GFLOP/s)"
      // Near ties fall one way, so that the next command takes the same device.
      return rates.cpu > 1.25 * rates.opencl
        ? choice(cpu, .cpu, "took cpu as the faster \(figures)")
        : choice(opencl.backend, opencl.device, "took opencl \(figures)")
    case (let cpu?, nil): return choice(cpu, .cpu, "took cpu")
    case (nil, let opencl?): return choice(opencl.backend, opencl.device, "took opencl")
    case (nil, nil):
      return choice(
        ReferenceBackend(), .reference,
        "took the slow reference device (install libopenblas0 or an OpenCL driver such as pocl-opencl-icd)")
    }
  }

  /// An error as a part of a sentence.
  private static func clause(_ error: any Error) -> String {
    var text = "\(error)".split(whereSeparator: \.isNewline).joined(separator: " ")
    while text.last == "." { text.removeLast() }
    return text
  }
}

extension Sequence<OpenCLDevice> {
  /// GPUs before what is none, and otherwise in OpenCL's order: `opencl` takes the first, `auto` tries them in turn.
  var ranked: [OpenCLDevice] { filter { $0.kind == .gpu } + filter { $0.kind != .gpu } }
}

extension OpenCLDevice {
  fileprivate var named: Device { .opencl(platform: platform, device: device) }
}

/// The rate of a layer's product, the best of a few: enough to tell two devices apart.
private func measuredRate<B: Backend>(_ backend: B) -> Double {
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
