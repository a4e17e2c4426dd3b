import CBuild

/// The version of this library and of the `cinch` program.
public enum CinchVersion {
  public static let current = "0.1.0"

  /// The commit it was built from, with `+` where files had changed since; nil where nobody said, as for a package that
  /// depends on this one.
  public static var commit: String? { cinch_commit().map { String(cString: $0) } }
}
