import Foundation
import Testing

/// `cinch tune`: what it finds is kept, and a file that is no use does no harm.
@Suite struct TuneCommandTests {
  @Test func whatIsFoundIsKeptAndDamageIsTold() async throws {
    let sandbox = try Sandbox()
    let environment = ["XDG_CACHE_HOME": sandbox.path("cache"), "CINCH_TUNING": ""]
    // What a tuning that was killed had begun to write; there are no such processes.
    try FileManager.default.createDirectory(atPath: sandbox.path("cache/cinch"), withIntermediateDirectories: true)
    try sandbox.write("{", to: "cache/cinch/.cinch-2147483647-1.partial")
    let tuned = try await sandbox.run(
      line: "tune --device opencl:0:0/cpu --shapes narrow-products --json", environment: environment)
    #expect(tuned.status == 0, "\(tuned.errors)")
    let row = try tuned.object()
    #expect(row["choice"] as? String == "narrow-products" && row["out_of_time"] as? Bool == false)
    #expect(row["candidates"] as? Int == row["measured"] as? Int && (row["failures"] as? [Any])?.isEmpty == true)
    #expect((row["time_ratio"] as? Double ?? 0) > 0)

    let files = try FileManager.default.contentsOfDirectory(atPath: sandbox.path("cache/cinch")).sorted()
    // The journal's name says for which driver and kernels it is.
    let journal = try #require(files.first)
    #expect(files.count == 2 && journal.firstMatch(of: /-cpu-[0-9a-f]{16}\.journal\.json$/) != nil)
    #expect(files[1].hasSuffix("-cpu.json"))
    let check = "selftest --op fill --device opencl:0:0/cpu"
    let quiet = try await sandbox.run(line: check, environment: environment)
    #expect(quiet.status == 0 && notices(quiet).isEmpty, "\(quiet.errors)")

    try sandbox.write("{", to: "cache/cinch/\(files[1])")
    let told = try await sandbox.run(line: check, environment: environment)
    #expect(told.status == 0 && told.output == quiet.output)
    #expect(notices(told).count == 1, "\(told.errors)")
    let off = try await sandbox.run(line: check, environment: environment.merging(["CINCH_TUNING": "off"]) { $1 })
    #expect(off.status == 0 && notices(off).isEmpty)
  }

  /// A busy machine may also be told that a driver takes long to compile.
  private func notices(_ outcome: Outcome) -> [Substring] {
    outcome.errors.split(whereSeparator: \.isNewline).filter { $0.hasPrefix("ignoring '") }
  }

  /// A driver that is given too little time may have more the next time.
  @Test func whatMayPassIsNotKept() async throws {
    let sandbox = try Sandbox()
    let environment = [
      "XDG_CACHE_HOME": sandbox.path("cache"), "CINCH_TUNING": "", "CINCH_COMPILE_LIMIT": "1e-6",
    ]
    let outcome = try await sandbox.run(
      line: "tune --device opencl:0:0/cpu --shapes elements --json", environment: environment)
    #expect(outcome.status == 69 && outcome.errors.contains("what was chosen before stays"), "\(outcome.errors)")
    let files = try FileManager.default.contentsOfDirectory(atPath: sandbox.path("cache/cinch"))
    let name = try #require(files.first)
    #expect(files.count == 1 && name.hasSuffix(".journal.json"))
    let journal = try String(contentsOfFile: sandbox.path("cache/cinch/\(name)"), encoding: .utf8)
    #expect(!journal.contains("shipped"))
  }

  @Test func nowhereToKeepItIsRefused() async throws {
    let sandbox = try Sandbox()
    try sandbox.write("", to: "file")
    let line = "tune --device opencl:0:0/cpu"
    let file = try await sandbox.run(line: line, environment: ["XDG_CACHE_HOME": sandbox.path("file")])
    #expect(file.refused(74), "\(file.errors)")
    let none = try await sandbox.run(line: line, environment: ["XDG_CACHE_HOME": "", "HOME": ""])
    #expect(none.refused(69), "\(none.errors)")
  }
}
