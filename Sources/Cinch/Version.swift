/// The version of this library and of the `cinch` program.
public let version = "0.1.0"
