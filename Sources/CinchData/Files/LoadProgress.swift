/// How far the reading of a file has come.
public struct LoadProgress: Sendable, Hashable {
  public var path: String
  /// What is being done: `reading`, `unpacking`, `checking`.
  public var work: String
  /// 0 to 1.
  public var fraction: Double

  @TaskLocal private static var observer: (@Sendable (LoadProgress) -> Void)?

  /// Has `observer` told of what `body` loads, file by file, every few megabytes.
  ///
  /// ```swift
  /// let data = try LoadProgress.observed({ print($0.path, $0.fraction) }) { try Dataset.load("large.csv") }
  /// ```
  public static func observed<R>(
    _ observer: @escaping @Sendable (LoadProgress) -> Void, _ body: () throws -> R
  ) rethrows -> R {
    try $observer.withValue(observer, operation: body)
  }

  static func tell(_ work: String, _ path: String, _ done: Int, of total: Int) {
    observer?(LoadProgress(path: path, work: work, fraction: Double(done) / Double(max(total, 1))))
  }

  /// Between two reports.
  static let step = 8 << 20
}
