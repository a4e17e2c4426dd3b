import Foundation
import Testing

@testable import CinchData

@Suite struct MessageTests {
  private let error = CinchError.usage("Use \(.batchSize) below \(7) " + "or \(.activation, "sigmoid").")

  @Test func settingsAreWordedByWhoShowsThem() {
    #expect(error.description == "Use batchSize below 7 or activation sigmoid.")
    #expect(
      error.message.worded { "<\($0.rawValue)|\($1 ?? "")>" } == "Use <batchSize|> below 7 or <activation|sigmoid>.")
    let outer = CinchError.badData("No model (\(error.message.clause)).")
    #expect(outer.description == "No model (Use batchSize below 7 or activation sigmoid).")
    #expect(outer.message.worded { setting, _ in setting.rawValue.uppercased() }.contains("BATCHSIZE"))
  }

  /// Options and commands are the program's.
  @Test func noLibraryNamesAnOption() throws {
    let sources = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent().appendingPathComponent("Sources")
    var files = 0
    for target in ["CinchBackend", "CinchData", "CinchCore", "Cinch"] {
      let folder = sources.appendingPathComponent(target).path
      for case let name as String in FileManager.default.enumerator(atPath: folder)! where name.hasSuffix(".swift") {
        files += 1
        let lines = try String(contentsOfFile: "\(folder)/\(name)", encoding: .utf8).split(separator: "\n")
        for line in lines where !line.drop(while: \.isWhitespace).hasPrefix("//") {
          #expect(!line.contains(/"[^"]*--[a-z]/) && !line.contains("'cinch "), "\(target)/\(name): \(line)")
        }
      }
    }
    #expect(files > 40)
  }
}
