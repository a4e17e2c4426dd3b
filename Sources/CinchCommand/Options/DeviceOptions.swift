import ArgumentParser
import Cinch

struct DeviceOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Where to compute. (default: auto; of a run, its own if that is here)", discussion: DeviceOptions.discussion))
  var device: Device?

  static let discussion =
    "'cinch devices' lists what is here. /cpu or /gpu behind an OpenCL device forces that family of kernels."
}

/// The device of a command that takes no run.
struct RunlessDeviceOptions: ParsableArguments {
  @Option(help: ArgumentHelp("Where to compute. (default: auto)", discussion: DeviceOptions.discussion))
  var device: Device?
}
