import Testing

@testable import CinchData

@Suite struct IDXTests {
  @Test func readsEveryElementType() throws {
    let cases: [(type: UInt8, data: [UInt8], values: [Float])] = [
      (0x08, [0, 255], [0, 1]),
      (0x09, [0x80, 0x7F], [-128, 127]),
      (0x0B, [0x80, 0, 0x01, 0x02], [-32768, 258]),
      (0x0C, [0xFF, 0xFF, 0xFF, 0xFE, 0, 1, 0, 0], [-2, 65536]),
      (0x0D, [0x3F, 0x80, 0, 0, 0xC0, 0, 0, 0], [1, -2]),
      (0x0E, [0x3F, 0xF8, 0, 0, 0, 0, 0, 0, 0xBF, 0xE0, 0, 0, 0, 0, 0, 0], [1.5, -0.5]),
    ]
    for (type, data, values) in cases {
      let array = try IDX.read(idx(type: type, extents: [2, 1], data: data), path: "a")
      #expect(array.values == values)
      #expect(array.shape == [2, 1])
      #expect(array.bytesWereScaled == (type == 8))
    }
  }

  @Test func readsAnyRankFromOneAndGzip() throws {
    let plain = idx(type: 8, extents: [2, 3, 1, 2], data: Array(0..<12))
    let array = try IDX.read(gzip(plain), path: "a")
    #expect(array.shape == [2, 3, 1, 2])
    #expect(array.values == (0..<12).map { Float($0) / 255 })
    #expect(try IDX.read(idx(type: 8, extents: [3], data: [1, 2, 3]), path: "a").shape == [3])
  }

  @Test func refusesEveryTruncationAndAnyExtraByte() {
    let plain = idx(type: 8, extents: [2, 3], data: Array(0..<6))
    for file in [plain, gzip(plain)] {
      for length in 0..<file.count {
        #expect(throwsCinchError("\(length)") { _ = try IDX.read(Array(file.prefix(length)), path: "a") }, "\(length)")
      }
    }
    expectError("should hold 6 bytes", "holds 7") { _ = try IDX.read(plain + [0], path: "a") }
    expectError("more data than it should") { _ = try IDX.read(gzip(plain + [0]), path: "a") }
  }

  @Test func refusesWrongHeaders() {
    expectError("two zero bytes") { _ = try IDX.read([1, 0, 8, 1, 0, 0, 0, 1, 0], path: "a") }
    expectError("type code 0xa") { _ = try IDX.read(idx(type: 0x0A, extents: [1], data: [0]), path: "a") }
    expectError("rank 0") { _ = try IDX.read(idx(type: 8, extents: [], data: [0]), path: "a") }
    expectError("holds no values") { _ = try IDX.read(idx(type: 8, extents: [0, 28], data: []), path: "a") }
  }

  @Test func doesNotTrustClaimedSizes() {
    let huge = idx(type: 0x0E, extents: [0xFFFF_FFFF, 0xFFFF_FFFF, 0xFFFF_FFFF], data: [0])
    expectError("impossible shape") { _ = try IDX.read(huge, path: "a") }
    expectError("claims more data") { _ = try IDX.read(gzip(huge), path: "a") }
    let large = idx(type: 8, extents: [0x7FFF_FFFF, 1000], data: [0])
    expectError("should hold 2147483647000 bytes") { _ = try IDX.read(large, path: "a") }
    expectError("claims more data") { _ = try IDX.read(gzip(large), path: "a") }
    let manyDimensions = idx(type: 8, extents: Array(repeating: 0xFFFF_FFFF, count: 255), data: [])
    expectError("impossible shape") { _ = try IDX.read(manyDimensions, path: "a") }
  }

  @Test func namesRowAndColumnOfWhatIsNotFinite() {
    let nan: [UInt8] = [0x7F, 0xC0, 0, 0]
    let one: [UInt8] = [0x3F, 0x80, 0, 0]
    expectError("NaN in row 2, column 1", "as CSV, where empty cells count as missing") {
      _ = try IDX.read(idx(type: 0x0D, extents: [2, 2], data: one + one + nan + one), path: "a")
    }
    let largeDouble: [UInt8] = [0x7E, 0x37, 0xE4, 0x3C, 0x88, 0, 0x75, 0x9C]  // 1e300: infinite in 32 bits.
    expectError("holds 1e+300 in row 1, column 1") {
      _ = try IDX.read(idx(type: 0x0E, extents: [1], data: largeDouble), path: "a")
    }
  }

  @Test func readsLabels() throws {
    let folder = try TemporaryFolder()
    let labels = try folder.file("labels", gzip(idx(type: 8, extents: [3], data: [9, 0, 2])))
    #expect(try IDX.readLabels(labels) == [9, 0, 2])
    let images = try folder.file("images", idx(type: 8, extents: [1, 3], data: [9, 0, 2]))
    expectError("does not hold labels") { _ = try IDX.readLabels(images) }
  }
}

@Suite struct GzipTests {
  @Test func readsMembersAndTrailingZeros() throws {
    let members = gzip([1, 2]) + gzip([3]) + [0, 0, 0]
    #expect(try Gzip.inflate(FileContents(members), limit: 3, path: "a") == [1, 2, 3])
    #expect(try Gzip.prefix(of: FileContents(members), count: 1, path: "a") == [1])
    expectError("over 2 bytes") { _ = try Gzip.inflate(FileContents(members), limit: 2, path: "a") }
  }

  @Test func verifiesCRCAndLength() {
    let good = gzip(Array("autoencoder".utf8))
    for fromEnd in 1...8 {
      var bad = good
      bad[bad.count - fromEnd] ^= 1
      expectError("damaged") { _ = try Gzip.inflate(FileContents(bad), limit: 100, path: "a") }
    }
    expectError("after its gzip stream") { _ = try Gzip.inflate(FileContents(good + [7]), limit: 100, path: "a") }
    expectError("in the middle") { _ = try Gzip.inflate(FileContents(good.dropLast()), limit: 100, path: "a") }
  }

  /// All at once where it is one sound stream of the length that is asked for; anything else is left to the stream.
  @Test func unpacksWholeStreamsOrNothing() throws {
    let bytes = (0..<60_000).map { UInt8(truncatingIfNeeded: $0 * $0 >> 7) }
    let packed = gzip(bytes)
    func unpack(_ packed: [UInt8], size: Int) -> [UInt8]? {
      packed.withUnsafeBytes { WholeDeflate.unpack($0, .gzip, size: size) }
    }
    #expect(unpack(packed, size: bytes.count) == bytes)
    for size in [0, -1, bytes.count - 1, bytes.count + 1, .max] { #expect(unpack(packed, size: size) == nil) }
    #expect(unpack(packed + [0], size: bytes.count) == nil)
    #expect(unpack(packed.dropLast(), size: bytes.count) == nil)
    #expect(unpack(packed + packed, size: bytes.count) == nil)
    for place in [0, 12, packed.count / 2, packed.count - 6] {
      var damaged = packed
      damaged[place] ^= 0x10
      #expect(unpack(damaged, size: bytes.count) == nil)
    }
    #expect(unpack([], size: 1) == nil)

    // A header may have a checksum of its own.
    var checked = packed
    checked[3] = 2
    checked.insert(contentsOf: little(UInt16(truncatingIfNeeded: crc32(Array(checked.prefix(10))))), at: 10)
    #expect(try Gzip.inflate(FileContents(checked), limit: 1 << 20, path: "a") == bytes)
    checked[10] ^= 1
    expectError("damaged") { _ = try Gzip.inflate(FileContents(checked), limit: 1 << 20, path: "a") }
  }
}
