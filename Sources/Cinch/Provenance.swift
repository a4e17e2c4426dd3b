import CinchBackend
import CinchData
import FoundationEssentials
import Glibc

/// Where a run's numbers come from: one for each process that trained it, or that saved a model.
///
/// The recipe with its seed, the data with their fingerprint and the device as it is now stand beside it in
/// ``RunConfig``. None of this tells two runs apart that have learned the same: ``RunIdentity`` does.
public struct Provenance: Sendable, Hashable, Codable {
  /// Updates that the run had made before; nil where a model was saved.
  public var step: Int?
  /// When the process began to train, or saved, in UTC, as ISO 8601 has it: `2026-11-28T07:30:00Z`.
  public var date: String
  /// The machine's name on its network.
  public var host: String
  /// Its operating system and processor architecture.
  public var system: String
  /// The folder that relative paths of the command line begin in.
  public var directory: String
  /// The program's name and its arguments; nil where a program of its own trained, which did not say.
  public var commandLine: [String]?
  /// The version of Cinch.
  public var cinch: String
  /// The commit it was built from; nil where nobody said.
  public var commit: String?
  /// The device, with its driver.
  public var device: DeviceInfo

  /// This process, now.
  ///
  /// - Parameters:
  ///   - step: updates before; nil of a model that is saved.
  ///   - device: where it trains.
  ///   - commandLine: what it was told, where that is to be kept.
  init(after step: Int?, on device: DeviceInfo, commandLine: [String]?) {
    self.step = step
    date = Date().formatted(.iso8601)
    var name = utsname()
    uname(&name)
    host = Self.text(&name.nodename)
    system = [Self.text(&name.sysname), Self.text(&name.release), Self.text(&name.machine)].joined(separator: " ")
    directory = FileManager.default.currentDirectoryPath
    self.commandLine = commandLine
    cinch = CinchVersion.current
    commit = CinchVersion.commit
    self.device = device
  }

  /// The command line as a shell takes it; nil where there is none.
  public var commandText: String? {
    commandLine?.map(Self.quoted).joined(separator: " ")
  }

  /// In quotes where a shell would take it for something else.
  package static func quoted(_ word: String) -> String {
    let plain = word.utf8.allSatisfy { byte in
      (48...57).contains(byte) || (65...90).contains(byte) || (97...122).contains(byte)
        || "-_./,:=+@%^".utf8.contains(byte)
    }
    return plain && !word.isEmpty ? word : "'" + word.replacing("'", with: #"'\''"#) + "'"
  }

  /// A C string in an array of a fixed length.
  private static func text<Characters>(_ characters: inout Characters) -> String {
    withUnsafeBytes(of: &characters) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
  }
}
