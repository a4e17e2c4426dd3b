/// How the rows and columns of a stored image are to be seen: EXIF's tag Orientation (CIPA DC-008, 4.6.4 A), as cameras
/// write it that do not turn pixels themselves.
struct ImageOrientation: Hashable {
  /// 1 to 8; 1 is as stored.
  let value: Int

  static let stored = ImageOrientation(value: 1)

  /// Whether rows become columns.
  var turns: Bool { value >= 5 }

  /// What a TIFF structure says, as JPEG's APP1 segment has it behind `Exif\0\0` and PNG's chunk eXIf alone. Nil where it
  /// says nothing, or makes no sense: a photograph is not refused for its notes.
  init?(tiff: some RandomAccessCollection<UInt8>) {
    let bytes = tiff
    func byte(_ at: Int) -> Int? {
      at >= 0 && at < bytes.count ? Int(bytes[bytes.index(bytes.startIndex, offsetBy: at)]) : nil
    }
    let isLittle: Bool
    switch (byte(0), byte(1)) {
    case (0x49, 0x49): isLittle = true
    case (0x4D, 0x4D): isLittle = false
    default: return nil
    }
    func number(_ at: Int, bytes count: Int) -> Int? {
      var result = 0
      for place in 0..<count {
        guard let next = byte(at + (isLittle ? count - 1 - place : place)) else { return nil }
        result = result << 8 | next
      }
      return result
    }
    guard number(2, bytes: 2) == 42, let directory = number(4, bytes: 4), directory >= 8,
      let entries = number(directory, bytes: 2)
    else { return nil }
    for entry in 0..<entries {
      let place = directory + 2 + 12 * entry
      guard let tag = number(place, bytes: 2) else { return nil }
      guard tag == 0x0112 else { continue }
      // One SHORT, which lies at the left of its four bytes.
      guard number(place + 2, bytes: 2) == 3, number(place + 4, bytes: 4) == 1, let value = number(place + 8, bytes: 2),
        (1...8).contains(value)
      else { return nil }
      self.value = value
      return
    }
    return nil
  }

  private init(value: Int) { self.value = value }

  /// Of a JPEG file: its first segment APP1 of EXIF, before the first scan.
  static func ofJPEG(_ file: UnsafeRawBufferPointer) -> ImageOrientation {
    let name = Array("Exif\0\0".utf8)
    var place = 2
    while place + 4 <= file.count, file[place] == 0xFF {
      let marker = file[place + 1]
      if marker == 0xFF {
        // Any number of them may stand before a marker.
        place += 1
        continue
      }
      // A scan, the end, or a marker without a length.
      guard marker != 0xDA, marker != 0xD9, marker != 0x01, !(0xD0...0xD8).contains(marker) else { break }
      let length = Int(file[place + 2]) << 8 | Int(file[place + 3])
      let end = place + 2 + length
      guard length >= 2, end <= file.count else { break }
      let content = file[place + 4..<end]
      if marker == 0xE1, content.starts(with: name) {
        return ImageOrientation(tiff: content.dropFirst(name.count)) ?? .stored
      }
      place = end
    }
    return .stored
  }

  /// Of a PNG file: its chunk eXIf (PNG, third edition, 11.3.4.5), which may stand behind the pixels.
  static func ofPNG(_ file: UnsafeRawBufferPointer) -> ImageOrientation {
    var place = 8
    while place + 12 <= file.count {
      let length = file[place..<place + 4].reduce(0) { $0 << 8 | Int($1) }
      let start = place + 8
      guard length <= file.count - start - 4 else { break }
      if file[place + 4..<start].elementsEqual("eXIf".utf8) {
        return ImageOrientation(tiff: file[start..<start + length]) ?? .stored
      }
      place = start + length + 4
    }
    return .stored
  }
}
