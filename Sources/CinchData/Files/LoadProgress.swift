/// How far the reading of a file has come.
public struct LoadProgress: Sendable, Hashable {
  public var path: String
  /// What is being done: `reading`, `unpacking`, `checking`.
  public var work: String
  /// 0 to 1.
  public var fraction: Double

  @TaskLocal private static var observer: (@Sendable (LoadProgress) -> Void)?
  @TaskLocal private static var noting: (@Sendable (String) -> Void)?

  /// Has `observer` told of what `body` loads, file by file, every few megabytes. What is unpacked at once, 128 MiB at most in
  /// a fraction of a second, tells nothing of that.
  ///
  /// ```swift
  /// let data = try LoadProgress.observed({ print($0.path, $0.fraction) }) { try Dataset.load("large.csv") }
  /// ```
  ///
  /// - Parameters:
  ///   - observer: is told how far reading has come.
  ///   - noting: is told, as a clause, what was left out of the data, such as files of a folder that are no images, or what is
  ///     doubtful about them.
  ///   - body: loads.
  public static func observed<R>(
    _ observer: @escaping @Sendable (LoadProgress) -> Void, noting: (@Sendable (String) -> Void)? = nil,
    _ body: () throws -> R
  ) rethrows -> R {
    try $observer.withValue(observer) { try $noting.withValue(noting, operation: body) }
  }

  package static func note(_ text: String) { noting?(text) }

  static func tell(_ work: String, _ path: String, _ done: Int, of total: Int) {
    observer?(LoadProgress(path: path, work: work, fraction: Double(done) / Double(max(total, 1))))
  }

  /// What tells whoever is told here, from any thread.
  static var teller: @Sendable (_ work: String, _ path: String, _ done: Int, _ total: Int) -> Void {
    let observer = observer
    return { observer?(LoadProgress(path: $1, work: $0, fraction: Double($2) / Double(max($3, 1)))) }
  }

  /// Between two reports.
  static let step = 8 << 20
}
