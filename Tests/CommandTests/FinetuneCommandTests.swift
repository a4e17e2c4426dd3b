import Cinch
import Foundation
import Testing

/// What `finetune` takes over from the run that it begins with, and what not.
@Suite struct FinetuneCommandTests {
  /// Two kinds of rows in [0, 1], told by the column cls.
  ///
  /// - Parameter columns: in their order; x1 … x4 and cls have meanings, others are noise.
  private func writeKinds(
    _ sandbox: Sandbox, _ name: String, rows: Int = 40, columns: [String] = ["x1", "x2", "x3", "x4", "cls"]
  ) throws {
    let lines = (0..<rows).map { row in
      columns.enumerated().map { place, column -> String in
        if column == "cls" { return row % 2 == 0 ? "iris" : "aster" }
        let base = column.hasSuffix("1") || column.hasSuffix("3") ? 0.2 : 0.8
        return "\((row % 2 == 0 ? base : 1 - base) + 0.01 * Double((row * 7 + place * 3) % 10))"
      }.joined(separator: ",")
    }
    try sandbox.write(([columns.joined(separator: ",")] + lines).joined(separator: "\n") + "\n", to: name)
  }

  /// A run on a table of these.
  private func trained(_ options: String = "") async throws -> Sandbox {
    let sandbox = try Sandbox()
    try writeKinds(sandbox, "kinds.csv")
    let outcome = try await sandbox.run(
      line:
        "train deep --data kinds.csv --label-column cls --layers 4,3 --epochs 1 --device reference --quiet --out run "
        + options)
    try #require(outcome.status == 0, "\(outcome.errors)")
    return sandbox
  }

