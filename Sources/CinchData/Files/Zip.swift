import CinchBackend

/// The files in a .zip archive, by its central directory (PKWARE's APPNOTE 6.3), ZIP64 included.
struct Zip {
  struct Entry: Sendable {
    let name: String
    fileprivate let flags: UInt16
    fileprivate let method: UInt16
    fileprivate let crc: UInt32
    fileprivate let packedSize: Int
    fileprivate let size: Int
    fileprivate let header: Int
  }

  /// In the order of the directory.
  let entries: [Entry]
  private let file: FileContents
  private let path: String
  /// Where the directory begins, and the entries' bytes end.
  private let directory: Int

  static func isZip(_ start: [UInt8]) -> Bool {
    start.starts(with: [0x50, 0x4B, 3, 4]) || start.starts(with: [0x50, 0x4B, 5, 6])
  }

  /// Reads the directory.
  /// - Throws: `CinchError.badData` where there is none or it contradicts the file.
  init(_ file: FileContents, path: String) throws {
    self.file = file
    self.path = path
    (directory, entries) = try file.withUnsafeBytes { bytes in
      let place = try Self.directory(bytes, path)
      guard let entries = Self.entries(ByteReader(Array(bytes[place.bytes])[...]), count: place.count) else {
        throw Self.damaged(path)
      }
      return (place.bytes.lowerBound, entries)
    }
  }

  private static func damaged(_ path: String) -> CinchError {
    .badData("'\(path)' is a damaged .zip archive: fetch or write it again.")
  }

  /// Where the central directory is, and how many entries it should have.
  private static func directory(_ bytes: UnsafeRawBufferPointer, _ path: String) throws -> (
    bytes: Range<Int>, count: Int
  ) {
    let size = 22
    // A comment of up to 65,535 bytes may follow the record at the end.
    let first = max(0, bytes.count - size - Int(UInt16.max))
    let end = stride(from: bytes.count - size, through: first, by: -1).first { place in
      bytes[place...].starts(with: [0x50, 0x4B, 5, 6])
        && Int(bytes[place + 20]) | Int(bytes[place + 21]) << 8 == bytes.count - place - size
    }
    guard let end else {
      throw CinchError.badData("'\(path)' is a .zip archive that ends early: fetch or write it again.")
    }
    var record = ByteReader(Array(bytes[(end + 4)..<(end + size)])[...])
    let disks = (record.integer(UInt16.self), record.integer(UInt16.self))
    var numbers: (disks: Bool, count: UInt64, size: UInt64, start: UInt64)
    guard let onDisk = record.integer(UInt16.self), let count = record.integer(UInt16.self),
      let length = record.integer(UInt32.self), let start = record.integer(UInt32.self)
    else { throw damaged(path) }
    numbers = (disks == (0, 0) && onDisk == count, UInt64(count), UInt64(length), UInt64(start))
    var limit = end
    if count == .max || length == .max || start == .max, let wide = wideRecord(bytes, before: end) {
      numbers = wide.numbers
      limit = wide.place
    }
    guard numbers.disks else {
      throw CinchError.badData("'\(path)' is a part of a .zip archive of several files: write it as one.")
    }
    guard let begin = Int(exactly: numbers.start), let length = Int(exactly: numbers.size),
      let count = Int(exactly: numbers.count), begin <= limit, length <= limit - begin, count <= length / 46
    else { throw damaged(path) }
    return (begin..<begin + length, count)
  }

  /// The record at the end of an archive of ZIP64, found by its locator.
  private static func wideRecord(
    _ bytes: UnsafeRawBufferPointer, before end: Int
  ) -> (place: Int, numbers: (disks: Bool, count: UInt64, size: UInt64, start: UInt64))? {
    guard end >= 20, bytes[(end - 20)...].starts(with: [0x50, 0x4B, 6, 7]) else { return nil }
    var locator = ByteReader(Array(bytes[(end - 12)..<(end - 4)])[...])
    guard let place = locator.integer(UInt64.self).flatMap({ Int(exactly: $0) }), place <= end - 20 - 56,
      bytes[place...].starts(with: [0x50, 0x4B, 6, 6])
    else { return nil }
    var record = ByteReader(Array(bytes[(place + 16)..<(place + 56)])[...])
    let disks = (record.integer(UInt32.self), record.integer(UInt32.self))
    guard let onDisk = record.integer(UInt64.self), let count = record.integer(UInt64.self),
      let size = record.integer(UInt64.self), let start = record.integer(UInt64.self)
    else { return nil }
    return (place, (disks == (0, 0) && onDisk == count, count, size, start))
  }

