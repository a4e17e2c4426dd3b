import Foundation
import TestSupport
import Testing

@testable import Cinch

/// Samples that are compressed by a model, and what becomes of their file.
@Suite struct CodeStreamTests {
  static let devices: [Device] = [.reference, .cpu, .opencl(family: .cpu), .opencl(family: .gpu)]

  /// Codes that every device computes exactly: each is the sum of two features, which are multiples of 1/64.
  static func exactModel(on device: Device) throws -> Autoencoder {
    let model = try Autoencoder(Recipe.linear(layers: [8, 4]), on: device)
    var parameters = try model.parameters()
    for index in parameters.indices {
      parameters[index].values = [Float](repeating: 0, count: parameters[index].values.count)
      guard parameters[index].name == "encoder.0.weight" else { continue }
      for unit in 0..<4 { for input in [2 * unit, 2 * unit + 1] { parameters[index].values[unit * 8 + input] = 1 } }
    }
    try model.setParameters(parameters)
    return model
  }

  static func exactData(count: Int = 2500) throws -> Dataset {
    var generator = FixedGenerator(state: 1)
    let values = (0..<count * 8).map { _ in
      Float(generator.next().leadingZeroBitCount + Int(generator.next() % 5)) / 64
    }
    return try Dataset(values: values, count: count, features: 8)
  }

