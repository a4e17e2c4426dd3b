import Foundation
import Testing

/// `cinch plan`: what it prints, what it agrees with, and what it refuses.
@Suite struct PlanCommandTests {
  private let tiny = "--data data.csv --layers 16,6 --batch-size 32"

  private func sandbox() throws -> Sandbox {
    let sandbox = try Sandbox()
    try sandbox.writeData()
    return sandbox
  }

  @Test func aPlanIsATableOfFacts() async throws {
    let sandbox = try sandbox()
    let outcome = try await sandbox.run(
      line: "plan sparse \(tiny) --validation-split 0.25 --epochs 7 --scale minmax --device cpu")
    #expect(outcome.status == 0, "\(outcome.errors)")
    let rows = outcome.lines.map { $0.split(separator: " ", omittingEmptySubsequences: true).joined(separator: " ") }
    for row in [
      "recipe sparse", "device cpu (", "samples 90 + 30 for validation", "parameters 214", "memory ", "data set 0.0 MB",
      "activations 0.", "scratch 0.", "update 32 samples: ", "epoch 3 updates: ", "7 epochs ", "speed ",
    ] {
      #expect(rows.contains { $0.hasPrefix(row) }, "\(row): \(outcome.output)")
    }
    #expect(outcome.output.contains(/update +32 samples: [\d.]+ (µs|ms|s), [\d.]+ GFLOP, [\d.]+ MB .*, \d+ ops\n/))
    #expect(!sandbox.exists("runs"), "nothing is left behind")
  }

  /// What the run says of its device when it has ended is what was planned.
  @Test(arguments: ["cpu", "opencl"]) func aPlanIsWhatARunTakes(_ device: String) async throws {
    let sandbox = try sandbox()
    let line = "deep \(tiny) --epochs 2 --json --device \(device)"
    let plan = try await sandbox.run(line: "plan \(line)").object()
    let end = try #require(try await sandbox.run(line: "train \(line) --out run").objects().last)
    let (planned, taken) = (
      try #require(plan["device_bytes"] as? Double), try #require(end["device_bytes"] as? Double)
    )
    #expect(abs(planned - taken) <= 0.05 * taken)
    let parts = try #require(plan["memory"] as? [String: Double])
    #expect(parts.values.reduce(0, +) == planned)
    #expect(plan["updates_per_epoch"] as? Int == 4 && plan["rows_per_update"] as? Int == 32)
    let (update, epoch) = (
      try #require(plan["update"] as? [String: Double]), try #require(plan["epoch"] as? [String: Double])
    )
    #expect(try #require(update["seconds"]) > 0 && update["seconds"]! <= epoch["seconds"] ?? 0)
    // Two layers with weights, three products of each but for the one whose input needs no gradient.
    #expect(update["operations"] == Double(2 * 32 * 16 * 6 * 5))
  }

  /// Of tables with texts, of images, of classes, and of samples that are not there.
  @Test func whateverCanBeTrainedCanBePlanned() async throws {
    let sandbox = try sandbox()
    let rows = (0..<40).map { "\($0),\(["red", "green", "blue"][$0 % 3]),\($0 % 7)" }
    try sandbox.write((["size,colour,rest"] + rows).joined(separator: "\n") + "\n", to: "table.csv")
    try sandbox.writeBytes(rows: 1500, columns: 64)
    for line in [
      "plan imputation --data table.csv", "plan conv --data data.csv --image-shape 4,4",
      "plan classifier --samples 1000", "plan conv --samples 1000 --batch-size 16",
      "plan deep --layers 20,5 --samples 50",
      "plan linear --layers 64,4 --data bytes.npy --device reference",
      "plan deep \(tiny) --samples 100000 --optimizer momentum", "plan sparse \(tiny) --optimizer lbfgs",
    ] {
      let outcome = try await sandbox.run(line: "\(line) --json\(line.contains("--device") ? "" : " --device cpu")")
      #expect(outcome.status == 0, "\(line): \(outcome.errors)")
      let plan = try outcome.object()
      #expect(try #require(plan["device_bytes"] as? Int) > 0, "\(line)")
      #expect(try #require(plan["samples_per_second"] as? Double) > 0, "\(line)")
      if let range = line.firstMatch(of: /--samples (\d+)/) { #expect(plan["samples"] as? Int == Int(range.1)) }
    }
  }

  @Test(arguments: [
    (64, "plan", "No recipe is named"), (64, "plan nothing", "nothing"), (64, "plan deep --recipe x.json", "not both"),
    (64, "plan pca --data data.csv", "closed form"), (64, "plan deep --data data.csv --samples 0", "0 samples"),
    (64, "plan deep --samples 100 --header yes", "--header says how a file is read"),
    (64, "plan deep --data data.csv --samples 2 --validation-split 0.1", "leaves one part of 2 samples empty"),
    (64, "plan deep --data data.csv --patience 2", "--validation-split"),
    (64, "plan deep --data data.csv --zca-epsilon 0.1", "--scale zca"),
    (65, "plan deep --data data.csv --layers 8,4", "--layers begins with 8"),
    (69, "plan deep --data data.csv --device opencl:77:0", "opencl:77:0"),
    (74, "plan deep --data missing.csv", "missing"),
    (74, "plan --recipe missing.json", "missing"),
  ])
  func refusalsAreSentences(status: Int32, line: String, text: String) async throws {
    let outcome = try await sandbox().run(line: line)
    #expect(outcome.refused(status) && outcome.errors.contains(text), "\(line): \(outcome.status) \(outcome.errors)")
  }

  /// Before there is noise for it, which would not fit either.
  @Test func aNetworkThatDoesNotFitIsRefusedAtOnce() async throws {
    let line = "plan deep --samples 100 --layers 400000000,2 --device cpu"
    let sandbox = try sandbox()
    let outcome = try await sandbox.start(line.split(separator: " ").map(String.init), kibibytes: 1_200_000).wait()
    #expect(outcome.refused(64) && outcome.errors.contains("choose narrower --layers"), "\(outcome.errors)")
    #expect(!sandbox.exists("runs"))
  }

  /// Recipes that make no model are refused before noise in their shape is made.
  @Test(arguments: [
    #"{"architecture": {"kind": "classifier", "input": 4, "encoder": [{"type": "dense", "units": 3}], "classes": 0}, "#
      + #""format": 2, "objective": {"loss": "softmax"}}"#,
    #"{"architecture": {"kind": "autoencoder", "input": -5, "encoder": [{"type": "dense", "units": 3}]}, "format": 2}"#,
    #"{"architecture": {"kind": "autoencoder", "input": 0, "encoder": [{"type": "dense", "units": 3}]}, "format": 2}"#,
  ])
  func recipesThatMakeNoModelAreRefused(recipe: String) async throws {
    let sandbox = try sandbox()
    try sandbox.write(recipe, to: "recipe.json")
    let outcome = try await sandbox.run(line: "plan --recipe recipe.json --samples 20")
    #expect((outcome.refused(64) || outcome.refused(65)) && !outcome.errors.contains("noise"), "\(outcome.errors)")
  }
}
