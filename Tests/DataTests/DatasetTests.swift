import CinchBackend
import Foundation
import Testing

@testable import CinchData

@Suite struct DatasetTests {
  func numbered(_ count: Int, features: Int = 2) throws -> Dataset {
    try Dataset(
      values: (0..<(count * features)).map(Float.init), count: count, features: features, labels: Array(0..<count))
  }

  @Test func checksSizesAndValues() throws {
    #expect(try numbered(3).sample(1) == [2, 3])
    expectError("3 values, not 2 samples of 2") { _ = try Dataset(values: [1, 2, 3], count: 2, features: 2) }
    expectError("at least one") { _ = try Dataset(values: [], count: 0, features: 2) }
    expectError("at least one") { _ = try Dataset(values: [], count: 2, features: 0) }
    expectError("-1 features") { _ = try Dataset(values: [], count: 2, features: -1) }
    expectError("samples of 4") { _ = try Dataset(values: [1], count: .max, features: 4) }
    expectError("1 labels for 2") { _ = try Dataset(values: [1, 2], count: 2, features: 1, labels: [0]) }
    expectError("NaN in row 2, column 1") { _ = try Dataset(values: [1, .nan], count: 2, features: 1) }
    expectError("3 column names") {
      _ = try Dataset(values: [1, 2], count: 1, sampleShape: [2], columnNames: ["a", "b", "c"])
    }
  }

  @Test func takesSubsets() throws {
    let data = try numbered(5)
    let middle = try data.subset(1..<3)
    #expect(middle.values == [2, 3, 4, 5])
    #expect(middle.labels == [1, 2])
    #expect(try data.prefix(2).values == [0, 1, 2, 3])
    #expect(try data.prefix(9).count == 5)
    #expect(try data.reshaped([1, 2]).sampleShape == [1, 2])
    expectError("not within", exitCode: 64) { _ = try data.subset(3..<6) }
    expectError("not within", exitCode: 64) { _ = try data.subset(-1..<2) }
    expectError("not within", exitCode: 64) { _ = try data.subset(2..<2) }
    expectError("too few", exitCode: 64) { _ = try data.prefix(0) }
    for index in [-1, 5, 1_000_000_000, Int.max, .min] {
      expectError("no sample \(index)", "0 to 4", exitCode: 64) { _ = try data.sample(index) }
    }
    expectError("do not fill", exitCode: 64) { _ = try data.reshaped([3]) }
  }

  @Test func splitsByTheSeedsPermutation() throws {
    let data = try numbered(10)
    let (training, validation) = try data.split(validation: 0.25, seed: 7)
    #expect(training.count == 7)  // 2.5 rounds away from zero.
    #expect(validation.count == 3)
    let permutation = Permutation(count: 10, philox: Philox(seed: 7, stream: .validationSplit), step: 0)
    let order = (0..<10).map { permutation($0) }
    #expect(try #require(training.labels) + #require(validation.labels) == order)
    #expect(training.values == order.prefix(7).flatMap { [Float(2 * $0), Float(2 * $0 + 1)] })
    #expect(try data.split(validation: 0.25, seed: 8).training.labels != training.labels)
    for fraction in [0, 1, -0.5, .nan, 0.01, 0.99, .infinity] {
      expectError("validation share", exitCode: 64) { _ = try data.split(validation: fraction, seed: 1) }
    }
  }

  @Test func loadsByNameExtensionAndFirstBytes() throws {
    let folder = try TemporaryFolder()
    let images = idx(type: 8, extents: [2, 2, 1], data: [0, 51, 102, 255])
    let array = npy(
      "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 1, 1, 2), }", data: littleEndian([Float(1), 2, 3, 4]))
    let text = Array("x,y\n1,2\n3,4\n".utf8)
    for (name, bytes) in [("a.idx", images), ("b", images), ("c-ubyte", gzip(images)), ("d.gz", gzip(images))] {
      let data = try Dataset.load(try folder.file(name, bytes))
      #expect(data.values == [0, 0.2, 0.4, 1])
      #expect(data.sampleShape == [2, 1])
      #expect(data.scaling == .bytes)
      #expect(data.name == name)
    }
    for (name, bytes) in [("a.npy", array), ("e", array), ("b.npy.gz", gzip(array))] {
      let data = try Dataset.load(try folder.file(name, bytes))
      #expect(data.values == [1, 2, 3, 4])
      #expect(data.sampleShape == [1, 1, 2])
      #expect(data.scaling == nil)
    }
    for (name, bytes) in [("a.csv", text), ("a.csv.gz", gzip(text)), ("a.txt", text)] {
      let data = try Dataset.load(try folder.file(name, bytes))
      #expect(data.values == [1, 2, 3, 4])
      #expect(data.columnNames == ["x", "y"])
    }
    var options = Dataset.LoadOptions()
    options.sampleShape = [1, 2, 1]
    options.labels = try folder.file("l", idx(type: 8, extents: [2], data: [4, 5]))
    let labelled = try Dataset.load(folder.path + "/b", options: options)
    #expect(labelled.labels == [4, 5])
    #expect(labelled.sampleShape == [1, 2, 1])
    options.labels = try folder.file("l", idx(type: 8, extents: [3], data: [4, 5, 6]))
    expectError("holds 3 labels") { _ = try Dataset.load(folder.path + "/b", options: options) }
    options.labelColumn = "1"
    expectError("no columns of labels", "only CSV files", exitCode: 64) {
      _ = try Dataset.load(folder.path + "/b", options: options)
    }
    expectError("not from both", exitCode: 64) { _ = try Dataset.load(folder.path + "/a.csv", options: options) }
  }

