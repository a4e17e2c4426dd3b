// Files of the formats that are read, as bytes.

public func bigEndian(_ value: Int) -> [UInt8] { [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: value >> $0) } }

public func idx(type: UInt8, extents: [Int], data: [UInt8]) -> [UInt8] {
  [0, 0, type, UInt8(extents.count)] + extents.flatMap(bigEndian) + data
}

public func npy(_ dictionary: String, data: [UInt8], version: UInt8 = 1) -> [UInt8] {
  let header = Array(dictionary.utf8) + [0x0A]
  let length = (0..<(version == 1 ? 2 : 4)).map { UInt8(truncatingIfNeeded: header.count >> (8 * $0)) }
  return [0x93] + Array("NUMPY".utf8) + [version, 0] + length + header + data
}

public func littleEndian(_ values: [Float]) -> [UInt8] { values.withUnsafeBytes { Array($0) } }
public func littleEndian(_ values: [Double]) -> [UInt8] { values.withUnsafeBytes { Array($0) } }

public func crc32(_ bytes: [UInt8]) -> UInt32 {
  var crc = ~UInt32(0)
  for byte in bytes {
    crc ^= UInt32(byte)
    for _ in 0..<8 {
      let isOdd = crc & 1 == 1
      crc >>= 1
      if isOdd { crc ^= 0xEDB8_8320 }
    }
  }
  return ~crc
}

/// A gzip member of one stored (uncompressed) block, for up to 65,535 bytes.
public func gzip(_ bytes: [UInt8]) -> [UInt8] {
  let count = UInt16(bytes.count)
  var file: [UInt8] = [0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 255, 1]
  file += little(count)
  file += little(~count)
  file += bytes
  file += little(crc32(bytes))
  file += little(UInt32(count))
  return file
}

/// The bytes of a whole number, the lowest first.
public func little<T: FixedWidthInteger>(_ value: T) -> [UInt8] {
  withUnsafeBytes(of: value.littleEndian) { Array($0) }
}

/// A file of a .zip archive, as the tests write it.
public struct ZipMember {
  public var name: String
  public var bytes: [UInt8]
  public var isDeflated: Bool
  public var flags: UInt16 = 0
  public var method: UInt16?
  /// Whether its sizes stand in ZIP64's extra fields.
  public var isWide: Bool

  public init(name: String, bytes: [UInt8], isDeflated: Bool = false, isWide: Bool = false) {
    self.name = name
    self.bytes = bytes
    self.isDeflated = isDeflated
    self.isWide = isWide
  }

  /// Of one stored block where it is deflated.
  var packed: [UInt8] {
    guard isDeflated else { return bytes }
    let count = UInt16(bytes.count)
    return [1] + little(count) + little(~count) + bytes
  }
}

/// An archive as `numpy.savez` writes it.
public func zip(_ members: [ZipMember], isWide: Bool = false) -> [UInt8] {
  var file: [UInt8] = []
  var directory: [UInt8] = []
  for member in members {
    let packed = member.packed
    let start = file.count
    let method = member.method ?? (member.isDeflated ? 8 : 0)
    let common: [UInt8] =
      little(UInt16(45)) + little(member.flags) + little(method) + [0, 0, 0, 0] + little(crc32(member.bytes))
    let sizes: [UInt8] =
      member.isWide
      ? [UInt8](repeating: 0xFF, count: 8) : little(UInt32(packed.count)) + little(UInt32(member.bytes.count))
    let extra: [UInt8] =
      [0xAD, 0xDE, 2, 0, 7, 7]
      + (member.isWide
        ? little(UInt16(1)) + little(UInt16(16)) + little(member.bytes.count) + little(packed.count) : [])
    let lengths = little(UInt16(member.name.utf8.count)) + little(UInt16(extra.count))
    file += [0x50, 0x4B, 3, 4] + common + sizes + lengths + Array(member.name.utf8) + extra + packed
    directory += [0x50, 0x4B, 1, 2] + little(UInt16(45)) + common + sizes + lengths
    directory += [UInt8](repeating: 0, count: 10) + little(UInt32(start)) + Array(member.name.utf8) + extra
  }
  let place = file.count
  file += directory
  if isWide {
    let end = file.count
    file += [0x50, 0x4B, 6, 6] + little(44) + [45, 0, 45, 0] + little(UInt32(0)) + little(UInt32(0))
    file += little(members.count) + little(members.count) + little(directory.count) + little(place)
    file += [0x50, 0x4B, 6, 7] + little(UInt32(0)) + little(end) + little(UInt32(1))
  }
  let counts =
    isWide ? [UInt8](repeating: 0xFF, count: 4) : little(UInt16(members.count)) + little(UInt16(members.count))
  let places =
    isWide ? [UInt8](repeating: 0xFF, count: 8) : little(UInt32(directory.count)) + little(UInt32(place))
  return file + [0x50, 0x4B, 5, 6, 0, 0, 0, 0] + counts + places + [0, 0]
}
