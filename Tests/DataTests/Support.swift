import CinchBackend
import Foundation
@_exported import TestSupport
import Testing

@testable import CinchData

/// A folder that exists during one test.
final class TemporaryFolder {
  let path: String

  init() throws {
    path = FileManager.default.temporaryDirectory.appendingPathComponent("cinch-\(UUID().uuidString)").path
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  func file(_ name: String, _ bytes: [UInt8] = []) throws -> String {
    let file = path + "/" + name
    try Data(bytes).write(to: URL(fileURLWithPath: file))
    return file
  }

  func file(_ name: String, text: String) throws -> String { try file(name, Array(text.utf8)) }

  var contents: [String] {
    get throws { try FileManager.default.contentsOfDirectory(atPath: path).sorted() }
  }
}

/// Expects that what an error says is a sentence.
func expectSentence(_ error: CinchError, sourceLocation: SourceLocation = #_sourceLocation) {
  let text = error.message.worded { "'\($0.rawValue) \($1 ?? "")'" }
  #expect(isSentence(text), sourceLocation: sourceLocation)
}

/// Expects a `CinchError` whose sentence contains every one of `parts`.
func expectError(
  _ parts: String..., exitCode: Int32 = 65, sourceLocation: SourceLocation = #_sourceLocation, _ body: () throws -> Void
) {
  do {
    try body()
    Issue.record("nothing was thrown, expected \(parts)", sourceLocation: sourceLocation)
  } catch let error as CinchError {
    for part in parts {
      #expect(error.description.contains(part), "\(error.description)", sourceLocation: sourceLocation)
    }
    #expect(error.exitCode == exitCode, "\(error.description)", sourceLocation: sourceLocation)
    expectSentence(error, sourceLocation: sourceLocation)
  } catch {
    Issue.record("\(error) is not a CinchError", sourceLocation: sourceLocation)
  }
}

/// Runs `body` and says whether it threw; anything but a `CinchError` fails the test.
func throwsCinchError(_ note: @autoclosure () -> String = "", _ body: () throws -> Void) -> Bool {
  do {
    try body()
    return false
  } catch {
    #expect((error as? CinchError).map { isSentence($0.description) } ?? false, "\(note()): \(error)")
    return true
  }
}