  @Test func findsMNISTLikeFoldersAndTheirLabels() throws {
    let folder = try TemporaryFolder()
    _ = try folder.file("train-images-idx3-ubyte", idx(type: 8, extents: [2, 1, 1], data: [0, 255]))
    _ = try folder.file("train-labels-idx1-ubyte.gz", gzip(idx(type: 8, extents: [2], data: [3, 1])))
    #expect(try Dataset.load(folder.path).labels == [3, 1])
    #expect(try Dataset.load(folder.path + "/train-images-idx3-ubyte").labels == [3, 1])
    #expect(try Dataset.fashionMNIST(split: .train, named: folder.path).values == [0, 1])
    expectError("CINCH_DATA", "t10k-images", "apt-get install dataset-fashion-mnist", exitCode: 69) {
      _ = try Dataset.fashionMNIST(split: .test, named: folder.path)
    }
  }

  @Test func saysWhatIsWrongWithAFile() throws {
    let folder = try TemporaryFolder()
    expectError("no file or data set named", "fashion-mnist", exitCode: 74) {
      _ = try Dataset.load(folder.path + "/missing")
    }
    expectError("holds neither PNG or JPEG files nor train-images-idx3-ubyte") { _ = try Dataset.load(folder.path) }
    expectError("is empty") { _ = try Dataset.load(try folder.file("empty.csv")) }
    expectError("no known format", ".npy") { _ = try Dataset.load(try folder.file("a.gif", text: "GIF89a")) }
    expectError("not a .npy file") { _ = try Dataset.load(try folder.file("a.npy", text: "hello")) }
    expectError("not an IDX file") { _ = try Dataset.load(try folder.file("a.idx", text: "hello")) }
    expectError("pipe or a device", exitCode: 74) { _ = try Dataset.load("/dev/zero") }
    let pipe = folder.path + "/pipe"
    try #require(mkfifo(pipe, 0o600) == 0)
    expectError("pipe or a device", exitCode: 74) { _ = try Dataset.load(pipe) }
  }

  @Test(.enabled(if: getuid() != 0, "root may read everything"))
  func refusesUnreadableFiles() throws {
    let folder = try TemporaryFolder()
    let path = try folder.file("a.csv", text: "1\n")
    chmod(path, 0)
    expectError("permission denied", exitCode: 74) { _ = try Dataset.load(path) }
  }
}

private let packaged = "/usr/share/datasets/fashion-mnist"

@Suite(.enabled(if: FileBytes.exists(packaged), "needs Debian's dataset-fashion-mnist"))
struct FashionMNISTTests {
  /// Sums were taken with NumPy; the weights make it depend on order.
  @Test func testImagesAreThose() throws {
    let data = try Dataset.fashionMNIST(split: .test, named: packaged)
    #expect(data.count == 10_000)
    #expect(data.sampleShape == [28, 28])
    #expect(data.labels?.prefix(5) == [9, 2, 1, 1, 6])
    #expect(data.scaling == .bytes)
    var sum = 0
    data.values.withUnsafeBufferPointer { values in
      for index in values.indices { sum += index % 65521 * Int((values[index] * 255).rounded()) }
    }
    #expect(sum == 18_730_890_696_781)
  }

  @Test func trainingImagesAreThose() throws {
    let data = try Dataset.fashionMNIST(split: .train, named: packaged)
    #expect(data.count == 60_000)
    #expect(data.values.count == 47_040_000)
    #expect(data.labels?.count == 60_000)
    #expect(data.labels?.first == 9)
    #expect(data.labels?.reduce(0, +) == 270_000)
    #expect(try data.sample(0).reduce(into: 0) { $0 += Int(($1 * 255).rounded()) } == 76_247)
  }
}
