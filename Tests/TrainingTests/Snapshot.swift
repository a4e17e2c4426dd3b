import Foundation
import Testing

/// A committed text that a test's own is compared with. `CINCH_UPDATE_SNAPSHOTS=1` writes it anew.
struct Snapshot {
  private let url: URL
  private let name: String

  init(_ folder: String, _ name: String, file: String = #filePath) {
    self.name = name.map { $0.isLetter || $0.isNumber || "-.".contains($0) ? String($0) : "_" }.joined()
    url = URL(fileURLWithPath: file).deletingLastPathComponent().appendingPathComponent(folder)
      .appendingPathComponent(self.name)
  }

  func expect(_ text: String, sourceLocation: SourceLocation = #_sourceLocation) throws {
    if ProcessInfo.processInfo.environment["CINCH_UPDATE_SNAPSHOTS"] != nil {
      try FileManager.default.createDirectory(at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
      return try Data(text.utf8).write(to: url)
    }
    guard let data = FileManager.default.contents(atPath: url.path) else {
      Issue.record("There is no snapshot '\(name)'.", sourceLocation: sourceLocation)
      return
    }
    let wanted = String(decoding: data, as: UTF8.self)
    guard wanted != text else { return }
    let (old, new) = (wanted.split(separator: "\n"), text.split(separator: "\n"))
    let line = zip(old, new).enumerated().first { $0.element.0 != $0.element.1 }?.offset ?? min(old.count, new.count)
    func at(_ lines: [Substring]) -> Substring { line < lines.count ? lines[line] : "(nothing)" }
    Issue.record(
      "\(name), line \(line + 1) was\n  \(at(old))\nand is\n  \(at(new))", sourceLocation: sourceLocation)
  }
}
