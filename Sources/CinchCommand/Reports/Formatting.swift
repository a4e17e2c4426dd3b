import Cinch

extension String {
  /// As printf formats, up to 255 bytes.
  init(format: String, _ arguments: any CVarArg...) { self.init(printf: format, arguments) }

  /// Cut or filled up to `length` characters.
  func padding(toLength length: Int, withPad pad: Character, startingAt: Int) -> String {
    String(prefix(length)) + String(repeating: pad, count: Swift.max(0, length - count))
  }
}
