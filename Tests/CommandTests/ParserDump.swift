import Foundation
import Testing

/// What the argument parser knows of the program, in its own words.
struct ParserDump {
  /// The commands, as JSON objects.
  let commands: [[String: Any]]

  init(_ sandbox: Sandbox) async throws {
    let dump = try await sandbox.run("--experimental-dump-help").object()
    let root = try #require(dump["command"] as? [String: Any])
    commands = try #require(root["subcommands"] as? [[String: Any]])
  }

  var commandNames: [String] { commands.compactMap { $0["commandName"] as? String }.filter { $0 != "help" } }

  /// The arguments, options and flags of a command.
  func arguments(of command: String) throws -> [Argument] {
    let found = try #require(commands.first { $0["commandName"] as? String == command })
    return try #require(found["arguments"] as? [[String: Any]]).map(Argument.init)
  }

  struct Argument {
    /// As a refusal names it: `--lr`, or `RECIPE` of one that has a place and no name.
    let name: String
    /// Ways to give it on a command line, each with a value that it takes.
    let examples: [[String]]

    init(_ object: [String: Any]) {
      let preferred = (object["preferredName"] as? [String: Any])?["name"] as? String
      let names = (object["names"] as? [[String: Any]] ?? []).filter { $0["kind"] as? String == "long" }
      let value = (object["allValues"] as? [String])?.first ?? "1"
      name = preferred.map { "--\($0)" } ?? (object["valueName"] as? String ?? "").uppercased()
      examples =
        switch object["kind"] as? String {
        case "positional": [[value]]
        case "flag": names.map { ["--\($0["name"] as? String ?? "")"] }
        default: names.map { ["--\($0["name"] as? String ?? "")", value] }
        }
    }
  }
}
