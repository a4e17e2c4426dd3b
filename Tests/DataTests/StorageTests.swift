import CinchBackend
import Foundation
import Testing

@testable import CinchData

/// Values stay in the type of their file until they are read.
@Suite struct StorageTests {
  private let bytes = (0..<600).map { UInt8(truncatingIfNeeded: $0 * 37) }

  private func images(_ name: String = "a") throws -> Dataset {
    let array = try IDX.read(idx(type: 8, extents: [10, 4, 5, 3], data: bytes), path: name)
    return Dataset(
      unchecked: SampleRows(array.storage, features: 60), sampleShape: [3, 4, 5], layout: .nhwc, labels: nil,
      name: name,
      scaling: .bytes, columnNames: nil)
  }

  @Test func bytesStayBytes() throws {
    let data = try images()
    #expect(data.rows.areBytes && data.rows.divisor == 255)
    #expect(data.stored == bytes.map { Float($0) / 255 })
    let (training, validation) = try data.split(validation: 0.3, seed: 1)
    #expect(training.rows.areBytes && validation.rows.areBytes && training.count == 7)
    // Each in both orders: rows that are picked, a part of them, and back.
    for part in [data, training, validation, try training.subset(2..<5)] {
      let first = part.ordered(.nchw)
      #expect(first.rows.areBytes)
      let image = ImageShape(channels: 3, height: 4, width: 5)
      #expect(first.stored == image.channelsFirst(part.stored))
      #expect(first.ordered(.nhwc).stored == part.stored)
      var read = [UInt8](repeating: 0, count: 60)
      first.rows.readBytes(1..<2, into: &read)
      #expect(read.map { Float($0) / 255 } == Array(first.stored[60..<120]))
    }
  }

  /// Scaled when it is read, in whichever order, to the bits of an array that is scaled at once.
  @Test(arguments: [Scaling.Kind.minmax, .standard])
  func scalingWaits(kind: Scaling.Kind) throws {
    let data = try images()
    let plain = try Dataset(
      stored: data.stored, count: 10, sampleShape: [3, 4, 5], layout: .nhwc, scaling: .bytes)
    let scaling = try Scaling.fit(kind, to: data)
    #expect(try scaling == Scaling.fit(kind, to: plain))
    let (late, early) = (try scaling.apply(to: data), try scaling.apply(to: plain))
    #expect(late.stored == early.stored && late.values == early.values && !late.rows.areBytes)
    let turned = try scaling.apply(to: data.ordered(.nchw))
    #expect(turned.stored == early.values)
    #expect(late.range == early.range)
  }

  @Test func fingerprintsFollowTheValues() throws {
    func sum(_ data: Dataset) -> String {
      var sum = Checksum()
      data.add(to: &sum)
      return sum.text
    }
    let data = try images()
    #expect(sum(data) == sum(data.ordered(.nchw)))
    var other = bytes
    other.swapAt(3, 63)
    let array = try IDX.read(idx(type: 8, extents: [10, 60], data: other), path: "a")
    let changed = Dataset(
      unchecked: SampleRows(array.storage, features: 60), sampleShape: [3, 4, 5], layout: .nhwc, labels: nil, name: "b",
      scaling: .bytes, columnNames: nil)
    #expect(sum(data) != sum(changed))
  }

  /// A large file of any type is read in place, to the values of a small one.
  @Test(arguments: ["|u1", "<f4", ">f4", "<f8", ">f8"])
  func largeFilesAreMapped(type: String) throws {
    let folder = FileManager.default.temporaryDirectory.appending(path: "cinch-\(UUID().uuidString)").path
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let size = type == "|u1" ? 1 : type.hasSuffix("4") ? 4 : 8
    let rows = FileContents.mappedSize / 1024 / size + 1
    func file(_ rows: Int) -> Data {
      var data = Data([0x93] + Array("NUMPY".utf8) + [1, 0, 118, 0])
      let header = "{'descr': '\(type)', 'fortran_order': False, 'shape': (\(rows), 1024), }"
      data += Data((header + String(repeating: " ", count: 117 - header.count) + "\n").utf8)
      var body = [UInt8](repeating: 0, count: rows * 1024 * size)
      for place in 0..<2048 {
        let value = Double(place % 251)
        let bits: [UInt8] =
          switch size {
          case 1: [UInt8(value)]
          case 4: (0..<4).map { UInt8(truncatingIfNeeded: Float(value).bitPattern >> (8 * $0)) }
          default: (0..<8).map { UInt8(truncatingIfNeeded: value.bitPattern >> (8 * $0)) }
          }
        let ordered = type.hasPrefix(">") ? bits.reversed() : bits
        body.replaceSubrange(place * size..<(place + 1) * size, with: ordered)
      }
      return data + Data(body)
    }
    try file(rows).write(to: URL(filePath: folder + "/large.npy"))
    try file(2).write(to: URL(filePath: folder + "/small.npy"))
    #expect(try FileContents(contentsOf: folder + "/large.npy").isMapped)
    #expect(try !FileContents(contentsOf: folder + "/small.npy").isMapped)
    let (large, small) = (try Dataset.load(folder + "/large.npy"), try Dataset.load(folder + "/small.npy"))
    #expect(large.count == rows && large.rows.storage.floats == nil)
    #expect(try large.prefix(2).values == small.values)
    #expect(large.range == small.range)
  }

  /// A file may have more rows than 32 bits number.
  @Test func farRowsArePicked() throws {
    let folder = try TemporaryFolder()
    let header = npy("{'descr': '|u1', 'fortran_order': False, 'shape': (3000000000, 1), }", data: [])
    let path = try folder.file("far.npy", header)
    // What is not written takes no space on the disk.
    let file = try FileHandle(forUpdating: URL(filePath: path))
    try file.truncate(atOffset: UInt64(header.count + 3_000_000_000))
    try file.seek(toOffset: UInt64(header.count + 2_500_000_000))
    try file.write(contentsOf: Data((0..<100).map { UInt8($0) }))
    try file.close()
    let far = try Dataset.load(path).subset(2_500_000_000..<2_500_000_100)
    let (training, validation) = try far.split(validation: 0.1, seed: 0)
    #expect(training.count == 90 && validation.count == 10)
    #expect(far.stored == (0..<100).map { Float($0) / 255 })
    #expect((training.stored + validation.stored).sorted() == far.stored)
    #expect(try training.subset(3..<7).stored == Array(training.stored[3..<7]))
  }

  @Test func whatDoesNotFitIsRefused() {
    expectError("no room for a table", exitCode: 69) { try HostMemory.require(.max / 2, for: "a table") }
    #expect(HostMemory.available > 0 && HostMemory.available <= HostMemory.total)
    // Of a kernel that promises no more than it has.
    func machine(_ promised: Int, promisesAll: Bool) -> Int? {
      HostMemory.machine(
        "MemAvailable:  900 kB\nCommitLimit:   800 kB\nCommitted_AS:  \(promised) kB\n", promisesAll: promisesAll)
    }
    #expect(machine(500, promisesAll: true) == 900 << 10 && machine(500, promisesAll: false) == 300 << 10)
    #expect(machine(900, promisesAll: false) == 0 && HostMemory.machine("", promisesAll: false) == nil)
  }
}
