import CinchBackend
import TestSupport
import Testing

@testable import CinchData

/// Damaged files end in a `CinchError` or are read, never in a trap.
@Suite struct FuzzTests {
  static let rounds = 3000

  /// A few bytes changed, inserted, removed or repeated.
  func damage(_ file: [UInt8], _ generator: inout FixedGenerator) -> [UInt8] {
    var bytes = file
    for _ in 0..<Int.random(in: 1...4, using: &generator) {
      guard !bytes.isEmpty else { return bytes }
      let at = Int.random(in: 0..<bytes.count, using: &generator)
      switch Int.random(in: 0..<6, using: &generator) {
      case 0: bytes[at] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
      case 1: bytes[at] = UInt8.random(in: 0...255, using: &generator)
      case 2: bytes[at] = [0, 0xFF, 0x7F, 0x80, 0x22, 0x2C, 0x2D, 0x39].randomElement(using: &generator) ?? 0
      case 3: bytes.remove(at: at)
      case 4: bytes.insert(bytes[at], at: at)
      default: bytes.insert(UInt8.random(in: 0x20...0x7E, using: &generator), at: at)
      }
    }
    return bytes
  }

  func fuzz(_ files: [[UInt8]], seed: UInt64, _ read: ([UInt8]) throws -> Void) {
    var generator = FixedGenerator(state: seed)
    for file in files {
      for length in 0...file.count { _ = throwsCinchError("prefix \(length)") { try read(Array(file.prefix(length))) } }
      for round in 0..<(Self.rounds / files.count) {
        let bytes = damage(file, &generator)
        _ = throwsCinchError("round \(round)") { try read(bytes) }
      }
    }
  }

  static let images = idx(type: 8, extents: [2, 2, 3], data: Array(0..<12))
  static let floats = idx(type: 0x0D, extents: [2, 2], data: [UInt8](repeating: 0x3F, count: 16))

  @Test func idxFiles() {
    fuzz([Self.images, Self.floats, gzip(Self.images)], seed: 1) { _ = try IDX.read($0, path: "a") }
  }

  @Test func gzipFiles() {
    // Huffman-coded, unlike what `gzip` makes: 300 bytes of "ab" repeated, as `gzip -9n` writes it.
    let coded: [UInt8] = [
      0x1F, 0x8B, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x03, 0x4B, 0x4C, 0x4A, 0x1C, 0x85, 0x44, 0x42, 0x00, 0xFA,
      0xA3, 0xB7, 0x12, 0x2C, 0x01, 0x00, 0x00,
    ]
    #expect((try? Gzip.inflate(FileContents(coded), limit: 300, path: "a"))?.count == 300)
    fuzz([coded, gzip(Self.images) + gzip([1])], seed: 2) {
      _ = try Gzip.inflate(FileContents($0), limit: 1000, path: "a")
    }
  }

  @Test func npyFiles() {
    let text = "{'descr': '<f8', 'fortran_order': False, 'shape': (2, 2), }"
    let doubles = npy(text, data: littleEndian([1.5, 2, 3, 4] as [Double]))
    fuzz([doubles, npy(text, data: littleEndian([1, 2, 3, 4] as [Double]), version: 3)], seed: 3) {
      _ = try NPY.read($0, scalesBytes: true, path: "a")
    }
  }

  @Test func npzFiles() {
    let files = [
      NPZTests.archive(("x", NPZTests.array), ("y", NPZTests.classes), isDeflated: true),
      zip([ZipMember(name: "a.npy", bytes: NPZTests.bytes, isWide: true)], isWide: true),
    ]
    fuzz(files, seed: 13) { _ = try NPZ(FileContents($0), path: "a").samples(nil, takesLabels: true) }
  }

  @Test func csvFiles() {
    let files = ["a,\"b \"\"c\"\"\",d\r\n1,-2.5e3,3\r\n4,5,6\r\n", "1;2\n3;4\n\n", "1\t\"2\"\n0.1\t1e-30\n"]
    for header in CSVHeader.allCases {
      for (seed, label) in [nil, "1"].enumerated() {
        var options = Dataset.LoadOptions()
        options.labelColumn = label
        fuzz(files.map { Array($0.utf8) } + [Array("id,b\nx,1\n\"y\",2\nx,3\n".utf8)], seed: UInt64(4 + seed)) {
          bytes in
          _ = try TableReader(FileContents(bytes), header: header, TableSelection(options), path: "a", blockSize: 5)
        }
      }
    }
  }

  @Test func safetensorsFiles() throws {
    let folder = try TemporaryFolder()
    var tensors = Safetensors()
    try tensors.add("w", shape: [2, 2], .float32([1, 2, 3, 4]))
    try tensors.add("step", shape: [], .uint64([9]))
    tensors.metadata = ["é": "\u{1}\\"]
    try tensors.write(to: folder.path + "/a")
    fuzz([try FileBytes.read(folder.path + "/a")], seed: 6) { _ = try Safetensors($0, path: "a") }
  }

  @Test func pngFiles() throws {
    var image = try RasterImage(width: 5, height: 4, channels: 3)
    for index in image.pixels.indices { image.pixels[index] = UInt8(index * 7 % 251) }
    let files = [try PNG.encode(image), ImageFixtures.palettePNG, ImageFixtures.alphaPNG, ImageFixtures.deepPNG]
    fuzz(files, seed: 8) { _ = try ImageFile.decode(FileContents($0), path: "a") }
  }

  /// Checksums stop most damage before it comes far; here they are right again.
  @Test func pngFilesWithRightChecksums() {
    fuzz([ImageFixtures.transparentPalettePNG, ImageFixtures.greyAlphaPNG, ImageFixtures.bitPNG], seed: 9) {
      _ = try ImageFile.decode(FileContents(Self.withRightChecksums($0)), path: "a")
    }
  }

  private static func withRightChecksums(_ file: [UInt8]) -> [UInt8] {
    var file = file
    var position = 8
    while position + 12 <= file.count {
      let length = file[position..<position + 4].reduce(0) { $0 << 8 | Int($1) }
      guard position + 12 + length <= file.count else { break }
      let crc = crc32(Array(file[position + 4..<position + 8 + length]))
      file.replaceSubrange(position + 8 + length..<position + 12 + length, with: bigEndian(Int(crc)))
      position += 12 + length
    }
    return file
  }

  @Test func jpegFiles() throws {
    let files = [
      ImageFixtures.colourJPEG, ImageFixtures.greyJPEG, ImageFixtures.progressiveJPEG, ImageFixtures.inkJPEG,
    ]
    fuzz(files, seed: 10) { _ = try ImageFile.decode(FileContents($0), path: "a") }
  }

  @Test func filesOfAnyKindByPath() throws {
    let folder = try TemporaryFolder()
    var generator = FixedGenerator(state: 7)
    let starts: [[UInt8]] = [
      Self.images, gzip(Self.floats), Array("a,b\n1,2\n".utf8), [0x93, 0x4E, 0x55, 0x4D, 0x50, 0x59],
    ]
    for round in 0..<400 {
      let bytes = damage(starts[round % 4], &generator)
      let path = try folder.file(["a.csv", "a.npy", "a.idx", "a.gz"][round / 4 % 4], bytes)
      _ = throwsCinchError("round \(round)") { _ = try Dataset.load(path) }
    }
  }
}
