import Foundation
import TensorBoardProto
import TestSupport
import Testing

@testable import Cinch
@testable import CinchCore
@testable import CinchData

/// What is kept of epochs: pictures, and TensorBoard's events.
@Suite struct EpochNoteTests {
  private final class Folder {
    let path = FileManager.default.temporaryDirectory.appendingPathComponent("cinch-\(UUID().uuidString)").path
    deinit { try? FileManager.default.removeItem(atPath: path) }
  }

  private static func recipe(epochs: Int) -> Recipe {
    var recipe = Recipe.sparse(layers: [16, 6], rho: 0.05, beta: 3)
    (recipe.training.epochs, recipe.training.batchSize, recipe.training.validationSplit) = (epochs, 16, 0.25)
    return recipe
  }

  private static func data() throws -> Dataset {
    let values: [Float] = (0..<1024).map { index in Float(index * 37 % 101) / 101 }
    return try Dataset(values: values, count: 64, features: 16, name: "numbers")
  }

  private static func run(_ folder: Folder, epochs: Int, _ settings: Run.Settings) throws -> Run {
    try Run.create(recipe(epochs: epochs), data: try data(), in: folder.path, on: .reference, settings: settings)
  }

  /// Events of a file, whose lengths and checksums are right; RFC 3720's checksum is computed bit by bit here.
  private static func events(_ path: String) throws -> [Tensorflow_Event] {
    var rest = Array(try Data(contentsOf: URL(fileURLWithPath: path)))[...]
    func number<Value: FixedWidthInteger>(_: Value.Type) throws -> Value {
      let size = MemoryLayout<Value>.size
      try #require(rest.count >= size)
      defer { rest = rest.dropFirst(size) }
      return rest.prefix(size).reversed().reduce(0) { $0 << 8 | Value($1) }
    }
    func masked(_ bytes: ArraySlice<UInt8>) -> UInt32 {
      var crc: UInt32 = ~0
      for byte in bytes {
        crc ^= UInt32(byte)
        for _ in 0..<8 { crc = crc & 1 == 1 ? crc >> 1 ^ 0x82F6_3B78 : crc >> 1 }
      }
      crc = ~crc
      return (crc >> 15 | crc << 17) &+ 0xA282_EAD8
    }
    var events: [Tensorflow_Event] = []
    while !rest.isEmpty {
      let head = rest.prefix(8)
      let length = try number(UInt64.self)
      #expect(try number(UInt32.self) == masked(head))
      let message = rest.prefix(Int(length))
      rest = rest.dropFirst(Int(length))
      #expect(try number(UInt32.self) == masked(message))
      events.append(try Tensorflow_Event(serializedBytes: Array(message)))
    }
    return events
  }

