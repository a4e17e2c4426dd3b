import CinchBackend
import Foundation
import Testing

@testable import CinchData

@Suite struct NPZTests {
  static let values: [Float] = [1, -2, 0.5, 1e-20]
  static let array = npy(NPYTests.dictionary, data: littleEndian(values))
  static let bytes = npy(
    "{'descr': '|u1', 'fortran_order': False, 'shape': (2, 2), }", data: [0, 51, 102, 255])
  static let classes = npy(
    "{'descr': '<i8', 'fortran_order': False, 'shape': (2,), }", data: [7, 9].flatMap { little($0 as Int) })

  static func archive(_ members: (String, [UInt8])..., isDeflated: Bool = false) -> [UInt8] {
    zip(members.map { ZipMember(name: $0.0 + ".npy", bytes: $0.1, isDeflated: isDeflated) })
  }

  private func load(_ file: [UInt8], _ change: (inout Dataset.LoadOptions) -> Void = { _ in }) throws -> Dataset {
    let folder = try TemporaryFolder()
    var options = Dataset.LoadOptions()
    change(&options)
    return try Dataset.load(try folder.file("a.npz", file), options: options)
  }

  @Test(arguments: [false, true]) func readsTheOnlyArray(isDeflated: Bool) throws {
    let data = try load(Self.archive(("weights", Self.array), isDeflated: isDeflated))
    #expect(data.values == Self.values && data.count == 2 && data.labels == nil)
    let images = try load(Self.archive(("a", Self.bytes), isDeflated: isDeflated))
    #expect(images.rows.areBytes && images.values == [0, 0.2, 0.4, 1])
    let packed = try load(gzip(Self.archive(("a", Self.bytes), isDeflated: isDeflated)))
    #expect(packed.values == images.values)
  }

  /// Labels that are none are left out, whatever they are.
  @Test func textsBesideSamplesAreNoLabels() throws {
    let texts = npy("{'descr': '<U1', 'fortran_order': False, 'shape': (2,), }", data: [97, 0, 0, 0, 98, 0, 0, 0])
    let truths = npy("{'descr': '|b1', 'fortran_order': False, 'shape': (2,), }", data: [0, 1])
    for labels in [texts, truths] {
      let data = try load(Self.archive(("x", Self.array), ("y", labels)))
      #expect(data.values == Self.values && data.labels == nil)
    }
    #expect(try load(Self.archive(("x", Self.array), ("y", Self.classes))).labels == [7, 9])
  }

  @Test func readsZIP64() throws {
    for isDeflated in [false, true] {
      let member = ZipMember(name: "a.npy", bytes: Self.array, isDeflated: isDeflated, isWide: true)
      #expect(try load(zip([member], isWide: true)).values == Self.values)
    }
  }

