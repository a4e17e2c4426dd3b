import Foundation
import TestSupport
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

  /// Names may hold anything.
  @Test func namesDoNotBreakLines() {
    let error = CinchError.usage("'\("a\r\nb\u{1B}[0m")' and \(.drop, "x\ty") of 'größe\n'.")
    #expect(error.description == "'a\\r\\nb\\u{1B}[0m' and drop x\\ty of 'größe\n'.")
    #expect("größe – 5 µm".inOneLine == "größe – 5 µm" && "\u{2028}".inOneLine == "\\u{2028}")
  }

  /// Options and commands are the program's.
  @Test func noLibraryNamesAnOption() throws {
    for (file, text) in try sources() {
      for line in text.split(separator: "\n") where !line.drop(while: \.isWhitespace).hasPrefix("//") {
        #expect(!line.contains(/"[^"]*--[a-z]/) && !line.contains("'cinch "), "\(file): \(line)")
      }
    }
  }

  /// Nobody mends a message that is shown: each begins and ends as a sentence where it is written.
  @Test func messagesAreSentencesInTheSource() throws {
    let cases =
      "(?:CinchError\\.|BackendError\\.|= |return |^ +)\\.?"
      + "(?:usage|badData|unavailable|inputOutput|diverged|outOfMemory|device|invalidArgument)\\(\\s*\""
    let opening = try Regex("\(cases)(.)", as: (Substring, Substring).self).anchorsMatchLineEndings()
    // Up to an interpolation that holds a text of its own.
    let whole = try Regex("\(cases)([^\"\\n]*)\"\\s*\\)", as: (Substring, Substring).self).anchorsMatchLineEndings()
    var (openings, wholes) = (0, 0)
    for (file, text) in try sources(["CPUBackend", "OpenCLBackend", "CinchCommand"]) {
      for match in text.matches(of: opening) {
        openings += 1
        #expect(match.1 == "\\" || isSentence(match.1 + "."), "\(file): \(match.0)")
      }
      for match in text.matches(of: whole) {
        wholes += 1
        #expect(match.1.hasSuffix(".") || match.1.hasSuffix(")"), "\(file): \(match.0)")
      }
    }
    #expect(openings > 150 && wholes > 70, "\(openings), \(wholes)")
  }

  /// The files of the library, and of other targets besides.
  private func sources(_ others: [String] = []) throws -> [(file: String, text: String)] {
    var files: [(String, String)] = []
    for target in ["CinchBackend", "CinchData", "CinchCore", "Cinch"] + others {
      let folder = Repository.root.appendingPathComponent("Sources/\(target)").path
      let names = try #require(FileManager.default.enumerator(atPath: folder))
      for case let name as String in names where name.hasSuffix(".swift") {
        files.append((name, try Repository.text("Sources/\(target)/\(name)")))
      }
    }
    #expect(files.count > 40)
    return files
  }
}
