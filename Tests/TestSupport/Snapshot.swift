import Foundation

/// The repository that these tests were built from.
public enum Repository {
  public static let root = URL(fileURLWithPath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

  /// The text of a file, its path taken from the root.
  public static func text(_ path: String) throws -> String {
    try String(contentsOf: root.appendingPathComponent(path), encoding: .utf8)
  }

  /// The names of a folder's files, sorted.
  public static func files(_ folder: String) throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: root.appendingPathComponent(folder).path).sorted()
  }
}

/// A text that a file of the repository pins.
public struct Snapshot {
  /// The variable that has the tests write snapshots instead of comparing with them.
  public static let variable = "CINCH_UPDATE_SNAPSHOTS"
  public static let isRewriting = !(ProcessInfo.processInfo.environment[variable] ?? "").isEmpty

  private let path: String

  /// - Parameters:
  ///   - folder: from the repository's root.
  ///   - name: the file's; what is no letter, digit, point or hyphen becomes `_`.
  public init(_ folder: String, _ name: String) {
    let file = name.map { $0.isLetter || $0.isNumber || "-.".contains($0) ? String($0) : "_" }.joined()
    path = "\(folder)/\(file)"
  }

  /// The first line that differs from the file's, in a sentence; nil where none does, and where the file is rewritten.
  public func difference(from text: String) throws -> String? {
    let url = Repository.root.appendingPathComponent(path)
    if Self.isRewriting {
      try FileManager.default.createDirectory(at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
      try Data(text.utf8).write(to: url)
      return nil
    }
    guard let pinned = try? String(contentsOf: url, encoding: .utf8) else {
      return "\(path) is missing: run the test with \(Self.variable)=1 to write it."
    }
    if pinned == text { return nil }
    let (old, new) = (Self.lines(pinned), Self.lines(text))
    let line = zip(old, new).enumerated().first { $1.0 != $1.1 }?.offset ?? min(old.count, new.count)
    func quoted(_ lines: [Substring]) -> String { line < lines.count ? "'\(lines[line])'" : "nothing" }
    return """
      \(path), line \(line + 1): the file has \(quoted(old)), the test \(quoted(new)). Where the change is meant, run \
      it with \(Self.variable)=1.
      """
  }

  private static func lines(_ text: String) -> [Substring] {
    text.split(separator: "\n", omittingEmptySubsequences: false)
  }
}
