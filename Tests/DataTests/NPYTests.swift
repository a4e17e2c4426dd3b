import CinchBackend
import Testing

@testable import CinchData

@Suite struct NPYTests {
  static let dictionary = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2), }"

  func read(_ bytes: [UInt8]) throws -> NumericArray { try NPY.read(bytes, scalesBytes: true, path: "a.npy") }

  @Test func readsVersionsTypesAndByteOrders() throws {
    let values: [Float] = [1, -2, 0.5, 1e-20]
    for version in UInt8(1)...3 {
      let array = try read(npy(Self.dictionary, data: littleEndian(values), version: version))
      #expect(array.values == values)
      #expect(array.shape == [2, 2])
    }
    func dictionary(_ type: String) -> String {
      Self.dictionary.split(separator: "<f4").joined(separator: type)
    }
    let reversed = values.flatMap { littleEndian([$0]).reversed() }
    #expect(try read(npy(dictionary(">f4"), data: reversed)).values == values)
    let doubles: [Double] = [1, -2, 0.5, 1e-20]
    #expect(try read(npy(dictionary("<f8"), data: littleEndian(doubles))).values == values)
    let reversedDoubles = doubles.flatMap { littleEndian([$0]).reversed() }
    #expect(try read(npy(dictionary(">f8"), data: reversedDoubles)).values == values)
    let bytes = try read(npy(dictionary("|u1"), data: [0, 51, 102, 255]))
    #expect(bytes.values == [0, 0.2, 0.4, 1])
    #expect(bytes.bytesWereScaled)
  }

  @Test func readsHeadersAsPythonWritesThem() throws {
    let data = littleEndian([Float(7), 8])
    for text in [
      "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }   ",
      "{\"shape\":(2L,),\"fortran_order\":False,\"descr\":\"<f4\"}",
      " {'shape' : ( 2 , 1 ) , 'descr' : '<f4' , 'fortran_order' : False } ",
    ] {
      #expect(try read(npy(text, data: data)).values == [7, 8])
    }
  }

  @Test func refusesWhatItCannotRead() {
    let data = littleEndian([Float](repeating: 1, count: 4))
    func expect(_ text: String, _ part: String, version: UInt8 = 1) {
      expectError(part) { _ = try read(npy(text, data: data, version: version)) }
    }
    expect("{'descr': '<f4', 'fortran_order': True, 'shape': (2, 2), }", "numpy.ascontiguousarray")
    expect(
      "{'descr': '<f2', 'fortran_order': False, 'shape': (2, 1), }",
      "“<f2”, which is not supported: save it again after array.astype")
    expect(
      "{'descr': '<c8', 'fortran_order': False, 'shape': (2, 1), }",
      "“<c8”, complex numbers: save their real and imaginary parts")
    for type in ["|O", "<U3", "|S4"] {
      expect(
        "{'descr': '\(type)', 'fortran_order': False, 'shape': (2, 1), }",
        "“\(type)”, texts or objects, which are no numbers: save numbers, or a table as CSV")
    }
    expect("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (4,), }", "named fields")
    expect("{'descr': [('größe', '<f4')], 'fortran_order': False, 'shape': (4,), }", "named fields", version: 3)
    expect("{'größe': '<f4', 'fortran_order': False, 'shape': (4,), }", "“größe”", version: 3)
    expect("{'descr': '<f4', 'fortran_order': False, 'shape': (), }", "single number")
    expect("{'descr': '<f4', 'fortran_order': False, 'shape': (0, 4), }", "holds no values")
    expect("{'descr': '<f4', 'fortran_order': False, 'shape': (-1, 4), }", "not an extent")
    expect(
      "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999, 4), }     ",
      "malformed: “99999999999999999999” is not an extent")
    expect("{'descr': '<f4',       } ", "fortran_order or shape is missing")
    expect("{'descr' '<f4'}       ", ": is missing before “'<f4'}”")
    expect("{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904, 16), }", "impossible shape")
    expect("{'descr': '<f4', 'fortran_order': False, 'shape': (1099511627776,), }", "should hold 4398046511104")
    expect("{'descr': '<f4', 'fortran_order': False}", "shape is missing")
    expect("{'descr': '<f4', 'descr': '<f4'}", "twice")
    expect("{'descr': '<f4', 'fortran_order': False, 'shape': (4,), } x", "text after it")
    expect(Self.dictionary, "version 4", version: 4)
  }

  @Test func refusesEveryTruncationAndAnyExtraByte() {
    let file = npy(Self.dictionary, data: littleEndian([Float](repeating: 1, count: 4)))
    for length in 0..<file.count {
      #expect(throwsCinchError("\(length)") { _ = try read(Array(file.prefix(length))) }, "\(length)")
    }
    expectError("should hold 16 bytes", "holds 17") { _ = try read(file + [0]) }
  }

  @Test func refusesNaN() {
    expectError("NaN in row 2, column 2") {
      _ = try read(npy(Self.dictionary, data: littleEndian([1, 2, 3, Float.nan])))
    }
    expectError("infinite value in row 1, column 2") {
      _ = try read(npy(Self.dictionary, data: littleEndian([1, -Float.infinity, 3, 4])))
    }
    let doubles = "{'descr': '<f8', 'fortran_order': False, 'shape': (2, 1), }"
    expectError("holds 1e+300 in row 2, column 1", "too large for a 32-bit float: rescale it.") {
      _ = try read(npy(doubles, data: littleEndian([1, 1e300] as [Double])))
    }
    expectError("infinite value in row 2") {
      _ = try read(npy(doubles, data: littleEndian([1, Double.infinity] as [Double])))
    }
  }

  @Test(arguments: [[6], [2, 3], [1, 2, 3, 1], []] as [[Int]])
  func writesWhatItReads(dimensions: [Int]) throws {
    let folder = try TemporaryFolder()
    let path = folder.path + "/a.npy"
    let shape = Shape(dimensions)
    let values = (0..<shape.count).map { Float($0) * 0.1 }
    try NPY.write(values: values, shape: shape, to: path)
    let bytes = try FileBytes.read(path)
    #expect((bytes.count - 4 * values.count) % 64 == 0)
    if dimensions.isEmpty {
      expectError("single number") { _ = try NPY.read(path) }
    } else {
      let back = try NPY.read(path)
      #expect(back.values == values)
      #expect(back.shape == shape)
    }
    expectError("do not fill", exitCode: 64) { try NPY.write(values: [], shape: [1], to: path) }
  }

  @Test func readKeepsBytesAndLoadScalesThem() throws {
    let folder = try TemporaryFolder()
    let text = "{'descr': '|u1', 'fortran_order': False, 'shape': (2, 1), }"
    let path = try folder.file("a.npy", npy(text, data: [0, 255]))
    #expect(try NPY.read(path).values == [0, 255])
    #expect(try Dataset.load(path).values == [0, 1])
  }
}
