import CJPEG
import CPNG
import CSamples
import CinchBackend

/// PNG and JPEG files, as they come from elsewhere.
enum ImageFile {
  enum Format { case png, jpeg }

  struct Header {
    var format: Format
    /// As it is stored.
    var width: Int
    var height: Int
    /// 1 for grey, 3 for RGB; palettes are RGB, and alpha does not count.
    var channels: Int
    /// Bytes to decode it in, its pixels included.
    var room: Int
    var orientation: ImageOrientation

    /// As it is seen.
    var size: ImageSize {
      orientation.turns ? ImageSize(height: width, width: height) : ImageSize(height: height, width: width)
    }
  }

  /// Told by a file's first bytes.
  static func format(start: [UInt8]) -> Format? {
    if start.starts(with: [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]) { return .png }
    return start.starts(with: [0xFF, 0xD8, 0xFF]) ? .jpeg : nil
  }

  /// Endings of files of these formats.
  static func isNamedAsOne(_ name: String) -> Bool {
    [".png", ".jpg", ".jpeg"].contains(where: name.lowercased().hasSuffix)
  }

  /// What the file says before its pixels.
  ///
  /// - Throws: `CinchError.badData` where it is none of these formats, is in CMYK, or has more pixels than `mostBytes` or
  ///   than the file can hold.
  static func header(_ file: FileContents, path: String) throws -> Header {
    let header: Header
    switch format(start: file.prefix(8)) {
    case .png: header = try pngHeader(file, path)
    case .jpeg: header = try jpegHeader(file, path).header
    case nil: throw CinchError.badData("'\(path)' is neither PNG nor JPEG: save it as one of them, or remove it.")
    }
    guard max(header.width, header.height) <= 1_000_000,
      checkedProduct([header.width, header.height, 4]).map({ $0 <= mostBytes }) ?? false
    else {
      throw CinchError.badData(
        "'\(path)' has \(header.width) × \(header.height) pixels, more than an image may have here: save it smaller.")
    }
    return header
  }

  /// The pixels as 8 bits a channel, grey or RGB, turned as EXIF says; what is transparent lies in front of white.
  ///
  /// - Throws: as `header`, `CinchError.badData` where it is damaged or ends early, and `.unavailable` where there is no
  ///   room for it.
  static func decode(_ file: FileContents, path: String) throws -> RasterImage {
    let header = try header(file, path: path)
    try HostMemory.require(header.room, for: "the image '\(path)'")
    let stored = try header.format == .png ? decodePNG(file, header, path) : decodeJPEG(file, header, path)
    guard header.orientation != .stored else { return stored }
    var image = try RasterImage(width: header.size.width, height: header.size.height, channels: stored.channels)
    cinch_orient(
      stored.pixels, Int64(stored.height), Int64(stored.width), Int64(stored.channels), Int32(header.orientation.value),
      &image.pixels)
    return image
  }

  /// As many as `RasterImage` has.
  private static let mostBytes = 1 << 30

  fileprivate static func damaged(_ path: String, _ why: String) -> CinchError {
    let why = why.isEmpty ? "its data make no sense" : why
    return .badData("'\(path)' is damaged (\(why.filter { $0.isASCII && !$0.isNewline })): fetch or save it again.")
  }
}

// libpng's simplified interface, as `PNG` has it.
extension ImageFile {
  /// The image header is the first chunk, at a fixed place.
  private static func pngHeader(_ file: FileContents, _ path: String) throws -> Header {
    let start = file.prefix(33)
    func word(_ at: Int) -> Int { start[at..<at + 4].reduce(0) { $0 << 8 | Int($1) } }
    guard start.count == 33, word(8) == 13, start[12..<16].elementsEqual("IHDR".utf8), word(16) >= 1, word(20) >= 1
    else { throw damaged(path, "it has no image header") }
    let (width, height, depth, kind) = (word(16), word(20), Int(start[24]), start[25])
    let isGrey = kind == 0 || kind == 4
    let samples = kind == 2 ? 3 : kind == 6 ? 4 : kind == 4 ? 2 : 1
    // DEFLATE packs at most 1032 bytes into one.
    guard let bits = checkedProduct([width, height, samples, depth]), bits / 8 <= (file.count + 64) * 1032 else {
      throw damaged(path, "it is too short for \(width) x \(height) pixels")
    }
    let pixels = checkedProduct([width, height, 4]) ?? .max
    // Decoded with alpha, and then without; rows and zlib's window.
    return Header(
      format: .png, width: width, height: height, channels: isGrey ? 1 : 3,
      room: pixels > mostBytes ? .max : 2 * pixels + 16 * width + 1 << 20,
      orientation: file.withUnsafeBytes(ImageOrientation.ofPNG))
  }

