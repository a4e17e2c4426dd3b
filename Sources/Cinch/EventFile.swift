import CinchData
import FoundationEssentials
import SwiftProtobuf
import TensorBoardProto

/// A file of events, as TensorBoard reads them: one process's, which grows by an epoch at a time.
///
/// Each event is a record of TFRecord files: the message's length (64 bits, little-endian), a masked CRC-32C of that, the
/// message, a masked CRC-32C of it
/// (https://www.tensorflow.org/tutorials/load_data/tfrecord#tfrecords_format_details).
struct EventFile: Sendable {
  let path: String

  /// What names of such files begin with: TensorBoard looks for it.
  static let prefix = "events.out.tfevents."

  /// A file of this process, which comes to be with its first events.
  ///
  /// - Parameters:
  ///   - folder: where it goes.
  ///   - host: the machine's name.
  init(in folder: RunFolder, host: String) {
    // Files are read in the order of their names: one that goes on comes behind those that it goes on from.
    let others = Self.names(in: folder).compactMap { Int32($0.dropFirst(Self.prefix.count).prefix { $0 != "." }) }
    let seconds = max(Int(Date().timeIntervalSince1970), Int(others.max() ?? 0) + 1)
    let name = host.isEmpty ? "localhost" : host.replacing("/", with: "-")
    path = "\(folder.path)/\(Self.prefix)\(seconds).\(name).\(ProcessInfo.processInfo.processIdentifier).cinch"
  }

  /// Such files of a folder.
  static func names(in folder: RunFolder) -> [String] {
    ((try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []).filter { $0.hasPrefix(prefix) }
  }

  /// The last epoch that such files of a folder tell of; 0 where they tell of none.
  static func lastStep(in folder: RunFolder) -> Int {
    names(in: folder).map { name in
      guard let bytes = try? FileBytes.read(folder.path + "/" + name) else { return 0 }
      var (place, last) = (0, 0)
      // A process that was killed may have left a part of a record.
      while bytes.count - place >= 16 {
        let length = bytes[place..<place + 8].reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        guard length <= UInt64(bytes.count - place - 16) else { break }
        let message = bytes[place + 12..<place + 12 + Int(length)]
        if let event = try? Tensorflow_Event(serializedBytes: Array(message)), event.step > last,
          case .summary? = event.what
        {
          last = Int(event.step)
        }
        place += 16 + Int(length)
      }
      return last
    }.max() ?? 0
  }

  /// - Throws: `CinchError.inputOutput`.
  func append(_ events: [Tensorflow_Event]) throws {
    var bytes: [UInt8] = []
    for event in events {
      let message: [UInt8]
      do { message = try event.serializedBytes() } catch {
        throw CinchError.usage("An epoch does not fit TensorBoard's events (\(error)): train without them.")
      }
      let length = Self.littleEndian(UInt64(message.count))
      bytes += length + Self.checksum(length) + message + Self.checksum(message)
    }
    try AppendedFile.append(bytes, to: path)
  }

  /// Masked, for a checksum of bytes that hold checksums has little to say.
  private static func checksum(_ bytes: [UInt8]) -> [UInt8] {
    let crc = CRC32C.of(bytes)
    return littleEndian((crc >> 15 | crc << 17) &+ 0xA282_EAD8)
  }

  private static func littleEndian(_ value: some FixedWidthInteger) -> [UInt8] {
    withUnsafeBytes(of: value.littleEndian) { Array($0) }
  }
}

extension Tensorflow_Event {
  /// - Parameter step: the epoch's number, from 1.
  init(step: Int) {
    self.init()
    self.step = Int64(step)
    wallTime = Date().timeIntervalSince1970
  }

  /// What a file begins with.
  static var version: Tensorflow_Event {
    var event = Tensorflow_Event(step: 0)
    event.fileVersion = "brain.Event:2"
    return event
  }

  /// A run that goes on: whatever other files have of this step and later ones is not to be shown.
  static func start(_ step: Int) -> Tensorflow_Event {
    var event = Tensorflow_Event(step: step)
    event.sessionLog.status = .start
    return event
  }

  mutating func add(_ tag: String, _ number: Double) {
    summary.value.append(.with { ($0.tag, $0.simpleValue) = (tag, Float(number)) })
  }

  /// - Throws: as `PNG.encode`.
  mutating func add(_ tag: String, _ image: RasterImage) throws {
    let bytes = try PNG.encode(image)
    summary.value.append(
      .with {
        $0.tag = tag
        $0.image.width = Int32(image.width)
        $0.image.height = Int32(image.height)
        $0.image.colorspace = Int32(image.channels)
        $0.image.encodedImageString = Data(bytes)
      })
  }

  mutating func add(_ tag: String, histogramOf values: [Float]) {
    guard let histogram = Tensorflow_HistogramProto(values) else { return }
    summary.value.append(.with { ($0.tag, $0.histo) = (tag, histogram) })
  }
}

extension Tensorflow_HistogramProto {
  private static let buckets = 50

  /// Values in equal intervals from the least to the largest; nil where there is none, or one that is no finite number.
  init?(_ values: [Float]) {
    guard let least = values.min(), let most = values.max(), least.isFinite, most.isFinite,
      values.allSatisfy(\.isFinite)
    else { return nil }
    self.init()
    (min, max) = (Double(least), Double(most))
    let count = min < max ? Self.buckets : 1
    let width = (max - min) / Double(count)
    bucketLimit = (1...count).map { $0 == count ? max : min + width * Double($0) }
    bucket = [Double](repeating: 0, count: count)
    num = Double(values.count)
    for value in values.lazy.map(Double.init) {
      sum += value
      sumSquares += value * value
      bucket[width > 0 ? Swift.min(Int((value - min) / width), count - 1) : 0] += 1
    }
  }
}
