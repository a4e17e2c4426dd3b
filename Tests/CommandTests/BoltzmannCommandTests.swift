import Foundation
import Testing

@Suite struct BoltzmannCommandTests {
  private let line = "train rbm --layers 16,8 --data data.csv --device reference --batch-size 20"

  @Test func aMachineIsTrainedMeasuredAndSampled() async throws {
    let sandbox = try Sandbox()
    try sandbox.writeData(rows: 60)
    let trained = try await sandbox.run(
      line:
        "\(line) --scale minmax --epochs 2 --validation-split 0.2 --weight-decay 0.001 --momentum 0.5 --optimizer momentum --out run --json"
    )
    #expect(trained.status == 0, "\(trained.errors)")
    let epoch = try #require(try trained.objects().first { $0["event"] as? String == "epoch" })
    let metrics = try #require(epoch["metrics"] as? [String: Double])
    #expect(metrics["free_energy"] != nil && metrics["free_energy_gap"] != nil)
    let evaluated = try #require(
      try await sandbox.run(line: "eval run --json").object()["metrics"] as? [String: Double])
    #expect(try #require(evaluated["pseudo_likelihood"]) < 0)
    let exact = try await sandbox.run(line: "eval run --ais --json").object()
    let likelihood = try #require((exact["metrics"] as? [String: Double])?["log_likelihood"])
    let partition = try #require(exact["log_partition"] as? Double)
    #expect(exact["log_partition_error"] as? Double == 0 && exact["log_partition_exact"] as? Bool == true)
    #expect(abs(likelihood + partition + (evaluated["free_energy"] ?? .nan)) < 1e-6)
    #expect(try await sandbox.run(line: "eval run --ais").output.contains("(exact)"))
    try await sandbox.run(line: "sample run -n 5 --steps 9 --seed 2 -o five.csv")
    try await sandbox.run(line: "sample run -n 8 --steps 9 --seed 2 -o eight.csv")
    let (five, eight) = (try sandbox.bytes("five.csv"), try sandbox.bytes("eight.csv"))
    #expect(!five.isEmpty && eight.prefix(five.count) == five)
    #expect(try await sandbox.run(line: "encode run -o codes.npy").status == 0)
  }

  /// Of more than 20 units on both sides it is an estimate, and says how good.
  @Test func largeMachinesAreAnnealed() async throws {
    let sandbox = try Sandbox()
    try sandbox.writeData(rows: 30, columns: 22)
    let line = "train rbm --layers 22,21 --data data.csv --scale minmax --device cpu --epochs 1 --out run"
    #expect(try await sandbox.run(line: line).status == 0)
    let annealed = try await sandbox.run(line: "eval run --ais --json").object()
    #expect(try #require(annealed["log_partition_error"] as? Double) > 0)
    #expect(annealed["log_partition_exact"] as? Bool == false)
    #expect(try await sandbox.run(line: "eval run --ais").output.contains(" ± "))
  }

  /// Chains are part of the checkpoint.
  @Test(arguments: ["--rho 0.1 --beta 0.5", "--persistent", "--visible gaussian --persistent --cd 2", "--cd 3"])
  func aResumedMachineComesToTheSameBits(options: String) async throws {
    let sandbox = try Sandbox()
    try sandbox.writeData(rows: 60)
    let line = "\(line) --scale minmax \(options)"
    #expect(try await sandbox.run(line: "\(line) --epochs 5 --out straight").status == 0)
    #expect(try await sandbox.run(line: "\(line) --epochs 2 --out parts").status == 0)
    #expect(try await sandbox.run(line: "train --resume parts --epochs 5").status == 0)
    #expect(try sandbox.bytes("parts/model.safetensors") == sandbox.bytes("straight/model.safetensors"))
  }

  /// There are no more chains than samples.
  @Test func aBatchMayBeLargerThanTheData() async throws {
    let sandbox = try Sandbox()
    try sandbox.writeData(rows: 20)
    let line =
      "train rbm --layers 16,8 --data data.csv --scale minmax --device reference --persistent --epochs 2 --out run"
    #expect(try await sandbox.run(line: "\(line) --batch-size 100000000").status == 0)
    #expect(try sandbox.bytes("run/checkpoint.safetensors").count < 100_000)
    #expect(try await sandbox.run(line: "train --resume run --epochs 3").status == 0)
  }

  @Test(
    arguments: [
      ("train rbm --cd 0", 64), ("train rbm --l1 1", 64), ("train rbm --no-tied", 64),
      ("train rbm --activation relu", 64),
      ("train rbm --layers 16,8,4", 64), ("train rbm --corruption masking", 64), ("train rbm --loss bce", 64),
      ("train rbm --rho 1", 64), ("train rbm --rho 0.1 --sparsity-momentum 1", 64),
      ("train rbm --sparsity-momentum 0.5", 64), ("train rbm --beta nan", 64), ("train rbm --contraction 1", 64),
      ("train deep --cd 2", 64), ("train deep --persistent", 64),
      ("train deep --visible gaussian", 64), ("train rbm --scale standard", 65), ("train rbm --visible real", 64),
    ])
  func impossibleMachinesAreRefused(line: String, status: Int32) async throws {
    let sandbox = try Sandbox()
    try sandbox.writeData(rows: 20)
    #expect(try await sandbox.run(line: "\(line) --data data.csv --epochs 1 --out run").refused(status))
    #expect(!sandbox.exists("run"))
  }
}
