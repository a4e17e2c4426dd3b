import Cinch
import Foundation
import Testing

@Suite struct LBFGSCommandTests {
  private let line = "train sparse --layers 16,8 --data data.csv --optimizer lbfgs --batch-size 16 --device reference"

  /// History, last gradient and all: the same bits, wherever the run stopped.
  @Test(arguments: ["", "--corruption masking --patience 1000 --validation-split 0.2"])
  func aResumedRunComesToTheSameBits(options: String) async throws {
    let sandbox = try Sandbox()
    try sandbox.writeData(rows: 60)
    let line = "\(line) --history-size 3 \(options)"
    #expect(try await sandbox.run(line: "\(line) --epochs 9 --out straight").status == 0)
    #expect(try await sandbox.run(line: "\(line) --epochs 4 --out parts").status == 0)
    #expect(try await sandbox.run(line: "train --resume parts --epochs 9").status == 0)
    #expect(try sandbox.bytes("parts/model.safetensors") == sandbox.bytes("straight/model.safetensors"))
  }

  @Test func aRunThatHasConvergedSaysSo() async throws {
    let sandbox = try Sandbox()
    try sandbox.writeData(rows: 40)
    let line = "train linear --layers 16,2 --data data.csv --optimizer lbfgs --device reference --out run"
    let trained = try await sandbox.run(line: "\(line) --epochs 5000 --json")
    #expect(trained.status == 0, "\(trained.errors)")
    let end = try #require(try trained.objects().last)
    #expect(end["reason"] as? String == "converged")
    #expect(try #require(end["epochs"] as? Int) < 5000)
    #expect(try await sandbox.run(line: "info run").output.contains(", converged"))
    let model = try sandbox.bytes("run/model.safetensors")
    let resumed = try await sandbox.run(line: "train --resume run --epochs 6000")
    #expect(resumed.status == 0 && resumed.errors.contains("the run has converged"), "\(resumed.errors)")
    #expect(resumed.output.contains("converged"))
    #expect(try sandbox.bytes("run/model.safetensors") == model)
  }

  @Test(arguments: [
    ("--clip 1", "--clip means nothing to lbfgs"), ("--schedule cosine", "A schedule means nothing to lbfgs"),
    ("--warm-up 1", "--warm-up means nothing to lbfgs"), ("--momentum 0.5", "add --optimizer momentum"),
    ("--history-size 0", "--history-size must lie between 1 and 1000, not 0"),
    ("--history-size 10000", "--history-size must lie between 1 and 1000"),
    ("--optimizer adam --history-size 3", "add --optimizer lbfgs"),
    ("--lr 0", "--lr must be a positive number"),
  ])
  func whatMeansNothingToItIsRefused(options: String, part: String) async throws {
    let sandbox = try Sandbox()
    try sandbox.writeData(rows: 20)
    var line = "\(line) \(options) --epochs 1 --out run"
    if options.contains("--optimizer") { line = line.replacing("--optimizer lbfgs ", with: "") }
    let outcome = try await sandbox.run(line: line)
    #expect(outcome.refused(64) && outcome.errors.contains(part), "\(outcome.errors)")
    #expect(!sandbox.exists("run"))
  }

  @Test func aBoltzmannMachineHasNoObjectiveForIt() async throws {
    let sandbox = try Sandbox()
    try sandbox.writeData(rows: 20)
    let outcome = try await sandbox.run(
      line: "train rbm --layers 16,8 --data data.csv --scale minmax --optimizer lbfgs --device reference --out run")
    #expect(outcome.refused(64) && outcome.errors.contains("such as sgd"), "\(outcome.errors)")
  }
}
