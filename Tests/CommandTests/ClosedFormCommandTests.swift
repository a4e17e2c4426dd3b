import Cinch
import Foundation
import Testing

@Suite struct ClosedFormCommandTests {
  /// Everything a run can be asked for.
  @Test(arguments: ["pca", "ppca"])
  func aClosedFormIsARunLikeAnyOther(name: String) async throws {
    let sandbox = try Sandbox()
    try sandbox.writeData(rows: 60)
    let line = "train \(name) -p 3 --data data.csv --scale standard --validation-split 0.25 --device cpu"
    let trained = try await sandbox.run(line: "\(line) --out run --json")
    #expect(trained.status == 0 && trained.errors.isEmpty, "\(trained.errors)")
    let epoch = try #require(try trained.objects().first { $0["event"] as? String == "epoch" })
    let metrics = try #require(epoch["metrics"] as? [String: Double])
    let heldOut = try #require(epoch["validation_metrics"] as? [String: Double])
    #expect(try #require(metrics["explained_variance"]) > 0.9 && heldOut["reconstruction_per_sample"] != nil)
    #expect((metrics["log_likelihood"] != nil) == (name == "ppca"))
    #expect((heldOut["log_likelihood"] != nil) == (name == "ppca"))
    #expect((epoch["penalties"] as? [String: Double]) == [:])
    let history = String(decoding: try sandbox.bytes("run/history.csv"), as: UTF8.self).split(separator: "\n")
    #expect(history.count == 2 && history[0].contains("explained_variance"))
    #expect(try RunFolder(sandbox.path("run")).config().recipe.encoder.last == .dense(units: 3, activation: .linear))

    for line in [
      "eval run", "eval run --held-out", "encode run -o codes.npy", "decode run --codes codes.npy -o decoded.csv",
      "reconstruct run -o reconstructed.csv", "sample run -n 4 -o samples.csv", "info run", "train --resume run",
    ] {
      let outcome = try await sandbox.run(line: line)
      #expect(outcome.status == 0 && !outcome.errors.contains("epochs"), "\(line): \(outcome.errors)")
    }
    #expect(try sandbox.bytes("decoded.csv") == sandbox.bytes("reconstructed.csv"))
    let text = try await sandbox.run(line: "eval run").output
    #expect(text.contains("nats a sample") == (name == "ppca"), "\(text)")
    #expect(try await sandbox.run(line: "train --resume run --epochs 2").refused(65))
    try sandbox.write(
      #"""
      {"format": 2, "architecture": {"layers": [16, 3], "activation": "linear", "output_activation": "linear"},
       "objective": {"loss": "\#(name == "pca" ? "sse" : "gaussian")"}, "training": {"closed_form": "\#(name)"}}
      """#, to: "short.json")
    #expect(
      try await sandbox.run(line: "train --recipe short.json --data data.csv --device cpu --out short").status == 0)
    let recipe = try await sandbox.run(line: "recipes \(name) --json").output
    try sandbox.write(recipe, to: "recipe.json")
    let again = try await sandbox.run(
      line:
        "train --recipe recipe.json -p 3 --data data.csv --scale standard --validation-split 0.25 --device cpu "
        + "--out again --quiet")
    #expect(again.status == 0, "\(again.errors)")
    #expect(try sandbox.bytes("again/model.safetensors") == sandbox.bytes("run/model.safetensors"))
  }

  /// PCA's error stands beside any model's, is less than a linear one's, and is that of a run of `pca`.
  @Test(arguments: [
    "linear --layers 16,3", "vae --layers 16,8,3 --scale minmax", "deep --layers 16,8,3 --scale minmax",
  ])
  func evaluationComparesWithPCA(recipe: String) async throws {
    let sandbox = try Sandbox()
    try sandbox.writeData(rows: 60)
    try sandbox.writeData("other.csv", rows: 33)
    let options = "--data data.csv --device reference --validation-split 0.2 --seed 4"
    #expect(try await sandbox.run(line: "train \(recipe) \(options) --epochs 2 --out run --quiet").status == 0)
    func metrics(_ line: String) async throws -> [String: Double] {
      let outcome = try await sandbox.run(line: "eval \(line) --json")
      #expect(outcome.errors.isEmpty, "\(outcome.errors)")
      return try #require(try outcome.object()["metrics"] as? [String: Double])
    }
    let own = try await metrics("run")
    let error = try #require(own["pca_mse_per_element"])
    #expect(try error > 0 && error < #require(own["mse_per_element"]))
    let scale = recipe.contains("minmax") ? " --scale minmax" : ""
    try await sandbox.run(line: "train pca -p 3 \(options)\(scale) --out pca --quiet")
    let principal = try await metrics("pca")
    #expect(principal["pca_mse_per_element"] == error && principal["mse_per_element"] == error)
    // It was fitted once, and is read from then on.
    let file = try sandbox.bytes("run/pca.safetensors")
    let identity = try #require(try RunFolder(sandbox.path("run")).config().identity)
    #expect(String(decoding: file, as: UTF8.self).contains(identity.run))
    let others = try await metrics("run --data other.csv")
    #expect(try await metrics("pca --data other.csv")["mse_per_element"] == others["pca_mse_per_element"])
    #expect(try await metrics("run --held-out")["pca_mse_per_element"] != nil)
    try FileManager.default.removeItem(atPath: sandbox.path("data.csv"))
    #expect(try await metrics("run --data other.csv")["pca_mse_per_element"] == others["pca_mse_per_element"])
    #expect(try sandbox.bytes("run/pca.safetensors") == file)
    let text = try await sandbox.run(line: "eval run --data other.csv").output
    #expect(text.contains("pca       mse ") && text.contains("with 3 components"), "\(text)")
  }

  /// What stands in the way is a notice, and no reason to fail.
  @Test func withoutTrainingDataThereIsNoComparison() async throws {
    let sandbox = try Sandbox()
    try sandbox.writeData(rows: 40)
    try sandbox.writeData("other.csv", rows: 20)
    let line = "train linear --layers 16,3 --data data.csv --device reference --epochs 1 --quiet --out"
    for folder in ["run", "changed", "damaged"] { try await sandbox.run(line: "\(line) \(folder)") }
    try await sandbox.run(line: "eval damaged")
    // One that is no file of the run's is made again.
    try sandbox.write("x", to: "damaged/pca.safetensors")
    let mended = try await sandbox.run(line: "eval damaged --json")
    #expect(mended.status == 0 && mended.output.contains("pca_mse_per_element"))
    #expect(try sandbox.bytes("damaged/pca.safetensors").count > 100)
    try sandbox.writeData(rows: 40, scale: 0.5)
    let changed = try await sandbox.run(line: "eval changed --data other.csv --json")
    #expect(changed.status == 0 && changed.errors.contains("other data now"), "\(changed.errors)")
    #expect(!changed.output.contains("pca_mse"))
    try FileManager.default.removeItem(atPath: sandbox.path("data.csv"))
    let missing = try await sandbox.run(line: "eval run --data other.csv --json")
    #expect(missing.status == 0 && missing.errors.contains("no PCA to compare with"), "\(missing.errors)")
    #expect(missing.errors.count(where: \.isNewline) == 1 && !missing.output.contains("pca_mse"))
    #expect(!sandbox.exists("run/pca.safetensors") && !sandbox.exists("changed/pca.safetensors"))
  }

  /// Samples with missing cells have losses, and no PCA. What is measured counts the cells that are there.
  @Test func missingCellsHaveNoComparison() async throws {
    let sandbox = try Sandbox()
    let rows = (0..<40).map { "\(Double($0 % 7) / 7),\(Double($0 % 5) / 5),\(Double($0 % 3) / 3)" }
    try sandbox.write((["a,b,c"] + rows).joined(separator: "\n") + "\n", to: "full.csv")
    try sandbox.write((["a,b,c", "NA,0.25,0.5", "0.5,NA,NA"] + rows).joined(separator: "\n") + "\n", to: "holed.csv")
    let options = "--data full.csv --layers 3,2 --loss sse --output-activation linear --epochs 2 --device reference"
    try await sandbox.run(line: "train deep \(options) --quiet --out run")
    let figures = try await sandbox.run(line: "eval run --data holed.csv --json")
    #expect(figures.status == 0 && figures.errors.contains("no PCA to compare with"), "\(figures.errors)")
    let metrics = try #require(try figures.object()["metrics"] as? [String: Double])
    try sandbox.write("a,b,c\nNA,NA,NA\n", to: "nothing.csv")
    let nothing = try await sandbox.run(line: "eval run --data nothing.csv")
    #expect(nothing.refused(65) && nothing.errors.contains("nothing to evaluate"), "\(nothing.errors)")
    // What a denoiser is measured by, too.
    try await sandbox.run(
      line: "train denoising \(options.replacing("--layers 3,2", with: "--layers 3,4")) --quiet --out noisy")
    let noisy = try await sandbox.run(line: "denoise noisy --data holed.csv --add-noise -o denoised.csv")
    let (made, truth) = (
      try Dataset.load(sandbox.path("denoised.csv")).values, try Dataset.load(sandbox.path("holed.csv"))
    )
    let known = try #require(truth.observedValues)
    let squares = made.indices.filter { known[$0] != 0 }.map { pow(Double(made[$0]) - Double(truth.values[$0]), 2) }
    let printed = try #require(noisy.output.firstMatch(of: /denoised +mse ([0-9.e-]+)/), "\(noisy.errors)")
    let mse = squares.reduce(0, +) / Double(squares.count)
    #expect(abs(Double(printed.1)! - mse) < 1e-3 * mse)
    let packed = try await sandbox.run(line: "compress run --data holed.csv --bits 16 -o codes.cinch --json")
    #expect(packed.status == 0 && packed.errors.contains("no PCA to compare with"), "\(packed.errors)")
    let (error, plain) = (
      try #require(metrics["mse_per_element"]), try #require(try packed.object()["mse_per_element"] as? Double)
    )
    #expect(abs(error - plain) < 1e-3 * error)
    try await sandbox.run(line: "train deep \(options.replacing("full", with: "holed")) --quiet --out other")
    let own = try await sandbox.run(line: "eval other --json")
    let page = try await sandbox.run(line: "report other -o page.html")
    #expect(page.status == 0, "\(page.errors)")
    let mean = try #require(try own.object()["metrics"] as? [String: Double])["mse_per_element"]!
    let said = String(decoding: try sandbox.bytes("page.html"), as: UTF8.self).firstMatch(
      of: /Mean squared error ([0-9.e-]+) per/)
    #expect(abs(Double(try #require(said).1)! - mean) < 1e-3 * mean)
  }

  /// A code as wide as a sample leaves nothing out, and says so by saying nothing.
  @Test func wideCodesHaveNoComparison() async throws {
    let sandbox = try Sandbox()
    try sandbox.writeData(rows: 40)
    for line in ["overcomplete --layers 16,20", "linear --layers 16,16"] {
      try await sandbox.run(line: "train \(line) --data data.csv --device reference --epochs 1 --quiet --out run")
      let outcome = try await sandbox.run(line: "eval run --json")
      #expect(outcome.status == 0 && outcome.errors.isEmpty && !outcome.output.contains("pca_mse"))
      #expect(!sandbox.exists("run/pca.safetensors"))
      try FileManager.default.removeItem(atPath: sandbox.path("run"))
    }
  }

  @Test(
    arguments: [
      ("pca -p 0", 64, "1 or more"), ("pca -p 17", 64, "--components of at most 16"),
      ("ppca -p 16", 64, "--components of at most 15"), ("pca -p 3 --layers 16,3", 64, "not both"),
      ("pca -p 32", 64, "at most 16"), ("deep -p 3", 64, "with --layers"), ("pca -p x", 64, "x"),
      ("pca -p 3 --epochs 1", 64, "--epochs means nothing"), ("pca -p 3 --lr 0.1", 64, "--lr means nothing"),
      ("ppca -p 3 --batch-size 3", 64, "--batch-size means nothing"),
      ("ppca -p 3 --patience 3 --validation-split 0.2", 64, "--patience means nothing"),
      ("pca -p 3 --corruption masking", 64, "--corruption means nothing"),
      ("pca -p 3 --weight-decay 0.1", 64, "--weight-decay means nothing"),
      ("ppca -p 3 --sigma 1", 64, "--sigma means nothing"), ("ppca -p 3 --loss sse", 64, "--loss gaussian"),
      ("ppca -p 3 --tied", 64, "transpose"), ("pca --layers 16,8,3", 64, "two numbers in --layers"),
      ("pca -p 8 --data few.csv", 65, "--components 5"), ("pca -p 1 --data one.csv", 65, "needs 2 samples"),
      ("pca -p 2 --data same.csv", 65, "All samples are alike"), ("pca -p 2 --data nan.csv", 65, "nan"),
    ])
  func impossibleComponentsAreRefused(line: String, status: Int32, part: String) async throws {
    let sandbox = try Sandbox()
    try sandbox.writeData(rows: 20)
    try sandbox.writeData("few.csv", rows: 6)
    try sandbox.writeData("one.csv", rows: 1)
    try sandbox.write(String(repeating: "1,2,3\n", count: 9), to: "same.csv")
    try sandbox.write("1,2,3\n4,nan,6\n7,8,1\n", to: "nan.csv")
    let data = line.contains("--data") ? "" : " --data data.csv"
    let outcome = try await sandbox.run(line: "train \(line)\(data) --device reference --out run --quiet")
    #expect(outcome.refused(status) && outcome.errors.lowercased().contains(part.lowercased()), "\(outcome.errors)")
  }
}