  private static func decodePNG(_ file: FileContents, _ header: Header, _ path: String) throws -> RasterImage {
    try file.withUnsafeBytes { bytes in
      var control = png_image()
      control.version = UInt32(PNG_IMAGE_VERSION)
      defer { png_image_free(&control) }
      func message() -> String {
        withUnsafeBytes(of: control.message) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
      }
      guard png_image_begin_read_from_memory(&control, bytes.baseAddress, bytes.count) != 0 else {
        throw damaged(path, message())
      }
      let isColour = control.format & UInt32(PNG_FORMAT_FLAG_COLOR) != 0
      let hasAlpha = control.format & UInt32(PNG_FORMAT_FLAG_ALPHA) != 0
      guard Int(control.width) == header.width, Int(control.height) == header.height,
        isColour == (header.channels == 3)
      else { throw damaged(path, "its header has changed") }
      control.format = UInt32((isColour ? PNG_FORMAT_FLAG_COLOR : 0) | (hasAlpha ? PNG_FORMAT_FLAG_ALPHA : 0))
      // 16 bits are levels as 8 are: without a gamma of their own libpng would take them for linear light.
      control.flags |= UInt32(PNG_IMAGE_FLAG_16BIT_sRGB)
      var image = try RasterImage(width: header.width, height: header.height, channels: header.channels)
      guard hasAlpha else {
        guard png_image_finish_read(&control, nil, &image.pixels, 0, nil) != 0 else { throw damaged(path, message()) }
        return image
      }
      let pixels = image.width * image.height
      var pixelsAndAlpha = [UInt8](repeating: 0, count: pixels * (image.channels + 1))
      guard png_image_finish_read(&control, nil, &pixelsAndAlpha, 0, nil) != 0 else { throw damaged(path, message()) }
      cinch_over_white(pixelsAndAlpha, Int64(pixels), Int64(image.channels), &image.pixels)
      return image
    }
  }
}

extension ImageFile {
  private static func jpegHeader(
    _ file: FileContents, _ path: String
  ) throws -> (header: Header, inC: cinch_jpeg_header) {
    var found = cinch_jpeg_header()
    try jpeg(file, path) { cinch_jpeg_read_header($0, $1, &found, $2) }
    let (width, height, channels) = (Int(found.width), Int(found.height), Int(found.channels))
    guard channels != 4 else {
      throw CinchError.badData("'\(path)' is in four inks (CMYK): convert it to RGB, or remove it.")
    }
    let orientation = file.withUnsafeBytes(ImageOrientation.ofJPEG)
    let copies = orientation == .stored ? 1 : 2
    let header = Header(
      format: .jpeg, width: width, height: height, channels: channels,
      room: copies * width * height * channels + Int(found.room), orientation: orientation)
    return (header, found)
  }

  private static func decodeJPEG(_ file: FileContents, _ header: Header, _ path: String) throws -> RasterImage {
    var found = try jpegHeader(file, path).inC
    var image = try RasterImage(width: header.width, height: header.height, channels: header.channels)
    guard Int(found.width) == image.width, Int(found.height) == image.height, Int(found.channels) == image.channels
    else { throw damaged(path, "its header has changed") }
    try jpeg(file, path) { cinch_jpeg_decode($0, $1, &found, &image.pixels, $2) }
    return image
  }

  private static func jpeg(
    _ file: FileContents, _ path: String,
    _ call: (UnsafePointer<UInt8>?, Int, UnsafeMutablePointer<CChar>) -> Bool
  ) throws {
    try withUnsafeTemporaryAllocation(of: CChar.self, capacity: cinch_jpeg_message) { message in
      guard let text = message.baseAddress else { return }
      message.initialize(repeating: 0)
      let isWhole = file.withUnsafeBytes { call($0.baseAddress?.assumingMemoryBound(to: UInt8.self), $0.count, text) }
      guard isWhole else { throw damaged(path, String(cString: text)) }
    }
  }
}
