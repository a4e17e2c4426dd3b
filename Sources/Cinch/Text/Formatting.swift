import Glibc

extension String {
  /// As printf formats, up to 255 bytes: what Foundation adds to String and FoundationEssentials does not. With the whole of
  /// Foundation a program that is linked statically carries 45 MB of ICU's tables.
  package init(printf format: String, _ arguments: [any CVarArg]) {
    var bytes = [CChar](repeating: 0, count: 256)
    _ = withVaList(arguments) { vsnprintf(&bytes, bytes.count, format, $0) }
    self.init(decoding: bytes.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }
}