  @Test func fileIsTheSameOnEveryDevice() throws {
    let data = try Self.exactData()
    let streams = try Self.devices.map { try Self.exactModel(on: $0).compress(data, bits: 5) }
    for stream in streams { #expect(stream.bytes == streams[0].bytes) }
    let codes = try streams[0].codes()
    #expect(codes.count == 2500 && codes.sampleShape == [4])
    for device in Self.devices {
      #expect(try Self.exactModel(on: device).codes(of: streams[0]).values == codes.values, "\(device)")
    }
  }

  /// Of a trained model, whose codes differ between devices in their last digits: what one has compressed decodes to the same
  /// codes on any other, and to its samples within the rounding of a decoder of 9 units.
  @Test func anyDeviceDecompresses() throws {
    let data = try Variants.data(count: 300, features: 13)
    let trainer = try Trainer(Recipe.deep(layers: [13, 9, 5]), on: .cpu)
    try trainer.prepare(data)
    _ = try trainer.trainEpoch(epochs: 2)
    let parameters = try trainer.model.parameters()
    let stream = try trainer.model.compress(data)
    let codes = try stream.codes().values
    let decoded = try trainer.model.decompress(stream).values
    for device in Self.devices {
      let model = try Autoencoder(trainer.model.recipe, on: device)
      try model.setParameters(parameters)
      #expect(try model.codes(of: stream).values == codes, "\(device)")
      let other = try model.decompress(stream).values
      #expect(zip(decoded, other).allSatisfy { abs($0 - $1) < 1e-5 }, "\(device)")
    }
  }

  /// Half a step, the rounding of a Float aside.
  @Test(arguments: [1, 2, 7, 8, 12, 16])
  func codesAreWithinHalfAStep(bits: Int) throws {
    let data = try Variants.data(count: 1100, features: 13)
    let model = try Autoencoder(Recipe.linear(layers: [13, 6]), on: .cpu)
    let stream = try model.compress(data, bits: bits)
    let (codes, restored) = (try model.encode(data).values, try stream.codes().values)
    #expect(codes.count == restored.count && stream.samples == 1100 && stream.bits == bits)
    for (index, (code, value)) in zip(codes, restored).enumerated() {
      let bound = stream.steps[index % 6] / 2 + max(abs(code), abs(value)).ulp
      #expect(abs(code - value) <= bound, "\(index)")
    }
    #expect(stream.steps.allSatisfy { $0 > 0 })
  }

  /// A channel is a unit, which its pixels share.
  @Test func codesMayBeImages() throws {
    let image = ImageShape(channels: 1, height: 6, width: 6)
    let data = try Variants.data(count: 40, features: 36).reshaped([1, 6, 6])
    let model = try Autoencoder(Recipe.conv(image: image), on: .cpu)
    let stream = try model.compress(data, bits: 10)
    #expect(stream.codeShape == model.network.codeShape.sampleShape && stream.codeShape.dimensions.count == 3)
    #expect(stream.steps.count == model.network.codeShape.units)
    let pixels = stream.codeShape.count / stream.steps.count
    let (codes, restored) = (try model.encode(data).values, try stream.codes().values)
    for (index, (code, value)) in zip(codes, restored).enumerated() {
      let step = stream.steps[index / pixels % stream.steps.count]
      #expect(abs(code - value) <= step / 2 + abs(code).ulp)
    }
    #expect(try model.decompress(stream).sampleShape == data.sampleShape)
  }

  /// A unit that gives one value takes no bits, and comes back as it was.
  @Test func constantUnitsTakeNothing() throws {
    let data = try Dataset(values: [Float](repeating: 0.25, count: 8 * 5000), count: 5000, features: 8)
    let model = try Self.exactModel(on: .cpu)
    let stream = try model.compress(data)
    #expect(stream.steps == [0, 0, 0, 0])
    // Five blocks of a length, a checksum and a state.
    #expect(stream.bytes.count < 150 + 5 * 12)
    #expect(try stream.codes().values == [Float](repeating: 0.5, count: 4 * 5000))
  }

  /// Extremes of a Float, denormals, and ranges that are no Float.
  @Test func anyFiniteCodesAreQuantised() throws {
    let (most, least) = (Float.greatestFiniteMagnitude, Float.leastNonzeroMagnitude)
    for (low, high) in [
      (-most, most), (0, most), (0, least), (-7 * least, 14 * least), (1000, Float(1000).nextUp),
    ] {
      for bits in [2, 8, 16] {
        let quantizer = try #require(UniformQuantizer(low: low, high: high, bits: bits))
        for value in [low, high, low / 2 + high / 2] {
          let restored = quantizer.value(quantizer.index(value))
          #expect(restored.isFinite)
          let bound = Double(quantizer.step) / 2 + Double(max(abs(value), abs(restored)).ulp)
          #expect(abs(Double(restored) - Double(value)) <= bound, "\(low) \(high) \(bits) \(value)")
        }
        #expect(quantizer.index(low) == 0 && quantizer.index(high) < 1 << bits)
      }
    }
    #expect(UniformQuantizer(low: -most, high: most, bits: 1) == nil)
  }

  /// The samples' entropy after quantising, within 1 % and the header.
  @Test func sizeIsTheEntropy() throws {
    let data = try Self.exactData(count: 20_000)
    let stream = try Self.exactModel(on: .cpu).compress(data, bits: 6)
    let codes = try stream.codes().values
    var entropy = 0.0
    for unit in 0..<4 {
      var counts: [Float: Int] = [:]
      for place in stride(from: unit, to: codes.count, by: 4) { counts[codes[place], default: 0] += 1 }
      entropy -= counts.values.reduce(0) { $0 + Double($1) * log2(Double($1) / 20_000) }
    }
    #expect(Double(stream.bytes.count) <= 1.01 * entropy / 8 + Double(stream.start + 20 * 12))
    #expect(stream.start < 4 * 64 * 2 + 150)
  }

  // MARK: Refusals

  private func refused(
    _ part: String, exitCode: Int32 = 65, sourceLocation: SourceLocation = #_sourceLocation, _ body: () throws -> Void
  ) {
    let error = #expect(throws: CinchError.self, sourceLocation: sourceLocation) { try body() }
    let text = error?.description ?? ""
    #expect(text.contains(part) && isSentence(text), "\(text) should say '\(part)'", sourceLocation: sourceLocation)
    #expect(error?.exitCode == exitCode, sourceLocation: sourceLocation)
  }

  @Test func otherModelsAreRefused() throws {
    let data = try Self.exactData(count: 30)
    let model = try Self.exactModel(on: .cpu)
    let stream = try model.compress(data)
    refused("other layers") { _ = try Autoencoder(Recipe.linear(layers: [8, 3]), on: .cpu).decompress(stream) }
    refused("other weights") { _ = try Autoencoder(Recipe.linear(layers: [8, 4]), on: .cpu).decompress(stream) }
    for bits in [0, 17, -1, Int.max] { refused("1 to 16", exitCode: 64) { _ = try model.compress(data, bits: bits) } }
    refused("features") { _ = try model.compress(try Variants.data(count: 3, features: 5)) }

    let folder = FileManager.default.temporaryDirectory.appending(path: "cinch-\(UUID().uuidString)").path
    defer { try? FileManager.default.removeItem(atPath: folder) }
    // Equal weights, but of two runs, whose scalings may differ.
    var recipe = Recipe.linear(layers: [8, 4])
    recipe.epochs = 0
    let runs = try [data, try Self.exactData(count: 31)].enumerated().map { index, data in
      _ = try Run.create(recipe, data: data, in: "\(folder)/\(index)", on: .cpu).train()
      return try Autoencoder.load("\(folder)/\(index)")
    }
    let first = try runs[0].compress(data)
    try first.write(to: "\(folder)/a.cinch")
    let read = try CodeStream(contentsOf: "\(folder)/a.cinch")
    #expect(try runs[0].decompress(read).count == 30)
    refused("another run") { _ = try runs[1].decompress(read) }
    // Before it was saved the model was no run's.
    let unsaved = try Autoencoder(recipe, on: .reference)
    try unsaved.setParameters(try runs[0].parameters())
    #expect(try unsaved.codes(of: read).values == read.codes().values)
    refused("is no file of compressed samples") { _ = try CodeStream(contentsOf: "\(folder)/0/config.json") }
    refused("no such file", exitCode: 74) { _ = try CodeStream(contentsOf: "\(folder)/none") }
  }

  @Test func whatNeedsMoreThanCodesIsRefused() throws {
    let image = ImageShape(channels: 1, height: 8, width: 8)
    let data = try Variants.data(count: 4, features: 64).reshaped([1, 8, 8])
    let model = try Autoencoder(Recipe.convUnpool(image: image), on: .cpu)
    refused("use reconstruct", exitCode: 64) { _ = try model.compress(data) }
    let classifier = try Autoencoder(Recipe.classifier(layers: [64, 5], classes: 3), on: .cpu)
    refused("A classifier has no decoder", exitCode: 64) { _ = try classifier.compress(data) }
  }

  // MARK: Damage

  private func sample() throws -> (stream: CodeStream, codes: [Float]) {
    let stream = try Self.exactModel(on: .cpu).compress(try Self.exactData(count: 1100), bits: 5)
    return (stream, try stream.codes().values)
  }

  /// Every byte changed, every length: none goes unnoticed.
  @Test func everyDamagedByteIsNoticed() throws {
    let bytes = try sample().stream.bytes
    var generator = FixedGenerator(state: 7)
    for place in bytes.indices {
      var damaged = bytes
      damaged[place] ^= UInt8.random(in: 1...255, using: &generator)
      #expect(throws: CinchError.self, "byte \(place)") { try CodeStream(damaged, name: "a") }
    }
    for count in bytes.indices {
      #expect(throws: CinchError.self, "\(count) bytes") { try CodeStream(Array(bytes.prefix(count)), name: "a") }
    }
    refused("bytes follow") { _ = try CodeStream(bytes + [0], name: "a") }
  }

  @Test func damageIsNamedByBlock() throws {
    let (stream, _) = try sample()
    var bytes = stream.bytes
    bytes[stream.start + 20] ^= 1
    refused("in block 1, samples 1 to 1024") { _ = try CodeStream(bytes, name: "a") }
    bytes = stream.bytes
    bytes[bytes.count - 1] ^= 1
    refused("in block 2, samples 1025 to 1100") { _ = try CodeStream(bytes, name: "a") }
    bytes = stream.bytes
    bytes[20] ^= 1
    refused("checksum of its header") { _ = try CodeStream(bytes, name: "a") }
    bytes = stream.bytes
    bytes[8] = 2
    refused("use a newer Cinch") { _ = try CodeStream(bytes, name: "a") }
  }

  /// Blocks that are exchanged have good checksums for other places.
  @Test func blocksAreNotExchanged() throws {
    let stream = try Self.exactModel(on: .cpu).compress(try Self.exactData(count: 2048), bits: 5)
    let length = 8 + stream.bytes[stream.start..<stream.start + 4].reversed().reduce(0) { $0 << 8 | Int($1) }
    let (first, second) = (stream.bytes[stream.start..<stream.start + length], stream.bytes[(stream.start + length)...])
    refused("in block 1") {
      _ = try CodeStream(Array(stream.bytes[..<stream.start]) + Array(second) + Array(first), name: "a")
    }
  }

  /// Gives damaged files good checksums, as far as they can be followed, so that what is behind these is tried, too.
  private func sealed(_ bytes: [UInt8]) -> [UInt8] {
    var bytes = bytes
    func number(_ at: Int) -> Int { bytes[at..<at + 4].reversed().reduce(0) { $0 << 8 | Int($1) } }
    func seal(_ sum: UInt32, _ at: Int) {
      for byte in 0..<4 { bytes[at + byte] = UInt8(truncatingIfNeeded: sum >> (8 * byte)) }
    }
    guard bytes.count > 16, 16 + number(12) + 4 <= bytes.count else { return bytes }
    let start = 16 + number(12) + 4
    seal(CRC32.of(bytes[..<(start - 4)]), start - 4)
    let header = Array(bytes[start - 4..<start])
    var (place, index) = (start, 0)
    while place + 8 <= bytes.count, place + 8 + number(place) <= bytes.count {
      let next = place + 8 + number(place)
      var before = header
      before.append(integer: UInt64(index))
      before += bytes[place..<place + 4]
      seal(CRC32.of(bytes[place + 8..<next], after: CRC32.of(before)), place + 4)
      (place, index) = (next, index + 1)
    }
    return bytes
  }

  /// A few bytes changed, inserted, removed or repeated; half of them where the header is.
  private func damage(_ file: [UInt8], header: Int, _ generator: inout FixedGenerator) -> [UInt8] {
    var bytes = file
    for _ in 0..<Int.random(in: 1...3, using: &generator) {
      let end = Bool.random(using: &generator) ? min(header, bytes.count) : bytes.count
      let at = Int.random(in: 0..<end, using: &generator)
      switch Int.random(in: 0..<5, using: &generator) {
      case 0: bytes[at] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
      case 1: bytes[at] = UInt8.random(in: 0...255, using: &generator)
      case 2: bytes[at] = [0, 1, 0x7F, 0x80, 0xFF].randomElement(using: &generator) ?? 0
      case 3: bytes.remove(at: at)
      default: bytes.insert(bytes[at], at: at)
      }
    }
    return bytes
  }

  @Test func damagedFilesAreRefusedOrHarmless() throws {
    let (stream, codes) = try sample()
    #expect(sealed(stream.bytes) == stream.bytes)
    var generator = FixedGenerator(state: 11)
    var (refused, read) = (0, 0)
    for round in 0..<6000 {
      let bytes = damage(stream.bytes, header: stream.start, &generator)
      if bytes == stream.bytes { continue }
      // Without their checksums all are noticed.
      #expect(throws: CinchError.self, "round \(round)") { try CodeStream(bytes, name: "a") }
      do {
        let other = try CodeStream(sealed(bytes), name: "a")
        let values = try other.codes()
        read += 1
        #expect(values.count == other.samples && values.sampleShape == other.codeShape)
      } catch let error as CinchError {
        refused += 1
        if !isSentence(error.description) { Issue.record("round \(round): \(error)") }
      }
    }
    #expect(refused > 1000 && read > 100, "\(refused) refused, \(read) read")
    #expect(try CodeStream(stream.bytes, name: "a").codes().values == codes)
  }
}
