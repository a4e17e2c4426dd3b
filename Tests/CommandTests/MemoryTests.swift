import Foundation
import Testing

/// Limits of memory end in a sentence, or in a run that fits them: never in a trap, and never in waiting.
@Suite struct MemoryTests {
  private func run(_ sandbox: Sandbox, _ line: String, kibibytes: Int) async throws -> Outcome {
    try await sandbox.start(line.split(separator: " ").map(String.init), kibibytes: kibibytes).wait()
  }

  /// From what has no room for OpenBLAS to what is enough. A debug build loads more than a release.
  @Test(arguments: [250_000, 350_000, 450_000, 700_000])
  func littleAddressSpaceIsNoTrap(kibibytes: Int) async throws {
    let sandbox = try Sandbox()
    try sandbox.writeBytes(rows: 24_000, columns: 1024)
    let line =
      "train linear --data bytes.npy --layers 1024,4 --epochs 1 --device cpu --batch-size 4000 --quiet --out run"
    let outcome = try await run(sandbox, line, kibibytes: kibibytes)
    #expect(outcome.status == 0 || outcome.refused(69), "\(outcome.status): \(outcome.errors)")
  }

  @Test(arguments: ["reference", "opencl"])
  func devicesSayThatThereIsNoRoom(device: String) async throws {
    let sandbox = try Sandbox()
    try sandbox.writeBytes(rows: 24_000, columns: 1024)
    let outcome = try await run(
      sandbox, "train linear --data bytes.npy --layers 1024,40000 --device \(device) --quiet --out run",
      kibibytes: 400_000)
    #expect(outcome.refused(69) || outcome.refused(64), "\(outcome.status): \(outcome.errors)")
  }

  @Test func samplesThatDoNotFitAreNoTrap() async throws {
    let sandbox = try Sandbox()
    let outcome = try await run(
      sandbox, "bench sparse --device cpu --samples 1000000 --repeats 1", kibibytes: 1_500_000)
    #expect(outcome.refused(69) && outcome.errors.contains("1,000,000 samples"), "\(outcome.errors)")
  }

  /// What OpenCL has stays unknown where its drivers have no room: that is neither none, nor checked.
  @Test func devicesThatCannotBeListedAreTold() async throws {
    let sandbox = try Sandbox()
    let devices = try await run(sandbox, "devices", kibibytes: 800_000)
    #expect(devices.status == 0 && devices.errors.contains("hint: An OpenCL driver needs"), "\(devices.errors)")
    #expect(!devices.errors.contains("install a driver"))
    for line in ["selftest --op fill --small", "selftest --op fill --perf"] {
      let outcome = try await run(sandbox, line, kibibytes: 800_000)
      #expect(outcome.refused(69) && outcome.errors.contains("An OpenCL driver needs"), "\(line): \(outcome.errors)")
    }
  }

  /// 400 MB of text in 2 MB.
  @Test func whatUnpacksToTooMuchIsRefused() async throws {
    let sandbox = try Sandbox()
    let member = gzipped(Data(String(repeating: "1,2,3,4\n", count: 1 << 17).utf8))
    try Data((0..<400).flatMap { _ in member }).write(to: sandbox.folder.appendingPathComponent("bomb.csv.gz"))
    let outcome = try await run(
      sandbox, "train linear --data bomb.csv.gz --device reference --out run", kibibytes: 600_000)
    #expect(outcome.refused(69) && outcome.errors.contains("no room"), "\(outcome.status): \(outcome.errors)")
  }

  /// By the system's program: what is tested is the other end.
  private func gzipped(_ data: Data) -> Data {
    let process = Process()
    process.executableURL = URL(filePath: "/bin/gzip")
    process.arguments = ["-c"]
    let (input, output) = (Pipe(), Pipe())
    process.standardInput = input
    process.standardOutput = output
    try? process.run()
    DispatchQueue.global().async {
      input.fileHandleForWriting.write(data)
      try? input.fileHandleForWriting.close()
    }
    return output.fileHandleForReading.readDataToEndOfFile()
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
