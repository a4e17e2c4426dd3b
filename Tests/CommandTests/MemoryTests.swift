import Foundation
import Testing

/// Limits of memory end in a sentence, or in a run that fits them: never in a trap, and never in waiting.
@Suite struct MemoryTests {
  /// Runs the program with so many kibibytes of address space.
  private func run(_ sandbox: Sandbox, _ line: String, kibibytes: Int) async throws -> Outcome {
    let process = Process()
    process.executableURL = URL(filePath: "/bin/sh")
    process.arguments = ["-c", "ulimit -v \(kibibytes); exec '\(Sandbox.program.path)' \(line)"]
    process.currentDirectoryURL = URL(filePath: sandbox.path("."))
    let errors = Pipe()
    process.standardError = errors
    process.standardOutput = FileHandle.nullDevice
    try process.run()
    let text = errors.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    return Outcome(
      status: process.terminationReason == .exit ? process.terminationStatus : 128 + process.terminationStatus,
      output: "", errors: String(decoding: text, as: UTF8.self))
  }

  @Test(arguments: ["cpu", "reference", "opencl"], [250_000, 350_000, 500_000, 700_000])
  func littleAddressSpaceIsNoTrap(device: String, kibibytes: Int) async throws {
    let sandbox = try Sandbox()
    try sandbox.writeBytes(rows: 24_000, columns: 1024)
    let line =
      "train linear --data bytes.npy --layers 1024,4 --epochs 1 --device \(device) --batch-size 4000 --quiet --out run"
    // Enough for the program itself; a debug build loads more than a release.
    let outcome = try await run(sandbox, line, kibibytes: kibibytes)
    #expect(outcome.status == 0 || outcome.refused(69), "\(outcome.status): \(outcome.errors)")
    if outcome.status != 0 { #expect(!sandbox.exists("run")) }
  }

  /// 400 MB of zeros in 400 kB.
  @Test func whatUnpacksToTooMuchIsRefused() async throws {
    let sandbox = try Sandbox()
    let process = Process()
    process.executableURL = URL(filePath: "/bin/sh")
    process.arguments = ["-c", "yes 1,2,3,4 | head -c 400000000 | gzip -1 > bomb.csv.gz"]
    process.currentDirectoryURL = URL(filePath: sandbox.path("."))
    try process.run()
    process.waitUntilExit()
    let outcome = try await run(
      sandbox, "train linear --data bomb.csv.gz --device reference --out run", kibibytes: 600_000)
    #expect(outcome.refused(69) && outcome.errors.contains("no room"), "\(outcome.status): \(outcome.errors)")
  }
}

extension Sandbox {
  /// `bytes.npy`, of random bytes.
  func writeBytes(rows: Int, columns: Int) throws {
    var header = "{'descr': '|u1', 'fortran_order': False, 'shape': (\(rows), \(columns)), }"
    header += String(repeating: " ", count: 117 - header.count) + "\n"
    var state: UInt64 = 88_172_645_463_325_252
    var bytes = [UInt64](repeating: 0, count: rows * columns / 8)
    for index in bytes.indices {
      state ^= state << 13
      state ^= state >> 7
      state ^= state << 17
      bytes[index] = state
    }
    let start: [UInt8] = [0x93] + Array("NUMPY".utf8) + [1, 0, UInt8(header.utf8.count), 0]
    try (Data(start) + Data(header.utf8) + bytes.withUnsafeBytes { Data($0) }).write(
      to: folder.appendingPathComponent("bytes.npy"))
  }
}