  private func sets(_ outcome: Outcome) throws -> Set<String> {
    Set(try #require(try outcome.objects().last?["errors"] as? [String: Any], "\(outcome.errors)").keys)
  }

  /// Tables have their labels in the run's column, wherever it stands.
  @Test func otherTablesAreReadAsTheRunsOwn() async throws {
    let sandbox = try await trained()
    try writeKinds(sandbox, "other.csv", columns: ["cls", "x2", "more", "x1", "x3", "x4"])
    try writeKinds(sandbox, "plain.csv", columns: ["x1", "x2", "x3", "x4"])
    let tested = try await sandbox.run(
      line: "finetune run --test other.csv --validation other.csv --epochs 1 --out tested --json")
    #expect(tested.status == 0 && !tested.errors.contains("column cls"), "\(tested.errors)")
    #expect(try sets(tested) == ["training", "validation", "test"])
    let named = try await sandbox.run(
      line: "finetune run --data other.csv --test kinds.csv --epochs 1 --out named --json")
    #expect(try sets(named) == ["training", "test"])
    let evaluated = try await sandbox.run(line: "eval tested --data other.csv --json")
    #expect(evaluated.status == 0, "\(evaluated.errors)")
    // Nothing but a classifier needs labels.
    for line in [
      "finetune run --unroll --validation plain.csv --epochs 1 --out deep", "classify tested --data plain.csv",
    ] {
      let outcome = try await sandbox.run(line: line)
      #expect(outcome.status == 0, "\(line): \(outcome.errors)")
    }
    let lacking = try await sandbox.run(line: "finetune run --test plain.csv")
    #expect(lacking.refused(64) && lacking.errors.contains("no column 'cls'"), "\(lacking.errors)")
    let empty = try await sandbox.start(["finetune", "run", "--test", ""]).wait()
    #expect(empty.refused(64) && empty.errors.contains("--test is empty"), "\(empty.errors)")
  }

  /// A file of labels comes before the run's column.
  @Test func labelsOfAFileReplaceTheColumn() async throws {
    let sandbox = try await trained()
    let names = (0..<40).map { $0 % 2 == 0 ? "blue" : "yellow" }.joined(separator: "\n")
    try sandbox.write(names + "\n", to: "colours.txt")
    let tuned = try await sandbox.run(
      line:
        "finetune run --labels colours.txt --test kinds.csv --test-labels colours.txt --epochs 1 --out tuned --json")
    #expect(try sets(tuned) == ["training", "test"])
    #expect(try RunFolder(sandbox.path("tuned")).config().classes == ["blue", "yellow"])
    #expect(try await sandbox.run(line: "train --resume tuned --epochs 2").status == 0)
  }

  /// What ends, slows or holds out of one training is not another's: help says that all of it is off.
  @Test(arguments: ["", "--unroll"])
  func settingsAreItsOwn(_ options: String) async throws {
    let sandbox = try await trained(
      "--validation-split 0.25 --patience 2 --schedule cosine --clip 1 --batch-size 7 --seed 3")
    let tuned = try await sandbox.run(line: "finetune run \(options) --epochs 1 --out tuned --quiet")
    try #require(tuned.status == 0, "\(tuned.errors)")
    let training = try RunFolder(sandbox.path("tuned")).config().recipe.training
    #expect(training == TrainingSettings(batchSize: 7, epochs: 1, seed: 3))
    let given = try await sandbox.run(
      line: "finetune run \(options) --epochs 1 --validation-split 0.5 --patience 3 --out given --quiet")
    try #require(given.status == 0, "\(given.errors)")
    let own = try RunFolder(sandbox.path("given")).config().recipe
    #expect(own.validationSplit == 0.5 && own.patience == 3)
  }

  /// As many test samples with other labels are noticed, but not in a run that kept nothing of them.
  @Test func changedTestSamplesAreRefused() async throws {
    let sandbox = try await trained()
    try writeKinds(sandbox, "test.csv", rows: 20)
    let tuned = try await sandbox.run(line: "finetune run --test test.csv --epochs 1 --out tuned --quiet")
    try #require(tuned.status == 0, "\(tuned.errors)")
    #expect(try await sandbox.run(line: "train --resume tuned --epochs 2 --quiet").status == 0)
    let text = String(decoding: try sandbox.bytes("test.csv"), as: UTF8.self)
    let other = text.replacing("iris", with: "lily").replacing("aster", with: "iris").replacing("lily", with: "aster")
    try sandbox.write(other, to: "test.csv")
    let resumed = try await sandbox.run(line: "train --resume tuned --epochs 3 --quiet")
    #expect(resumed.refused(65) && resumed.errors.contains("other test samples"), "\(resumed.errors)")
    #expect(try await sandbox.run(line: "train --resume tuned --epochs 3 --changed-data --quiet").status == 0)

    let config = String(decoding: try sandbox.bytes("tuned/config.json"), as: UTF8.self).split(separator: "\n")
    let older = config.filter { !$0.contains("test_fingerprint") }
    #expect(older.count == config.count - 1)
    try sandbox.write(older.joined(separator: "\n") + "\n", to: "tuned/config.json")
    try sandbox.write(text, to: "test.csv")
    #expect(try await sandbox.run(line: "train --resume tuned --epochs 4 --quiet").status == 0)
  }

  /// The softmax layer alone is trained, from a code of which parts are dropped.
  @Test func dropoutUponFrozenLayersActs() async throws {
    let sandbox = try await trained()
    for (name, options) in [("plain", ""), ("dropped", "--dropout 0.5")] {
      let outcome = try await sandbox.run(
        line: "finetune run --freeze 1 \(options) --batch-size 8 --epochs 2 --out \(name) --quiet")
      #expect(outcome.status == 0, "\(outcome.errors)")
    }
    let recipe = try RunFolder(sandbox.path("dropped")).config().recipe
    #expect(recipe.training.frozenLayers == 1 && recipe.encoder.count == 2)
    let weights = try ["plain", "dropped"].map { name in
      let model = try Autoencoder.load(sandbox.path(name), on: .reference)
      return try #require(try model.parameters().first { $0.name == "classifier.0.weight" }).values
    }
    #expect(weights[0] != weights[1])
  }

  /// A run that begins with another's weights says so, and how these were made while they are there.
  @Test func theOriginIsTold() async throws {
    let sandbox = try await trained()
    let tuned = try await sandbox.run(line: "finetune run --test kinds.csv --epochs 1 --out tuned --quiet")
    try #require(tuned.status == 0, "\(tuned.errors)")
    let info = try await sandbox.run(line: "info tuned").output
    #expect(info.contains("the weights of run\n") && info.contains("kinds.csv\n"), "\(info)")
    func page(_ name: String) async throws -> String {
      let report = try await sandbox.run(line: "report tuned --no-tsne -o \(name)")
      try #require(report.status == 0, "\(report.errors)")
      return String(decoding: try sandbox.bytes(name), as: UTF8.self)
    }
    let whole = try await page("whole.html")
    let made = try #require(whole.firstRange(of: "cinch train deep --data kinds.csv"))
    let used = try #require(whole.firstRange(of: "cinch finetune run"))
    #expect(made.lowerBound < used.lowerBound && whole.contains("the first commands make them"))
    try FileManager.default.removeItem(at: sandbox.folder.appendingPathComponent("run"))
    let alone = try await page("alone.html")
    #expect(alone.contains("not known here") && !alone.contains("cinch train deep"))
  }

  /// A table whose columns are told apart goes on so, unrolled.
  @Test(arguments: ["deep", "imputation"])
  func tablesWithTextsAreUnrolled(_ recipe: String) async throws {
    let sandbox = try Sandbox()
    let rows = (0..<40).map { "\(["Biscoe", "Dream", "Torgersen"][$0 % 3]),\(30 + 5 * ($0 % 3)),\($0 % 2)" }
    try sandbox.write((["island,length,sex"] + rows).joined(separator: "\n") + "\n", to: "birds.csv")
    let trained = try await sandbox.run(
      line: "train \(recipe) --data birds.csv --layers 5,4 --epochs 1 --device reference --out run --quiet")
    try #require(trained.status == 0, "\(trained.errors)")
    let tuned = try await sandbox.run(line: "finetune run --unroll --epochs 1 --out tuned --quiet")
    #expect(tuned.status == 0, "\(tuned.errors)")
    let recipes = try ["run", "tuned"].map { try RunFolder(sandbox.path($0)).config().recipe }
    #expect(recipes[1].loss == .mixed && recipes[1].objective.columns == recipes[0].objective.columns)
  }

  /// Images with channels last, whose layout nothing has to say again.
  @Test func otherImagesAreReadAsTheRunsOwn() async throws {
    let sandbox = try Sandbox()
    let values = (0..<20 * 48).map { Float($0 * $0 % 101) / 101 }
    try NPY.write(values: values, shape: [20, 4, 4, 3], to: sandbox.path("images.npy"))
    let names = (0..<20).map { $0 % 2 == 0 ? "blue" : "yellow" }.joined(separator: "\n")
    try sandbox.write(names + "\n", to: "colours.txt")
    let trained = try await sandbox.run(
      line: "train deep --data images.npy --layout nhwc --layers 48,4 --epochs 1 --device reference --out run --quiet")
    try #require(trained.status == 0, "\(trained.errors)")
    for data in ["", "--data images.npy"] {
      let tuned = try await sandbox.run(
        line: "finetune run \(data) --labels colours.txt --test images.npy --test-labels colours.txt --epochs 2 --out "
          + "tuned\(data.isEmpty ? 1 : 2) --json")
      try #require(tuned.status == 0, "\(tuned.errors)")
      let errors = try #require(try tuned.objects().last?["errors"] as? [String: [String: Double]])
      #expect(errors["test"] == errors["training"])
    }
  }
}
