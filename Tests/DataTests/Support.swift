import CinchBackend
import Foundation
import TestSupport
import Testing

@testable import CinchData

/// A folder that exists during one test.
final class TemporaryFolder {
  let path: String

  init() throws {
    path = FileManager.default.temporaryDirectory.appendingPathComponent("cinch-\(UUID().uuidString)").path
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  func file(_ name: String, _ bytes: [UInt8] = []) throws -> String {
    let file = path + "/" + name
    try Data(bytes).write(to: URL(fileURLWithPath: file))
    return file
  }

  func file(_ name: String, text: String) throws -> String { try file(name, Array(text.utf8)) }

  var contents: [String] {
    get throws { try FileManager.default.contentsOfDirectory(atPath: path).sorted() }
  }
}

/// Expects that what an error says is a sentence.
func expectSentence(_ error: CinchError, sourceLocation: SourceLocation = #_sourceLocation) {
  let text = error.message.worded { "'\($0.rawValue) \($1 ?? "")'" }
  #expect(isSentence(text), sourceLocation: sourceLocation)
}

/// Expects a `CinchError` whose sentence contains every one of `parts`.
func expectError(
  _ parts: String..., exitCode: Int32 = 65, sourceLocation: SourceLocation = #_sourceLocation, _ body: () throws -> Void
) {
  do {
    try body()
    Issue.record("nothing was thrown, expected \(parts)", sourceLocation: sourceLocation)
  } catch let error as CinchError {
    for part in parts {
      #expect(error.description.contains(part), "\(error.description)", sourceLocation: sourceLocation)
    }
    #expect(error.exitCode == exitCode, "\(error.description)", sourceLocation: sourceLocation)
    expectSentence(error, sourceLocation: sourceLocation)
  } catch {
    Issue.record("\(error) is not a CinchError", sourceLocation: sourceLocation)
  }
}

/// Runs `body` and says whether it threw; anything but a `CinchError` fails the test.
func throwsCinchError(_ note: @autoclosure () -> String = "", _ body: () throws -> Void) -> Bool {
  do {
    try body()
    return false
  } catch {
    #expect((error as? CinchError).map { isSentence($0.description) } ?? false, "\(note()): \(error)")
    return true
  }
}

func bigEndian(_ value: Int) -> [UInt8] { [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: value >> $0) } }

func idx(type: UInt8, extents: [Int], data: [UInt8]) -> [UInt8] {
  [0, 0, type, UInt8(extents.count)] + extents.flatMap(bigEndian) + data
}

func npy(_ dictionary: String, data: [UInt8], version: UInt8 = 1) -> [UInt8] {
  let header = Array(dictionary.utf8) + [0x0A]
  let length = (0..<(version == 1 ? 2 : 4)).map { UInt8(truncatingIfNeeded: header.count >> (8 * $0)) }
  return [0x93] + Array("NUMPY".utf8) + [version, 0] + length + header + data
}

func littleEndian(_ values: [Float]) -> [UInt8] { values.withUnsafeBytes { Array($0) } }
func littleEndian(_ values: [Double]) -> [UInt8] { values.withUnsafeBytes { Array($0) } }

func crc32(_ bytes: [UInt8]) -> UInt32 {
  var crc = ~UInt32(0)
  for byte in bytes {
    crc ^= UInt32(byte)
    for _ in 0..<8 {
      let isOdd = crc & 1 == 1
      crc >>= 1
      if isOdd { crc ^= 0xEDB8_8320 }
    }
  }
  return ~crc
}

/// A gzip member of one stored (uncompressed) block, for up to 65,535 bytes.
func gzip(_ bytes: [UInt8]) -> [UInt8] {
  func little<T: FixedWidthInteger>(_ value: T) -> [UInt8] { withUnsafeBytes(of: value.littleEndian) { Array($0) } }
  let count = UInt16(bytes.count)
  var file: [UInt8] = [0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 255, 1]
  file += little(count)
  file += little(~count)
  file += bytes
  file += little(crc32(bytes))
  file += little(UInt32(count))
  return file
}
