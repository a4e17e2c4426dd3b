import ArgumentParser
import Cinch

/// Whether a command replaces files that are there.
struct OverwriteOptions: ParsableArguments {
  @Flag(help: "Replaces files that are there.")
  var overwrite = false

  /// Before any work is done.
  /// - Throws: `CinchError.usage` where one of these is there and not to be replaced, or is a run's own.
  func requireFree(_ paths: String?...) throws {
    for case let path? in paths { try RunFolder.requireFree(path, overwrite) }
  }
}
