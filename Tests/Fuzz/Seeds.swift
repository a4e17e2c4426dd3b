import CinchData
import TestSupport

/// Small files of every format, as they should be.
enum Seeds {
  private static let floats = littleEndian([1, -2, 0.5, 1e-20] as [Float])
  private static let doubles = littleEndian([1.5, 2, 3, 4] as [Double])

  static let idx = [
    TestSupport.idx(type: 8, extents: [2, 2, 3], data: Array(0..<12)),
    TestSupport.idx(type: 0x0D, extents: [2, 2], data: [UInt8](repeating: 0x3F, count: 16)),
    TestSupport.idx(type: 0x0B, extents: [3], data: [0, 1, 0xFF, 0xFE, 0x7F, 0]),
  ]

  private static func header(_ type: String, _ shape: String) -> String {
    "{'descr': '\(type)', 'fortran_order': False, 'shape': \(shape), }"
  }

  static let npy = [
    TestSupport.npy(header("<f4", "(2, 2)"), data: floats),
    TestSupport.npy(header("<f8", "(2, 2)"), data: doubles, version: 3),
    TestSupport.npy(header("|u1", "(2, 1, 2)"), data: [0, 51, 102, 255], version: 2),
    TestSupport.npy(header(">i8", "(2,)"), data: [UInt8](repeating: 0, count: 15) + [7]),
  ]

  private static func member(_ array: [UInt8], isDeflated: Bool, isWide: Bool) -> [UInt8] {
    let other = TestSupport.npy(header("<i8", "(2,)"), data: little(3) + little(4))
    return zip(
      [
        ZipMember(name: "x.npy", bytes: array, isDeflated: isDeflated, isWide: isWide),
        ZipMember(name: "y.npy", bytes: other, isDeflated: !isDeflated),
      ], isWide: isWide)
  }

  static let npz: [Format.Seed] = [(false, false), (true, false), (false, true), (true, true)].map { packing in
    Format.Seed(inner: npy[0]) { member($0, isDeflated: packing.0, isWide: packing.1) }
  }

  static let numbers = [
    "a,\"b \"\"c\"\"\",d\r\n1,-2.5e3,3\r\n4,5,6\r\n", "1;2\n3;4\n\n", "1\t\"2\"\n0.1\t1e-30\n",
    "\u{FEFF}a,b\n1,NA\n2,3\n", "x\n1\n0\n1\n",
  ]

  static let tables = [
    "id,kind,island,length,sex\na,1,Torgersen,39.1,male\nb,2,Biscoe,37.5,female\nc,1,\"Dream\",40,\nd,2,Biscoe,NA,male\n",
    "id;kind;\"a \"\"b\"\"\";c\r\n1;x;u;0\r\n2;y;\"v\nw\";1\r\n3;x;u;1\r\n4;y;u;0\r\n",
    "id\tkind\tc\n1\tx\t1.0\n2\ty\t2\n",
  ]

  static let labels = [
    Array("cat\ndog\n".utf8), Array("1\n2\n".utf8), TestSupport.idx(type: 8, extents: [2], data: [3, 4]),
    TestSupport.npy(header("<i8", "(2,)"), data: little(3) + little(4)),
    member(npy[0], isDeflated: false, isWide: false), gzip(Array("a\nb\n".utf8)),
  ]

  static let png = [
    ImageFixtures.palettePNG, ImageFixtures.transparentPalettePNG, ImageFixtures.deepPNG, ImageFixtures.alphaPNG,
    ImageFixtures.greyAlphaPNG, ImageFixtures.bitPNG,
  ]

  static let jpeg = [
    ImageFixtures.colourJPEG, ImageFixtures.greyJPEG, ImageFixtures.progressiveJPEG, ImageFixtures.inkJPEG,
  ]

  static func pngWithChecksums(_ file: [UInt8]) -> [UInt8] {
    var file = file
    var position = 8
    while position + 12 <= file.count {
      let length = file[position..<position + 4].reduce(0) { $0 << 8 | Int($1) }
      guard length <= file.count - position - 12 else { break }
      let crc = crc32(Array(file[position + 4..<position + 8 + length]))
      file.replaceSubrange(position + 8 + length..<position + 12 + length, with: bigEndian(Int(crc)))
      position += 12 + length
    }
    return file
  }

  static func safetensors() throws -> Safetensors {
    var tensors = Safetensors()
    try tensors.add("w", shape: [2, 2], .float32([1, 2, 3, 4]))
    try tensors.add("step", shape: [], .uint64([9]))
    try tensors.add("d", shape: [1, 2], .float64([1, .infinity]))
    try tensors.add("i", shape: [2], .int64([-1, .min]))
    tensors.metadata = ["é": "\u{1}\\", "format": "pt"]
    return tensors
  }

  /// The header's length, where its closing brace is.
  static func safetensorsWithLength(_ file: [UInt8]) -> [UInt8] {
    guard file.count > 8 else { return file }
    let text = file[8...]
    guard let end = text.indices.last(where: { text[$0] == UInt8(ascii: "}") && $0 - 8 < 1 << 16 }) else { return file }
    return little(end - 7) + text
  }

  /// CRC-32 of header and blocks as the file has them, as far as its lengths lead.
  static func codesWithChecksums(_ file: [UInt8]) -> [UInt8] {
    func number(_ at: Int) -> Int? {
      guard at >= 0, at + 4 <= file.count else { return nil }
      return file[at..<at + 4].reversed().reduce(0) { $0 << 8 | Int($1) }
    }
    var file = file
    guard let length = number(12), 16 + length + 4 <= file.count else { return file }
    let sum = little(crc32(Array(file[..<(16 + length)])))
    file.replaceSubrange(16 + length..<20 + length, with: sum)
    var (at, index) = (20 + length, 0)
    while let size = number(at), at + 8 + size <= file.count {
      let block = sum + little(UInt64(index)) + little(UInt32(size)) + file[at + 8..<at + 8 + size]
      file.replaceSubrange(at + 4..<at + 8, with: little(crc32(Array(block))))
      at += 8 + size
      index += 1
    }
    return file
  }
}
