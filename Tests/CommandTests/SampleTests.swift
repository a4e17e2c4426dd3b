import Foundation
import Testing

@Suite struct SampleTests {
  private func trained(_ line: String) async throws -> Sandbox {
    let sandbox = try Sandbox()
    try sandbox.writeData(rows: 60)
    let outcome = try await sandbox.run(line: "train \(line) --data data.csv --device reference --epochs 1 --out run")
    #expect(outcome.status == 0, "\(outcome.errors)")
    return sandbox
  }

  @Test func samplesComeFromThePrior() async throws {
    let sandbox = try await trained("vae --layers 16,8,4")
    let picture = try await sandbox.run(line: "sample run")
    #expect(picture.status == 0 && picture.output.contains("100 samples"), "\(picture.errors)")
    #expect(sandbox.exists("run/samples.png"))
    try await sandbox.run(line: "sample run -n 5 --seed 3 -o five.csv")
    try await sandbox.run(line: "sample run -n 7 --seed 3 -o seven.csv")
    let (five, seven) = (try sandbox.bytes("five.csv"), try sandbox.bytes("seven.csv"))
    #expect(seven.prefix(five.count) == five && !five.isEmpty)
    try await sandbox.run(line: "sample run -n 5 --seed 4 -o other.csv")
    #expect(try sandbox.bytes("other.csv") != five)
    #expect(try await sandbox.run(line: "sample run --interpolate 1 60 -n 4 -o between.npy").status == 0)
    #expect(try await sandbox.run(line: "sample run -n 2 -o folder").refused(64), "samples are no images")
    #expect(try await sandbox.run(line: "sample run -n 2 --data data.csv").refused(64), "the prior needs none")
    #expect(try await sandbox.run(line: "sample run -n 2 --data data.csv --mixture 2").status == 0)
  }

  @Test func anyCodeMayBeDrawn() async throws {
    let sandbox = try await trained("deep --layers 16,8,2")
    for line in ["-n 9", "--mixture 3 -o mixture.npy", "--grid 4 -o grid.png", "--data data.csv -o data.csv.png"] {
      let outcome = try await sandbox.run(line: "sample run \(line)")
      #expect(outcome.status == 0, "\(line): \(outcome.errors)")
    }
  }

  @Test(
    arguments: [
      ("-n 0", 64), ("-n -3", 64), ("--mixture 0", 64), ("--mixture 61", 64), ("--interpolate 1", 64),
      ("--interpolate 0 1", 64), ("--interpolate 1 61", 64), ("--interpolate 1 2 -n 1", 64),
      ("--interpolate 1 2 --grid 3", 64), ("--grid 3", 64), ("--grid 3 -n 2", 64), ("--data none.csv", 74),
      ("-o s.jpg", 64), ("-o s.tsv --overwrite", 64),
    ])
  func impossibleSamplesAreRefused(options: String, status: Int32) async throws {
    let sandbox = try await trained("sparse --layers 16,8")
    #expect(try await sandbox.run(line: "sample run \(options)").refused(status))
    #expect(!sandbox.exists("run/samples.png"))
    #expect(!["s.jpg", "s.tsv"].contains(where: sandbox.exists), "no folder of that name")
  }

  @Test func theBoundIsEvaluated() async throws {
    let sandbox = try await trained("vae --layers 16,8,4")
    let metrics = try #require(
      try await sandbox.run(line: "eval run --samples 20 --json").object()["metrics"] as? [String: Double])
    let (bound, weighted) = (try #require(metrics["elbo"]), try #require(metrics["importance_weighted_bound"]))
    #expect(weighted > bound && weighted < 0)
    #expect(try await sandbox.run(line: "eval run --samples 0").refused(64))
    try await sandbox.run(line: "train deep --layers 16,8 --data data.csv --device reference --epochs 1 --out deep")
    #expect(try await sandbox.run(line: "eval deep --samples 20").refused(64))
  }

  @Test(
    arguments: [
      "vae --loss sse", "vae --beta -1", "vae --beta-warm-up -1", "vae --tied", "vae --rho 0.1",
      "vae --code-activation relu", "sparse --beta-warm-up 3",
    ])
  func impossiblePriorsAreRefused(line: String) async throws {
    let sandbox = try Sandbox()
    try sandbox.writeData(rows: 20)
    #expect(try await sandbox.run(line: "train \(line) --data data.csv --epochs 1 --out run").refused(64))
    #expect(!sandbox.exists("run"))
  }
}
