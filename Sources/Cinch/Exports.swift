// One import gives recipes, data sets, files and the op-level types they mention.
@_exported import CinchBackend
@_exported import CinchCore
@_exported import CinchData

@_exported import enum OpenCLBackend.BuildLimit
// Named by `Device.opencl`; the rest of that backend is internal.
@_exported import enum OpenCLBackend.KernelFamily
