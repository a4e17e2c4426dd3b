import Foundation
import TestSupport
import Testing

/// The help that users read, pinned word for word: CINCH_UPDATE_SNAPSHOTS=1 rewrites it.
@Suite struct HelpTests {
  private static let folder = "Tests/CommandTests/Snapshots"

  /// The program's help, and that of every command it has.
  @Test func helpIsAsItWas() async throws {
    let sandbox = try Sandbox()
    let commands = try await ParserDump(sandbox).commandNames
    #expect(commands.contains("train") && commands.contains("selftest"))
    var expected: Set<String> = []
    for command in [nil] + commands.map(Optional.some) {
      let line = command.map { "help \($0)" } ?? "--help"
      let outcome = try await sandbox.run(line: line, environment: ["COLUMNS": "100"])
      #expect(outcome.status == 0 && outcome.errors.isEmpty, "cinch \(line): \(outcome.errors)")
      let file = "\(command ?? "cinch").txt"
      expected.insert(file)
      let difference = try Snapshot(Self.folder, file).difference(from: outcome.output)
      #expect(difference == nil, "cinch \(line)")
    }
    #expect(try Set(Repository.files(Self.folder)) == expected, "every file is a command's")
  }

  /// A sentence begins with what the option or command does: "Writes …", "Checks …".
  @Test func commandsSayWhatTheyDo() async throws {
    let dump = try await ParserDump(Sandbox())
    for command in dump.commands where command["commandName"] as? String != "help" {
      let abstract = try #require(command["abstract"] as? String)
      let verb = try #require(abstract.split(separator: " ").first)
      #expect(verb.hasSuffix("s") && abstract.hasSuffix("."), "\(abstract)")
    }
  }
}
