import ArgumentParser
import Cinch

/// Whether a command replaces files that are there.
struct OverwriteOptions: ParsableArguments {
  @Flag(help: "Replaces files that are there.")
  var overwrite = false

  /// Before any work is done.
  /// - Throws: `CinchError.usage` where one of these is there and not to be replaced, or is a run's own, or where two of
  ///   them are one file.
  func requireFree(_ paths: String?...) throws { try requireFree(paths.compactMap(\.self)) }

  func requireFree(_ paths: [String]) throws {
    for path in paths { try RunFolder.requireFree(path, overwrite) }
    try Self.requireApart(paths)
  }

  /// - Throws: `CinchError.usage` where two of these are one file, whatever they are called.
  static func requireApart(_ paths: [String]) throws {
    var places: Set<String> = []
    guard let path = paths.first(where: { !places.insert(AtomicFile.place(of: $0)).inserted }) else { return }
    throw CinchError.usage("Two results would go to '\(path)': name two files.")
  }
}