  private static func files(_ folder: Folder) throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: folder.path).filter { $0.hasPrefix(EventFile.prefix) }.sorted()
      .map { folder.path + "/" + $0 }
  }

  private static func tags(_ event: Tensorflow_Event) -> Set<String> { Set(event.summary.value.map(\.tag)) }

  /// The check value of RFC 3720's polynomial, and its example of 32 zeros.
  @Test func checksumsAreCastagnolis() {
    #expect(CRC32C.of(Array("123456789".utf8)) == 0xE306_9283)
    #expect(CRC32C.of([UInt8](repeating: 0, count: 32)) == 0x8A91_36AA)
    #expect(CRC32C.of([]) == 0)
  }

  @Test func everyEpochHasItsFigures() throws {
    let folder = Folder()
    var settings = Run.Settings()
    settings.tensorBoard = true
    let run = try Self.run(folder, epochs: 3, settings)
    try run.train()
    let events = try Self.events(try #require(try Self.files(folder).first))
    #expect(events.map(\.step) == [0, 1, 2, 3] && events[0].fileVersion == "brain.Event:2")
    for (event, epoch) in zip(events.dropFirst(), try run.state.history) {
      let numbers = Dictionary(uniqueKeysWithValues: event.summary.value.map { ($0.tag, $0) })
      #expect(numbers["training/loss"]?.simpleValue == Float(epoch.loss))
      #expect(numbers["training/kl"]?.simpleValue == epoch.metrics["kl"].map { Float($0) })
      #expect(
        numbers["validation/reconstruction_per_element"]?.simpleValue == epoch.validation.map { Float($0.perElement) })
      #expect(numbers["filters"]?.image.encodedImageString.prefix(4) == Data([0x89, 0x50, 0x4E, 0x47]))
    }
    let weight = try #require(try run.model.parameters().first)
    let told = try #require(events.last?.summary.value.first { $0.tag == "parameters/\(weight.name)" }?.histo)
    #expect(told.num == 96 && told.bucket.reduce(0, +) == 96 && told.bucketLimit.count == told.bucket.count)
    #expect(told.bucketLimit == told.bucketLimit.sorted() && told.bucketLimit.last == told.max)
    #expect(Float(told.min) == weight.values.min() && Float(told.max) == weight.values.max())
    #expect(abs(told.sum - weight.values.reduce(0) { $0 + Double($1) }) < 1e-9)
  }

  /// A process that ended before the first checkpoint has told of epochs that are trained again from the first one on.
  @Test func epochsThatAreTrainedAgainAreShownOnce() throws {
    let folder = Folder()
    var settings = Run.Settings()
    settings.tensorBoard = true
    try Self.run(folder, epochs: 2, settings).train()
    let manager = FileManager.default, events = try Self.files(folder)
    for name in try manager.contentsOfDirectory(atPath: folder.path)
    where !events.contains(where: { $0.hasSuffix(name) }) {
      try manager.removeItem(atPath: folder.path + "/" + name)
    }
    try Self.run(folder, epochs: 3, settings).train()
    let second = try Self.events(try #require(Self.files(folder).last))
    #expect(second.map(\.step) == [0, 1, 1, 2, 3] && second[1].sessionLog.status == .start)
  }

  /// To watch changes nothing, and a run that goes on says what its file replaces.
  @Test func watchingChangesNoBitAndGoesOn() throws {
    let (plain, watched) = (Folder(), Folder())
    try Self.run(plain, epochs: 4, Run.Settings()).train()
    var settings = Run.Settings()
    (settings.tensorBoard, settings.pictureInterval) = (true, 2)
    try Self.run(watched, epochs: 2, settings).train()
    try Run.resume(watched.path, epochs: 4, on: .reference, data: try Self.data(), settings: settings).train()
    let models = try [plain, watched].map { try Data(contentsOf: URL(fileURLWithPath: $0.path + "/model.safetensors")) }
    #expect(models[0] == models[1])
    let files = try Self.files(watched)
    try #require(files.count == 2)
    let second = try Self.events(files[1])
    #expect(second.map(\.step) == [0, 3, 3, 4] && second[1].sessionLog.status == .start)
    #expect(
      !Self.tags(second[2]).contains("filters") && Self.tags(second[3]).isSuperset(of: ["filters", "codes/values"]))
    let pictures = try FileManager.default.contentsOfDirectory(atPath: watched.path + "/pictures").sorted()
    #expect(
      pictures == [2, 4].flatMap { ["epoch-000\($0)-filters.png", "epoch-000\($0)-reconstructions.png"] })
  }

  /// A run that was not watched from its beginning tells of that, too.
  @Test func epochsBeforeAreTold() throws {
    let folder = Folder()
    try Self.run(folder, epochs: 2, Run.Settings()).train()
    var settings = Run.Settings()
    settings.tensorBoard = true
    try Run.resume(folder.path, epochs: 3, on: .reference, data: try Self.data(), settings: settings).train()
    let events = try Self.events(try #require(try Self.files(folder).first))
    #expect(events.map(\.step) == [0, 1, 2, 3])
    #expect(Self.tags(events[1]).contains("training/loss") && !Self.tags(events[1]).contains("filters"))
  }

  /// Epochs that were trained unwatched between two that were watched.
  @Test func gapsAreFilled() throws {
    let folder = Folder()
    var settings = Run.Settings()
    settings.tensorBoard = true
    try Self.run(folder, epochs: 1, settings).train()
    try Run.resume(folder.path, epochs: 3, on: .reference, data: try Self.data()).train()
    // A name that no clock gives, and a record that was cut.
    try Data([1, 2, 3]).write(to: URL(fileURLWithPath: folder.path + "/\(EventFile.prefix)9223372036854775807.x"))
    try Run.resume(folder.path, epochs: 4, on: .reference, data: try Self.data(), settings: settings).train()
    let files = try Self.files(folder).filter { !$0.hasSuffix("7.x") }
    let events = try Self.events(try #require(files.last))
    #expect(files.count == 2 && events.map(\.step) == [0, 2, 2, 3, 4] && events[1].sessionLog.status == .start)
  }

  /// A fiftieth of the time at most goes into `history.csv`, and the first epoch is there at once.
  @Test func longHistoriesAreWrittenRarely() {
    let start = ContinuousClock.now
    func after(_ milliseconds: Int) -> ContinuousClock.Instant { start + .milliseconds(milliseconds) }
    var pace = HistoryPace()
    let first = pace.end(of: 1, at: after(0))
    #expect(first && pace.isBehind)
    pace.wrote(epochs: 1, from: after(0), to: after(2))
    #expect(!pace.isBehind)
    let second = pace.end(of: 2, at: after(101))
    #expect(!second && pace.isBehind)
    let third = pace.end(of: 3, at: after(102))
    #expect(third && pace.isBehind)
  }

  /// What a checkpoint has come to `history.csv` has, too.
  @Test func checkpointsHaveTheirCurves() throws {
    let folder = Folder()
    var settings = Run.Settings()
    settings.checkpointInterval = .zero
    let run = try Self.run(folder, epochs: 12, settings)
    try run.train { event in
      guard case .checkpoint = event else { return true }
      let text = try String(contentsOfFile: run.folder.path(of: .history), encoding: .utf8)
      let epochs = try run.folder.checkpoint(of: run.config).state.epoch
      #expect(text.split(separator: "\n").count == epochs + 1)
      return true
    }
  }

  /// Of channels that are no colours each has a tile of its own.
  @Test(arguments: [1, 2, 3]) func captionsCountTiles(channels: Int) throws {
    let image = ImageShape(channels: channels, height: 8, width: 8)
    let model = try Autoencoder(.conv(image: image), on: .reference)
    let units = try #require(try model.parameters().first?.shape.dimensions.first)
    let all = channels == 2 ? "\(2 * units) kernels (\(units) units x 2 channels)" : "\(units) units"
    let whole = try #require(try RunFolder.filters(of: model, shape: image.shape))
    #expect(whole.caption == "weights of the first layer's \(all), each scaled to its own range")
    let part = try #require(try RunFolder.filters(of: model, shape: image.shape, mostPixels: 1 << 14))
    #expect(part.caption.contains("layer's first ") && part.caption.contains(" of \(all), "), "\(part.caption)")
  }

  @Test func noEpochsBetweenPicturesAreRefused() throws {
    let folder = Folder()
    var settings = Run.Settings()
    settings.pictureInterval = 0
    let error = #expect(throws: CinchError.self) { try Self.run(folder, epochs: 1, settings) }
    #expect(error.map { isSentence($0.description) && $0.exitCode == 64 } == true)
    #expect(!FileManager.default.fileExists(atPath: folder.path))
  }

  @Test func histogramsCountEveryValue() throws {
    #expect(Tensorflow_HistogramProto([]) == nil && Tensorflow_HistogramProto([1, .nan]) == nil)
    let same = try #require(Tensorflow_HistogramProto([2, 2, 2]))
    #expect(same.bucket == [3] && same.bucketLimit == [2] && same.sumSquares == 12)
    let even = try #require(Tensorflow_HistogramProto((0...100).map(Float.init)))
    #expect(even.bucket.reduce(0, +) == 101 && even.bucket.dropLast().allSatisfy { $0 == 2 } && even.bucket.last == 3)
    let wide = try #require(
      Tensorflow_HistogramProto([-Float.greatestFiniteMagnitude, 0, .greatestFiniteMagnitude]))
    #expect(wide.bucket.first == 1 && wide.bucket.last == 1 && wide.bucket.reduce(0, +) == 3)
  }

  /// What cannot be written whole is taken back.
  @Test func nothingIsLeftOfWhatCouldNotBeAppended() throws {
    let error = #expect(throws: CinchError.self) { try AppendedFile.append([1, 2, 3], to: "/dev/full") }
    #expect(error?.exitCode == 74)
    let folder = Folder()
    #expect(throws: CinchError.self) { try AppendedFile.append([1], to: folder.path + "/none/file") }
  }
}
