// One import gives recipes, data sets, files and the op-level types they mention.
@_exported import CinchBackend
@_exported import CinchCore
