import CinchBackend
import Testing

@testable import CinchData

@Suite struct DatasetSizeTests {
  @Test func bytesTakeOneAndFloatsFour() throws {
    let folder = try TemporaryFolder()
    let bytes = (0..<600).map { UInt8($0 % 7 * 30) }
    let images = try Dataset.load(try folder.file("a.idx", idx(type: 8, extents: [6, 10, 10], data: bytes)))
    let text = bytes.map { "\(Double($0) / 255)" }.joined(separator: "\n")
    let floats = try Dataset.load(try folder.file("a.csv", text: text + "\n"))
    #expect(images.rawSize == 600 && floats.rawSize == 2400)
    // Deflate finds that they repeat; how they are scaled or ordered does not change what they were.
    let size = try images.deflatedSize()
    #expect((10..<100).contains(size))
    let scaled = try Scaling.fit(.standard, to: images).apply(to: images)
    #expect(try scaled.deflatedSize() == size && scaled.rawSize == 600)
    #expect(try floats.deflatedSize() > size)
  }

  /// zlib's own answer to 1000 zeros at level 9, as `zlib.compress(bytes(1000), 9)` gives it: 17 bytes.
  @Test func sizesAreZlibs() throws {
    let folder = try TemporaryFolder()
    let file = try folder.file("a.idx", idx(type: 8, extents: [10, 100], data: [UInt8](repeating: 0, count: 1000)))
    #expect(try Dataset.load(file).deflatedSize() == 17)
  }

  @Test func errorsAreMeansOverElements() throws {
    let a = try Dataset(values: [0, 1, 2, 3], count: 2, features: 2)
    let b = try Dataset(values: [1, 1, 0, 3], count: 2, features: 2)
    #expect(a.meanSquaredError(of: b) == 1.25 && a.meanSquaredError(of: a) == 0)
    #expect(try a.meanSquaredError(of: b.prefix(1)).isNaN)
  }
}
