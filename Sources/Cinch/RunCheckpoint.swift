import CinchBackend
import CinchCore
import CinchData
import FoundationEssentials
import Glibc

// checkpoint.safetensors: the state as JSON in the file's metadata, and each arena as a vector.
extension RunFolder {
  private static let format = "cinch-checkpoint"

  package func write(_ checkpoint: Checkpoint, of identity: RunIdentity?) throws {
    var file = Safetensors()
    let encoder = JSONCoding.encoder
    encoder.outputFormatting = [.sortedKeys]
    file.metadata = [
      "format": Self.format, "cinch": CinchVersion.current,
      "state": String(decoding: try encoder.encode(checkpoint.state), as: UTF8.self),
    ]
    file.metadata.merge(identity?.metadata ?? [:]) { $1 }
    for (name, arena) in checkpoint.arenas.sorted(by: { $0.key < $1.key }) {
      switch arena {
      case .float(let values): try file.add(name, shape: [values.count], .float32(values))
      case .double(let values): try file.add(name, shape: [values.count], .float64(values))
      }
    }
    try file.write(to: path(of: .checkpoint))
  }

  /// - Throws: `CinchError.inputOutput` where there is none, `.badData` where it is damaged or another run's.
  package func checkpoint(of config: RunConfig) throws -> Checkpoint {
    let path = path(of: .checkpoint)
    guard has(.checkpoint) else {
      throw CinchError.inputOutput("'\(self.path)' has no checkpoint to go on from: start a new run.")
    }
    let file = try Safetensors(contentsOf: path)
    guard file.metadata["format"] == Self.format, let text = file.metadata["state"] else {
      throw CinchError.badData("'\(path)' is not a checkpoint of Cinch: start a new run.")
    }
    try RunIdentity.require(RunIdentity(file.metadata), of: path, in: config)
    var state: TrainingState
    do { state = try JSONCoding.decoder.decode(TrainingState.self, from: Data(text.utf8)) } catch let error
      as DecodingError
    {
      throw CinchError.badData("'\(path)' is damaged: \(JSONCoding.explain(error)); start a new run.")
    }
    // Of a stack the layers have it.
    if let layers = state.layers { state.history = TrainingState.history(of: layers) }
    var arenas: [String: Checkpoint.Arena] = [:]
    for entry in file.entries {
      switch entry.storage {
      case .float32(let values) where values.allSatisfy(\.isFinite): arenas[entry.name] = .float(values)
      case .float64(let values) where values.allSatisfy(\.isFinite): arenas[entry.name] = .double(values)
      case .float32, .float64:
        throw CinchError.badData(
          "'\(path)' is damaged: '\(entry.name)' holds numbers that are not finite; start a new run.")
      case .uint64, .int64:
        throw CinchError.badData("'\(path)' is damaged: '\(entry.name)' holds no real numbers; start a new run.")
      }
    }
    return Checkpoint(state: state, arenas: arenas)
  }
}
