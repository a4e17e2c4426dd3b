import Foundation
import Testing

/// The same seed gives the same bits whatever the number of threads: PoCL takes theirs from the environment.
@Suite struct ThreadTests {
  @Test(arguments: ["opencl:0:0/cpu", "opencl:0:0/gpu"])
  func threadsDoNotChangeBits(device: String) async throws {
    let sandbox = try Sandbox()
    guard try await sandbox.run(line: "selftest --device \(device) --op fill").status == 0 else { return }
    try sandbox.writeData(rows: 150, columns: 144)
    let runs = [
      "train undercomplete --layers 144,60 --batch-size 100 --epochs 2",
      "train sparse --layers 144,70 --batch-size 100 --epochs 2", "train ppca -p 5",
      "train conv --layers conv|12|3x3|s2,conv|20|3x3 --image-shape 12,12 --batch-size 20 --epochs 2",
      "train conv --layers conv|3|5x5 --image-shape 12,12 --batch-size 50 --epochs 2",
    ]
    for (index, line) in runs.enumerated() {
      var first: [Data]?
      for threads in 1...3 {
        let words = "\(line) --data data.csv --device \(device) --seed 7 --out \(index)-\(threads)"
          .split(separator: " ").map { String($0).replacing("|", with: " ") }
        let environment = ["POCL_MAX_PTHREAD_COUNT": "\(threads)"]
        let outcome = try await sandbox.start(words, environment: environment).wait()
        #expect(outcome.status == 0, "\(outcome.errors)")
        let files = try ["model.safetensors", "history.csv"].map {
          try Self.bytes(sandbox, "\(index)-\(threads)/\($0)")
        }
        let same = files == first ?? files
        #expect(same, "\(line) on \(threads) threads")
        first = first ?? files
      }
    }
  }

  /// A model's numbers, or a history, without what tells runs apart: names and times.
  private static func bytes(_ sandbox: Sandbox, _ name: String) throws -> Data {
    let file = try sandbox.bytes(name)
    guard name.hasSuffix(".csv") else {
      let header = file.prefix(8).enumerated().reduce(0) { $0 | Int($1.element) << (8 * $1.offset) }
      return Data(file.dropFirst(8 + header))
    }
    let rows = String(decoding: file, as: UTF8.self).split(separator: "\n").map {
      $0.split(separator: ",", omittingEmptySubsequences: false)
    }
    let kept = try #require(rows.first).indices.filter { rows[0][$0] != "run" && !rows[0][$0].contains("second") }
    return Data(rows.map { row in kept.map { row[$0] }.joined(separator: ",") }.joined(separator: "\n").utf8)
  }
}
