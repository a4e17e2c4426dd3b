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
  /// - Parameter texts: what the file says beside its pixels, by keyword, in Latin letters.
  /// - Throws: `CinchError.usage` if the image has more or fewer bytes than pixels; `CinchError.unavailable` if libpng
  ///   refuses.
  public static func encode(_ image: RasterImage, texts: [String: String] = [:]) throws -> [UInt8] {
    // libpng takes the pixels' address and no count.
    try image.requirePixels()
    // libpng's simplified interface reports errors in `png_image`; the classic one would longjmp over Swift frames.
    var control = png_image()
    control.version = UInt32(PNG_IMAGE_VERSION)
    control.width = UInt32(image.width)
    control.height = UInt32(image.height)
    control.format = UInt32(image.channels == 3 ? PNG_FORMAT_FLAG_COLOR : 0)
    defer { png_image_free(&control) }
    func message() -> String {
      withUnsafeBytes(of: control.message) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    }

    // Large enough for incompressible pixels: zlib adds at most 5 bytes in 16 KB, libpng 12 in each 8 KB chunk.
    let raw = (image.width * image.channels + 1) * image.height
    var size = raw + raw / 256 + 4096
    var encoded = [UInt8](repeating: 0, count: size)
    guard png_image_write_to_memory(&control, &encoded, &size, 0, image.pixels, 0, nil) != 0, size <= encoded.count
    else {
      throw CinchError.unavailable("Libpng cannot encode an image: \(message()); show fewer tiles or update libpng.")
    }
    encoded.removeLast(encoded.count - size)
    // Behind the signature and the header, which have always these sizes. The simplified interface writes no texts.
    encoded.insert(contentsOf: texts.sorted { $0.key < $1.key }.flatMap { text($0.key, $0.value) }, at: 8 + 25)
    return encoded
  }

  /// A tEXt chunk: length, type, keyword, 0, text, CRC of all but the length.
  private static func text(_ keyword: String, _ text: String) -> [UInt8] {
    func bytes(_ number: Int) -> [UInt8] { (0..<4).reversed().map { UInt8(truncatingIfNeeded: number >> (8 * $0)) } }
    let body = Array("tEXt\(keyword)\0\(text)".utf8)
    return bytes(body.count - 4) + body + bytes(Int(CRC32.of(body)))
  }

  /// Writes the image as a PNG file. Throws as `encode`, and `CinchError.inputOutput`.
  public static func write(_ image: RasterImage, texts: [String: String] = [:], to path: String) throws {
    try AtomicFile.write(try encode(image, texts: texts), to: path)
  }
}
