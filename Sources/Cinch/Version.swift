/// The version of this library and of the `cinch` program.
public enum CinchVersion {
  public static let current = "0.1.0"
}
