import ArgumentParser
import Cinch

struct DeviceOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "auto, opencl, opencl:P, opencl:P:D, cpu or reference. (default: auto; of a run, its own if that is here)",
      discussion:
        "'cinch devices' lists what is here. /cpu or /gpu behind an OpenCL device forces that family of kernels."
    ))
  var device: String?

  /// - Throws: `CinchError.usage`.
  var choice: Device {
    get throws { try device.map { try Device($0) } ?? .automatic }
  }
}