  /// As numpy.savez_compressed of NumPy 2.4 wrote it: bytes `x_train` [40, 12], whole numbers `y_train` and texts `notes`.
  @Test func readsWhatNumPyWrites() throws {
    let text = """
      UEsDBC0AAAAIAAAAIQCbJhA1//////////8LABQAeF90cmFpbi5ucHkBABAAYAIAAAAAAABZAAAAAAAAAJvsF+obEMnIUMZQrZ6S\
      WpxcpG6loF5Taqiuo6Cell9UUpSYF59flJIKEndLzClOBYoXZyQWpAL5GiYGOgqGRpo6CrUKZAIuBkYmZhZWNnYOTi7uUfbwYwMA\
      UEsDBC0AAAAIAAAAIQBjfnP8//////////8LABQAeV90cmFpbi5ucHkBABAAwAEAAAAAAABSAAAAAAAAAJvsF+obEMnIUMZQrZ6S\
      WpxcpG6loG6TaaGuo6Cell9UUpSYF59flJIKEndLzClOBYoXZyQWpAL5GiYGOpo6CrUK5AMuBihghNJMDKhgVBy/OABQSwMELQAA\
      AAgAAAAhACqkKDb//////////wkAFABub3Rlcy5ucHkBABAAhAAAAAAAAABIAAAAAAAAAJvsF+obEMnIUMZQrZ6SWpxcpG6loG4T\
      aqiuo6Cell9UUpSYF59flJIKEndLzClOBYoXZyQWpAL5GoY6mjoKtQoUAK5EBgYGAFBLAQItAy0AAAAIAAAAIQCbJhA1WQAAAGAC\
      AAALAAAAAAAAAAAAAACAAQAAAAB4X3RyYWluLm5weVBLAQItAy0AAAAIAAAAIQBjfnP8UgAAAMABAAALAAAAAAAAAAAAAACAAZYA\
      AAB5X3RyYWluLm5weVBLAQItAy0AAAAIAAAAIQAqpCg2SAAAAIQAAAAJAAAAAAAAAAAAAACAASUBAABub3Rlcy5ucHlQSwUGAAAA\
      AAMAAwCpAAAAqAEAAAAA
      """
    let data = try load(Array(try #require(Data(base64Encoded: text))))
    #expect(data.count == 40 && data.features == 12)
    #expect(data.values == (0..<480).map { Float($0 % 12) / 255 })
    #expect(data.labels == (0..<40).map { $0 % 3 })
    #expect(throws: CinchError.self) {
      try load(Array(try #require(Data(base64Encoded: text)))) { $0.array = "notes" }
    }
  }

  @Test func samplesAndLabelsAreFoundByTheirNames() throws {
    let named = [("x", "y"), ("X", "Y"), ("data", "target"), ("images", "labels"), ("x_train", "y_train")]
    for (samples, labels) in named {
      let file = Self.archive((labels, Self.classes), ("other", Self.array), (samples, Self.array))
      let data = try load(file)
      #expect(data.values == Self.values && data.labels == [7, 9], "\(samples)")
      let chosen = try load(file) { $0.array = "other" }
      #expect(chosen.values == Self.values && chosen.labels == nil)
    }
    // Keras's: the test part is asked for by its name, and has labels of its own.
    let parts = Self.archive(
      ("x_train", Self.array), ("y_train", Self.classes), ("x_test", Self.bytes), ("y_test", Self.classes))
    #expect(try load(parts).values == Self.values)
    let test = try load(parts) { $0.array = "x_test" }
    #expect(test.values == [0, 0.2, 0.4, 1] && test.labels == [7, 9])
    #expect(try load(parts) { $0.array = "x_test.npy" }.values == test.values)
    // What is no class of each sample is passed over.
    let other = Self.archive(("x", Self.array), ("y", Self.array))
    #expect(try load(other).labels == nil)
    let folder = try TemporaryFolder()
    let labels = try folder.file("l.npz", Self.archive(("y", Self.classes), ("z", Self.array)))
    #expect(try load(other) { $0.labels = labels }.labels == [7, 9])
  }

  @Test func whatIsNotClearIsAskedFor() {
    let several = Self.archive(("one", Self.array), ("two", Self.bytes))
    expectError("'one', 'two'", "array one", exitCode: 64) { _ = try load(several) }
    expectError("'x', 'data'", exitCode: 64) { _ = try load(Self.archive(("x", Self.array), ("data", Self.array))) }
    expectError("no array 'three', but 'one', 'two'", exitCode: 64) { _ = try load(several) { $0.array = "three" } }
    expectError("two arrays of one name") { _ = try load(Self.archive(("a", Self.array), ("a", Self.array))) }
    expectError("no arrays") { _ = try load(zip([ZipMember(name: "readme.txt", bytes: [65])])) }
    expectError("no arrays") { _ = try load(zip([])) }
    expectError("only .npz files", exitCode: 64) {
      let folder = try TemporaryFolder()
      var options = Dataset.LoadOptions()
      options.array = "x"
      _ = try Dataset.load(try folder.file("a.npy", Self.array), options: options)
    }
    expectError("a.npz:a'", "array.astype('float32')") {
      let text = "{'descr': '<f2', 'fortran_order': False, 'shape': (1,), }"
      _ = try load(Self.archive(("a", npy(text, data: [UInt8](repeating: 0, count: 8)))))
    }
  }

  @Test func whatCannotBeReadIsRefused() {
    func member(_ change: (inout ZipMember) -> Void) -> [UInt8] {
      var member = ZipMember(name: "a.npy", bytes: Self.array, isDeflated: true)
      change(&member)
      return zip([member])
    }
    expectError("encrypted") { _ = try load(member { $0.flags = 1 }) }
    expectError("the method 12", "savez") { _ = try load(member { $0.method = 12 }) }
    var wrong = Self.archive(("a", Self.array))
    wrong[30 + 6 + 5 + 80] ^= 1
    expectError("checksum") { _ = try load(wrong) }
    // A directory that claims more than is there: nothing so large is allocated.
    var large = member { _ in }
    let place = large.count - 22 - 46 - 11 + 24
    large.replaceSubrange(place..<place + 4, with: [0xF0, 0xFF, 0xFF, 0xEF])
    expectError("more data than its") { _ = try load(large) }
    large.replaceSubrange(place..<place + 4, with: little(UInt32(Self.array.count + 1)))
    expectError("holds other than") { _ = try load(large) }
    large.replaceSubrange(place..<place + 4, with: little(UInt32(Self.array.count - 1)))
    expectError("holds other than") { _ = try load(large) }
  }

  @Test func everyTruncationIsRefused() {
    for file in [
      Self.archive(("a", Self.array), isDeflated: true),
      zip([ZipMember(name: "a.npy", bytes: Self.array, isWide: true)], isWide: true),
    ] {
      for length in 4..<file.count {
        #expect(throwsCinchError("\(length)") { _ = try load(Array(file.prefix(length))) }, "\(length)")
      }
    }
  }

  /// What is stored is read where it lies in a large file.
  @Test func aLargeFileIsMapped() throws {
    let rows = FileContents.mappedSize / 1024 + 1
    let text = "{'descr': '|u1', 'fortran_order': False, 'shape': (\(rows), 1024), }"
    let large = npy(text, data: (0..<rows * 1024).map { UInt8(truncatingIfNeeded: $0 / 3) })
    let folder = try TemporaryFolder()
    let path = try folder.file("a.npz", Self.archive(("a", large)))
    let contents = try FileContents(contentsOf: path)
    let archive = try Zip(contents, path: path)
    #expect(contents.isMapped)
    #expect(try archive.contents(of: archive.entries[0]).isMapped)
    let data = try Dataset.load(path)
    #expect(
      try data.rows.areBytes && data.count == rows
        && data.sample(rows - 1).last == Float(UInt8(truncatingIfNeeded: (rows * 1024 - 1) / 3)) / 255)
  }

  @Test func wholeNumbersOfEveryWidthAreRead() throws {
    func read(_ type: String, _ data: [UInt8]) throws -> [Float] {
      let text = "{'descr': '\(type)', 'fortran_order': False, 'shape': (2,), }"
      return try NPY.read(npy(text, data: data), scalesBytes: true, path: "a").values
    }
    #expect(try read("|i1", [0xFF, 3]) == [-1, 3])
    #expect(try read("<i2", little(Int16(-300)) + little(Int16(7))) == [-300, 7])
    #expect(try read(">i4", [0xFF, 0xFF, 0xFF, 0xFE, 0, 0, 1, 0]) == [-2, 256])
    #expect(try read("<i8", little(-5) + little(1 << 40)) == [-5, 0x1p40])
    #expect(try read(">i8", little((-5).byteSwapped) + little((1 << 40).byteSwapped)) == [-5, 0x1p40])
    let folder = try TemporaryFolder()
    let text = "{'descr': '<i8', 'fortran_order': False, 'shape': (1,), }"
    // Floats do not tell these from their neighbours.
    for label in [1 << 24, 1 << 24 + 1, 1 << 40] {
      let path = try folder.file("l.npy", npy(text, data: little(label)))
      expectError("2²⁴") { _ = try Labels.read(path) }
    }
    #expect(try Labels.read(try folder.file("l.npy", npy(text, data: little(1 << 24 - 1)))).values == [1 << 24 - 1])
  }
}
