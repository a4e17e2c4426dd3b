import CPNG
import Glibc

/// An 8-bit image, grey or RGB.
public struct RasterImage: Sendable, Hashable {
  public let width: Int
  public let height: Int
  /// 1 for grey, 3 for RGB.
  public let channels: Int
  /// `height × width × channels` bytes, row-major, channels last. `PNG` and `ImageGrid` refuse any other number of them.
  public var pixels: [UInt8]
  /// libpng's limit, in pixels.
  static let longestSide = 1_000_000

  /// An image of one level throughout.
  ///
  /// - Throws: `CinchError.usage` if it is empty, larger than 1,000,000 pixels either way (libpng's limit) or 2³⁰
  ///   bytes, or `channels` is neither 1 nor 3.
  public init(width: Int, height: Int, channels: Int = 1, filledWith level: UInt8 = 0) throws {
    guard channels == 1 || channels == 3 else {
      throw CinchError.usage("An image of \(channels) channels cannot be written: use 1 (grey) or 3 (RGB).")
    }
    let sides = 1...Self.longestSide
    guard sides.contains(width), sides.contains(height), width * height * channels <= 1 << 30 else {
      throw CinchError.usage("An image of \(width) × \(height) pixels cannot be written: show fewer or smaller tiles.")
    }
    self.width = width
    self.height = height
    self.channels = channels
    pixels = [UInt8](repeating: level, count: width * height * channels)
  }

  /// - Throws: `CinchError.usage` if there are more or fewer bytes than pixels.
  func requirePixels() throws {
    let count = width * height * channels
    guard pixels.count == count else {
      throw CinchError.usage(
        "An image of \(width) × \(height) pixels has \(count) bytes, not \(pixels.count): set them in place.")
    }
  }
}

/// PNG files (ISO/IEC 15948), through libpng.
public enum PNG {
  /// The image as a PNG file's bytes.
  ///
  /// - Parameter texts: what the file says beside its pixels, by keyword, in ASCII; a keyword has 1 to 79 characters.
  /// - Throws: `CinchError.usage` if the image has more or fewer bytes than pixels, or a text cannot be kept;
  ///   `CinchError.unavailable` if libpng refuses.
  public static func encode(_ image: RasterImage, texts: [String: String] = [:]) throws -> [UInt8] {
    // libpng takes the pixels' address and no count.
    try image.requirePixels()
    for (keyword, text) in texts where !isKeyword(keyword) || !text.utf8.allSatisfy({ 1..<0x80 ~= $0 }) {
      throw CinchError.usage(
        "A picture cannot keep the text '\(keyword.inOneLine)': give a keyword of 1 to 79 ASCII characters and a text in ASCII."
      )
    }
    let pairs = texts.sorted { $0.key < $1.key }.map { cinch_png_text(keyword: strdup($0.key), text: strdup($0.value)) }
    defer {
      for pair in pairs {
        free(UnsafeMutablePointer(mutating: pair.keyword))
        free(UnsafeMutablePointer(mutating: pair.text))
      }
    }
    // Large enough for incompressible pixels: zlib adds at most 5 bytes in 16 KB, libpng 12 in each 8 KB chunk.
    let raw = (image.width * image.channels + 1) * image.height
    let room = raw + raw / 256 + 4096 + texts.reduce(0) { $0 + $1.key.utf8.count + $1.value.utf8.count + 16 }
    return try image.pixels.withUnsafeBufferPointer { pixels in
      try pairs.withUnsafeBufferPointer { pairs in
        var picture = cinch_png_image(
          pixels: pixels.baseAddress, width: image.width, height: image.height, channels: image.channels,
          texts: pairs.baseAddress, text_count: pairs.count)
        return try [UInt8](unsafeUninitializedCapacity: room) { file, size in
          var message = [CChar](repeating: 0, count: Int(cinch_png_message))
          guard cinch_png_encode(&picture, file.baseAddress, room, &size, &message) else {
            size = 0
            let reason = String(decoding: message.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
            throw CinchError.unavailable("Libpng cannot encode an image: \(reason); show fewer tiles or update libpng.")
          }
        }
      }
    }
  }

  /// Whether libpng keeps it as it is: printable, with single spaces between words.
  private static func isKeyword(_ text: String) -> Bool {
    let words = text.utf8.split(separator: UInt8(ascii: " "), omittingEmptySubsequences: false)
    return 1...79 ~= text.utf8.count && words.allSatisfy { !$0.isEmpty && $0.allSatisfy { 0x21..<0x7F ~= $0 } }
  }

  /// Writes the image as a PNG file. Throws as `encode`, and `CinchError.inputOutput`.
  public static func write(_ image: RasterImage, texts: [String: String] = [:], to path: String) throws {
    try AtomicFile.write(try encode(image, texts: texts), to: path)
  }
}
