import Glibc

// What Foundation adds to String and FoundationEssentials does not: with the whole of Foundation a program that is
// linked statically carries 45 MB of ICU's tables.
extension String {
  /// As printf formats, up to 255 bytes.
  init(format: String, _ arguments: any CVarArg...) {
    var bytes = [CChar](repeating: 0, count: 256)
    _ = withVaList(arguments) { vsnprintf(&bytes, bytes.count, format, $0) }
    self.init(decoding: bytes.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  /// Cut or filled up to `length` characters.
  func padding(toLength length: Int, withPad pad: Character, startingAt: Int) -> String {
    String(prefix(length)) + String(repeating: pad, count: Swift.max(0, length - count))
  }
}
