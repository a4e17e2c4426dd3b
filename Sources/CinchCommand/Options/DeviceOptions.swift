import ArgumentParser
import Cinch

struct DeviceOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Where to compute. (default: auto; of a run, its own if that is here)",
      discussion:
        "'cinch devices' lists what is here. /cpu or /gpu behind an OpenCL device forces that family of kernels."
    ))
  var device: Device?
}