  /// Nil where the directory is not what it should be.
  private static func entries(_ directory: ByteReader, count: Int) -> [Entry]? {
    var rest = directory
    var entries: [Entry] = []
    for _ in 0..<count {
      guard rest.integer(UInt32.self) == 0x0201_4B50, rest.bytes(4) != nil, let flags = rest.integer(UInt16.self),
        let method = rest.integer(UInt16.self), rest.bytes(4) != nil, let crc = rest.integer(UInt32.self),
        let packedSize = rest.integer(UInt32.self), let size = rest.integer(UInt32.self),
        let nameLength = rest.integer(UInt16.self), let extraLength = rest.integer(UInt16.self),
        let commentLength = rest.integer(UInt16.self), let disk = rest.integer(UInt16.self), rest.bytes(6) != nil,
        let header = rest.integer(UInt32.self), let name = rest.bytes(Int(nameLength)),
        let extra = rest.bytes(Int(extraLength)), rest.bytes(Int(commentLength)) != nil, disk == 0 || disk == .max,
        let wide = widened([size, packedSize, header], by: extra)
      else { return nil }
      entries.append(
        Entry(
          name: String(decoding: name, as: UTF8.self), flags: flags, method: method, crc: crc, packedSize: wide[1],
          size: wide[0], header: wide[2]))
    }
    return entries
  }

  /// Numbers of 32 bits; those that are full stand in ZIP64's extra field, one after the other.
  private static func widened(_ numbers: [UInt32], by extra: ArraySlice<UInt8>) -> [Int]? {
    guard numbers.contains(.max) else { return numbers.map { Int($0) } }
    var fields = ByteReader(extra)
    while let id = fields.integer(UInt16.self), let length = fields.integer(UInt16.self),
      let bytes = fields.bytes(Int(length))
    {
      guard id == 1 else { continue }
      var wide = ByteReader(bytes)
      var result: [Int] = []
      for number in numbers {
        guard let value = number == .max ? wide.integer(UInt64.self) : UInt64(number), let value = Int(exactly: value)
        else { return nil }
        result.append(value)
      }
      return result
    }
    return nil
  }

  /// A file's bytes: where they are not packed, as they lie in the archive.
  ///
  /// - Throws: `CinchError.badData` where they are packed in another way than by deflate, encrypted, or not what the
  ///   directory says; `.unavailable` where there is no room for them.
  func contents(of entry: Entry) throws -> FileContents {
    let name = "\(path):\(entry.name)"
    guard entry.flags & 0x41 == 0 else {
      throw CinchError.badData("'\(name)' is encrypted: write it again without a password.")
    }
    guard entry.method == 0 || entry.method == 8 else {
      throw CinchError.badData(
        "'\(name)' is packed by the method \(entry.method), which is neither stored nor deflate: write it again with "
          + "numpy.savez or numpy.savez_compressed.")
    }
    let range = try place(of: entry)
    if entry.method == 0 {
      guard entry.size == entry.packedSize else { throw Self.damaged(path) }
      try file.withUnsafeBytes { try check(UnsafeRawBufferPointer(rebasing: $0[range]), entry, name) }
      return FileContents(range, of: file)
    }
    guard entry.size / InflateStream.largestRatio <= entry.packedSize else {
      throw CinchError.badData(
        "'\(name)' claims more data than its \(entry.packedSize) bytes can hold: fetch it again.")
    }
    try HostMemory.require(entry.size, for: "what is packed in '\(name)'")
    let bytes = try file.withUnsafeBytes { source in
      let packed = UnsafeRawBufferPointer(rebasing: source[range])
      if let bytes = WholeDeflate.unpack(packed, .none, size: entry.size) { return bytes }
      let stream = try InflateStream(packed, .none, path: name)
      let bytes = try [UInt8](unsafeUninitializedCapacity: entry.size) { buffer, count in
        count = try stream.read(into: UnsafeMutableRawBufferPointer(buffer))
      }
      // The stream's end may come as a block of no bytes.
      let more = try withUnsafeTemporaryAllocation(byteCount: 1, alignment: 1, stream.read)
      guard bytes.count == entry.size, more == 0 else {
        throw CinchError.badData("'\(name)' holds other than the \(entry.size) bytes that it should: fetch it again.")
      }
      return bytes
    }
    try bytes.withUnsafeBytes { try check($0, entry, name) }
    return FileContents(bytes)
  }

  /// Where an entry's packed bytes lie: behind its own header, before the directory.
  private func place(of entry: Entry) throws -> Range<Int> {
    guard entry.header <= directory - 30 else { throw Self.damaged(path) }
    return try file.withUnsafeBytes { bytes in
      var header = ByteReader(Array(bytes[entry.header..<(entry.header + 30)])[...])
      guard header.integer(UInt32.self) == 0x0403_4B50, header.bytes(22) != nil,
        let nameLength = header.integer(UInt16.self), let extraLength = header.integer(UInt16.self)
      else { throw Self.damaged(path) }
      let start = entry.header + 30 + Int(nameLength) + Int(extraLength)
      guard start <= directory, entry.packedSize <= directory - start else { throw Self.damaged(path) }
      return start..<start + entry.packedSize
    }
  }

  private func check(_ bytes: UnsafeRawBufferPointer, _ entry: Entry, _ name: String) throws {
    var crc: UInt32 = 0
    for start in stride(from: 0, to: bytes.count, by: LoadProgress.step) {
      LoadProgress.tell("checking", name, start, of: bytes.count)
      let part = bytes[start..<min(start + LoadProgress.step, bytes.count)]
      crc = CRC32.of(UnsafeRawBufferPointer(rebasing: part), after: crc)
    }
    guard crc == entry.crc else {
      throw CinchError.badData("'\(name)' is damaged (its checksum is wrong): fetch or write it again.")
    }
  }
}
