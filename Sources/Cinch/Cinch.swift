@_exported import CinchCore
