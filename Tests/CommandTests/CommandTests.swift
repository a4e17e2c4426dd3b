import Cinch
import CinchData
import Foundation
import Testing

/// The happy path of every command.
@Suite struct CommandTests {
  private let tiny = "--data data.csv --layers 16,6 --device reference"

  private func trained(_ options: String = "") async throws -> Sandbox {
    let sandbox = try Sandbox()
    try sandbox.writeData()
    let outcome = try await sandbox.run(line: "train sparse \(tiny) --epochs 2 --out run \(options)")
    try #require(outcome.status == 0, "\(outcome.errors)")
    return sandbox
  }

  @Test func trainingLeavesACompleteRunFolder() async throws {
    let sandbox = try Sandbox()
    try sandbox.writeData()
    let outcome = try await sandbox.run(
      line: "train sparse \(tiny) --epochs 2 --image-shape 4,4 --validation-split 0.25")
    #expect(outcome.status == 0)
    #expect(outcome.output.contains("per element"))
    #expect(outcome.output.contains("16 → 6 (2.7 to 1)"))
    #expect(outcome.output.contains("against ρ 0.05"))
    #expect(outcome.errors.contains("16 → 6 → 16 sigmoid, 214 parameters"))
    #expect(outcome.errors.contains("epoch  2/2"))
    #expect(!outcome.errors.contains("\r") && !outcome.errors.contains("\u{1B}"))
    let run = try #require(outcome.output.firstMatch(of: /saved +(runs\/\d{4}-\d\d-\d\d-sparse)/)?.1)
    for file in ["config.json", "checkpoint.safetensors", "reconstructions.png", "filters.png"] {
      #expect(sandbox.exists("\(run)/\(file)"))
    }
    let history = String(decoding: try sandbox.bytes("\(run)/history.csv"), as: UTF8.self).split(separator: "\n")
    #expect(
      history.first == """
        epoch,loss,reconstruction_per_sample,reconstruction_per_element,weight_decay,kl,validation_per_sample,\
        validation_per_element,learning_rate,samples_per_second,seconds,run
        """)
    #expect(history.count == 3)

    let model = try Safetensors(contentsOf: sandbox.path("\(run)/model.safetensors"))
    #expect(
      Set(model.entries.map(\.name)) == ["encoder.0.weight", "encoder.0.bias", "decoder.0.weight", "decoder.0.bias"])
    #expect(model["encoder.0.weight"]?.shape == [6, 16])
    #expect(model.metadata["format"] == "pt")
    #expect(model.metadata["recipe"] == "sparse")

    let again = try await sandbox.run(line: "train sparse \(tiny) --epochs 1")
    #expect(again.output.contains("\(run)-2"))
  }

  /// Held-out rows alone come to what the run's end said of them, and so does mse in a run of another loss.
  @Test func evalMeasuresHeldOutSamples() async throws {
    let sandbox = try Sandbox()
    try sandbox.writeData()
    let line = "train deep \(tiny) --epochs 2 --validation-split 0.25 --out run --json"
    let end = try #require(try await sandbox.run(line: line).objects().last)
    let held = try await sandbox.run(line: "eval run --held-out --json").object()
    #expect(held["samples"] as? Int == 30)
    let (of, at) = (
      try #require(held["metrics"] as? [String: Double]), try #require(end["metrics"] as? [String: Double])
    )
    // Evaluations compare with PCA, and ends of runs do not.
    #expect(Set(of.keys).subtracting(at.keys) == [Evaluation.principalName])
    // The weights of the reference device are rounded to Float in the file.
    #expect(at.allSatisfy { abs($0.value - (of[$0.key] ?? 0)) < 1e-5 * abs($0.value) })
    #expect(of["mse_per_element"] != of["reconstruction_per_element"])
    let model = try Autoencoder.load(sandbox.path("run"), on: .reference)
    let config = try #require(model.run)
    let samples = try config.prepare(try config.heldOut())
    let errors = zip(samples.values, try model.reconstruct(samples).values).map { Double(($0 - $1) * ($0 - $1)) }
    let mse = errors.reduce(0, +) / Double(errors.count)
    // The outputs are rounded to Float on their way here.
    #expect(abs(mse - (of["mse_per_element"] ?? 0)) < 1e-6 * mse)
    try await sandbox.run(line: "train linear \(tiny) --epochs 1 --out squares")
    let squares = try #require(
      try await sandbox.run(line: "eval squares --json").object()["metrics"] as? [String: Double])
    let (mean, half) = (squares["mse_per_element"] ?? 0, squares["reconstruction_per_element"] ?? .nan)
    #expect(abs(mean - 2 * half) < 1e-12 * mean)
    #expect(try await sandbox.run(line: "eval run --held-out --data data.csv").refused(64))
    // Of other rows it would split off what may have been trained on.
    try sandbox.writeData(scale: 0.5)
    let changed = try await sandbox.run(line: "eval run --held-out")
    #expect(changed.refused(65) && changed.errors.contains("held samples out of"), "\(changed.errors)")
    try sandbox.writeData()
    try await sandbox.run(line: "train deep \(tiny) --epochs 1 --out without")
    #expect(try await sandbox.run(line: "eval without --held-out").refused(64))
  }

  @Test func aRunsRecipeIsARecipe() async throws {
    let sandbox = try await trained("--seed 9 --rho 0.1")
    let again = try await sandbox.run(
      line: "train --recipe run/config.json --data data.csv --device reference --out again --quiet")
    #expect(again.status == 0, "\(again.errors)")
    #expect(try sandbox.bytes("again/model.safetensors") == sandbox.bytes("run/model.safetensors"))
  }

  @Test func malformedRecipesNameTheLine() async throws {
    let sandbox = try Sandbox()
    try sandbox.writeData()
    try sandbox.write("{\n  \"layers\": [16, 4],\n  \"epochs\" 3\n}\n", to: "broken.json")
    let outcome = try await sandbox.run(line: "train --recipe broken.json --data data.csv")
    #expect(outcome.refused(65) && outcome.errors.contains("line 3, column 12"), "\(outcome.errors)")
  }

  @Test func jsonEventsHaveTheirFields() async throws {
    let sandbox = try Sandbox()
    try sandbox.writeData()
    let outcome = try await sandbox.run(
      line: "train sparse \(tiny) --epochs 2 --validation-split 0.25 --out run --json")
    let events = try outcome.objects()
    #expect(outcome.errors.isEmpty)
    #expect(events.compactMap { $0["event"] as? String } == ["start", "epoch", "epoch", "end"])
    #expect(events[0]["recipe"] as? String == "sparse")
    #expect(events[0]["device"] as? String == "reference")
    #expect(events[0]["parameters"] as? Int == 214)
    #expect(events[0]["samples"] as? Int == 90)
    #expect(events[2]["epoch"] as? Int == 2)
    for key in [
      "loss", "reconstruction_per_sample", "reconstruction_per_element", "validation_per_element", "samples_per_second",
    ] {
      #expect(events[2][key] is Double)
    }
    #expect(Set(((events[2]["penalties"] as? [String: Double]) ?? [:]).keys) == ["kl", "weight_decay"])
    #expect(events[3]["run"] as? String == "run")
    #expect(events[3]["seconds"] is Double)
  }

  @Test func quietPrintsNothingButResults() async throws {
    let sandbox = try Sandbox()
    try sandbox.writeData()
    let outcome = try await sandbox.run(line: "train linear \(tiny) --epochs 1 --quiet")
    #expect(outcome.status == 0)
    #expect(outcome.errors.isEmpty)
    #expect(outcome.lines.map { $0.prefix(7) } == ["learned", "code   ", "saved  "])
    try sandbox.writeData(rows: 1)
    let one = try await sandbox.run(line: "train linear \(tiny) --epochs 1")
    #expect(one.output.contains("on 1 training sample\n") && one.errors.contains("batch 256, 1 epoch, seed 0"))
  }

  @Test func optionsReplaceTheRecipesOwn() async throws {
    let sandbox = try Sandbox()
    try sandbox.writeData(scale: 30)
    let outcome = try await sandbox.run(
      line: """
        train denoising --data data.csv --device reference --epochs 1 --layers 16,12,5 --activation tanh \
        --output-activation linear --loss sse --optimizer momentum --lr 0.01 --momentum 0.8 --schedule cosine \
        --warm-up 0.5 --clip 1 --batch-size 32 --seed 7 --weight-decay 0.0001 --l1 0.001 --corruption gaussian \
        --corruption-level 0.2 --tied --scale standard --out run
        """)
    try #require(outcome.status == 0, "\(outcome.errors)")
    let config = try RunFolder(sandbox.path("run")).config()
    let recipe = config.recipe
    #expect(try recipe.resolved().widths == [16, 12, 5, 12, 16])
    #expect(recipe.encoder.map(\.activation) == [.tanh, .tanh] && recipe.decoder.last?.activation == .linear)
    #expect(recipe.loss == .sse && recipe.tied && recipe.seed == 7 && recipe.batchSize == 32)
    #expect(recipe.optimizer.rule == .momentum && recipe.optimizer.momentum == 0.8)
    #expect(recipe.schedule.kind == .cosine && recipe.schedule.warmUpEpochs == 0.5 && recipe.gradientClip == 1)
    #expect(recipe.penalties.l1 == 0.001 && recipe.corruption == .gaussian(0.2))
    #expect(config.scaling?.kind == .standard && config.isFinal)
  }

  @Test func theDatasFeaturesReplaceTheRecipesInput() async throws {
    let sandbox = try Sandbox()
    try sandbox.writeData()
    let outcome = try await sandbox.run(
      line: "train denoising --data data.csv --device reference --epochs 1 --out run --json")
    #expect(try outcome.objects().first?["features"] as? Int == 16)
    #expect(try RunFolder(sandbox.path("run")).config().recipe.resolved().widths == [16, 21, 16])
  }

  @Test func aRecipeFileTrains() async throws {
    let sandbox = try Sandbox()
    try sandbox.writeData()
    let recipe = try await sandbox.run(line: "recipes sparse-l1 --json")
    try sandbox.write(recipe.output, to: "mine.json")
    let outcome = try await sandbox.run(line: "train --recipe mine.json \(tiny) --epochs 1 --l1 0 --out run")
    #expect(outcome.status == 0, "\(outcome.errors)")
    #expect(try RunFolder(sandbox.path("run")).config().recipe.penalties.l1 == 0)
  }

  @Test func evaluationUsesTheRunsOwnScaling() async throws {
    let sandbox = try Sandbox()
    try sandbox.writeData(scale: 50)
    let trained = try await sandbox.run(line: "train sparse \(tiny) --scale minmax --epochs 2 --out run --json")
    let end = try #require(try trained.objects().last)
    let outcome = try await sandbox.run(line: "eval run --device reference --json")
    let result = try outcome.object()
    // The file holds the reference's doubles rounded to floats.
    let (loaded, trainedTo) = (
      result["reconstruction_per_sample"] as? Double, end["reconstruction_per_sample"] as? Double
    )
    #expect(abs(try #require(loaded) - #require(trainedTo)) < 1e-6)
    #expect(result["reconstruction_per_element"] is Double && result["mean_activation"] is Double)
    #expect(result["samples"] as? Int == 120)

    // A part of the data fits other ranges; only the run's own give each row the values it was trained on.
    let rows = String(decoding: try sandbox.bytes("data.csv"), as: UTF8.self).split(separator: "\n").prefix(5)
    try sandbox.write(rows.joined(separator: "\n"), to: "part.csv")
    try await sandbox.run(line: "encode run --device reference -o all.npy")
    try await sandbox.run(line: "encode run --device reference --data part.csv -o part.npy")
    let (all, part) = (try NPY.read(sandbox.path("all.npy")), try NPY.read(sandbox.path("part.npy")))
    #expect(all.shape == [120, 6] && part.shape == [5, 6])
    #expect(Array(all.values.prefix(30)) == part.values)

    try await sandbox.run(line: "reconstruct run --device reference -o x.npy")
    try await sandbox.run(line: "decode run --device reference --codes all.npy -o y.npy")
    let (x, y) = (try NPY.read(sandbox.path("x.npy")), try NPY.read(sandbox.path("y.npy")))
    #expect(x.shape == [120, 16])
    // Codes were rounded to floats on their way through the file.
    #expect(zip(x.values, y.values).allSatisfy { abs($0 - $1) < 1e-3 })
    #expect(x.values.contains { $0 > 5 }, "reconstructions are in the data's units")
  }

  @Test func infoNeedsNoDevice() async throws {
    let sandbox = try await trained()
    let text = try await sandbox.run(line: "info run")
    #expect(text.output.contains("16 → 6 → 16 sigmoid") && text.output.contains("2 of 2"))
    let document = try await sandbox.run(line: "info run --json").object()
    #expect(document["epochs"] as? Int == 2 && document["config"] is [String: Any])
  }

  @Test func theLibraryOpensWhatTheProgramSaved() async throws {
    let sandbox = try await trained()
    let model = try Autoencoder.load(sandbox.path("run"), on: .reference)
    let config = try #require(model.run)
    let data = try config.prepare(try Dataset.load(sandbox.path("data.csv")))
    let before = try model.encode(data).values
    try model.save(to: sandbox.path("a/b/copy"))
    #expect(try Autoencoder.load(sandbox.path("a/b/copy"), on: .reference).encode(data).values == before)
    var copy = try RunFolder(sandbox.path("a/b/copy")).config()
    #expect(copy.identity != config.identity)
    copy.identity = config.identity
    // It was saved without samples to look at.
    #expect(copy.code == nil && config.code?.units == 6)
    copy.code = config.code
    // Saving is a process of the model's own, after the one that trained.
    let saved = copy.provenance?.popLast()
    #expect(saved != nil && saved?.step == nil && saved?.commandLine == nil)
    #expect(copy == config)
  }

  @Test func recipesAndDevicesAreListed() async throws {
    let sandbox = try Sandbox()
    let recipes = try await sandbox.run(line: "recipes")
    for recipe in Recipe.all { #expect(recipes.output.contains(recipe.name)) }
    let all = try await sandbox.run(line: "recipes --json")
    #expect(try JSONCoding.decoder.decode([Recipe].self, from: Data(all.output.utf8)) == Recipe.all)
    let devices = try await sandbox.run(line: "devices --json").object()
    let names = (devices["devices"] as? [[String: Any]] ?? []).compactMap { $0["identifier"] as? String }
    #expect(names.contains("reference"))
    #expect(names.contains(devices["automatic"] as? String ?? ""))
    #expect(try await sandbox.run(line: "devices").output.contains("reference"))
  }

  @Test func benchMeasuresWorkloads() async throws {
    let sandbox = try Sandbox()
    let line = "bench sparse --device reference --samples 8 --batch-size 4 --repeats 1"
    let rows = try await sandbox.run(line: "\(line) --json").objects()
    #expect(rows.count == 1 && rows[0]["workload"] as? String == "sparse" && rows[0]["batch"] as? Int == 4)
    #expect(rows[0]["device"] as? String == "reference" && rows[0]["median"] as? Double ?? 0 > 0)
    #expect(rows[0]["host_fraction"] as? Double ?? 0 > 0)
    let table = try await sandbox.run(line: line)
    #expect(table.output.hasPrefix("device    reference") && table.lines.last?.hasPrefix("sparse") == true)
  }

  @Test func benchReadsFiles() async throws {
    let sandbox = try Sandbox()
    try sandbox.writeData(rows: 20)
    let line = "bench --read data.csv --repeats 1"
    #expect(try await sandbox.run(line: "\(line) --json").object()["samples"] as? Int == 20)
    for (options, name) in [
      ("sparse", "'sparse'"), ("--device cpu", "--device"), ("--samples 5", "--samples"),
      ("--batch-size 5", "--batch-size"), ("--profile", "--profile"), ("--traces .", "--traces"),
      ("--overwrite", "--overwrite"),
    ] {
      let outcome = try await sandbox.run(line: "\(line) \(options)")
      #expect(outcome.refused(64) && outcome.errors.contains("leave \(name) out"), "\(outcome.errors)")
    }
  }

  @Test func benchProfilesWorkloads() async throws {
    let sandbox = try Sandbox()
    let line = "bench sparse --device cpu --samples 8 --batch-size 4 --repeats 1 --profile"
    let rows = try await sandbox.run(line: "\(line) --json --traces .").objects()
    #expect(rows.count == 2 && rows[1]["profile"] as? String == "sparse" && rows[1]["updates"] as? Int == 2)
    let ops = rows[1]["ops"] as? [[String: Any]] ?? []
    #expect(ops.contains { $0["op"] as? String == "denseGradient" && $0["kind"] as? String == "product" })
    #expect(ops.allSatisfy { $0["seconds"] as? Double ?? -1 >= 0 })
    #expect(String(decoding: try sandbox.bytes("sparse.json"), as: UTF8.self).hasPrefix("{\"traceEvents\":["))
    let table = try await sandbox.run(line: line)
    #expect(table.output.contains("optimizerStep") && table.lines.contains { $0.hasPrefix("an update of ") })
    for wrong in ["bench sparse --traces .", "\(line) --traces nowhere"] {
      let outcome = try await sandbox.run(line: wrong)
      #expect(outcome.refused(wrong.hasSuffix("nowhere") ? 74 : 64), "\(outcome.errors)")
    }
    // Before anything is measured.
    try sandbox.write("mine", to: "sparse.json")
    let kept = try await sandbox.run(line: "\(line) --traces .")
    #expect(kept.refused(64) && kept.errors.contains("--overwrite"), "\(kept.errors)")
    #expect(try sandbox.bytes("sparse.json") == Data("mine".utf8))
    #expect(try await sandbox.run(line: "\(line) --traces . --overwrite").status == 0)
    #expect(try sandbox.bytes("sparse.json") != Data("mine".utf8))
  }

  @Test func trainTellsWhereTimeGoes() async throws {
    let sandbox = try Sandbox()
    try sandbox.writeData(rows: 20)
    let line = "train sparse --layers 16,5 --data data.csv --epochs 2 --device cpu"
    let human = try await sandbox.run(line: "\(line) --out one --profile")
    #expect(human.status == 0 && human.output.contains("an update of "), "\(human.errors)")
    #expect(String(decoding: try sandbox.bytes("one/trace.json"), as: UTF8.self).contains("optimizerStep"))
    let events = try await sandbox.run(line: "\(line) --out two --profile --json").objects()
    #expect(events.last?["event"] as? String == "profile" && events.last?["updates"] as? Int == 2)
    // It is no part of the run.
    let plain = try await sandbox.run(line: "\(line) --out three --json").objects()
    #expect(plain.count == events.count - 1)
    #expect(try sandbox.bytes("one/model.safetensors") == sandbox.bytes("three/model.safetensors"))
  }

  @Test func selftestTimesOps() async throws {
    let sandbox = try Sandbox()
    let line = "selftest --perf --device reference --op total --op columnSums"
    let rows = try await sandbox.run(line: "\(line) --json").objects()
    #expect(rows.compactMap { $0["op"] as? String } == ["columnSums", "columnSums", "total"])
    for row in rows {
      #expect(row["device"] as? String == "reference" && row["case"] is String)
      #expect(row["microseconds"] as? Double ?? 0 > 0 && row["gigabytes_per_second"] is Double)
    }
    let table = try await sandbox.run(line: "selftest --perf --device reference --op total")
    #expect(table.lines.count == 3 && table.lines[2].hasPrefix("total") && table.lines[2].contains(" GB/s"))
    for wrong in ["--op allocate", "--small"] {
      let outcome = try await sandbox.run(line: "selftest --perf --device reference \(wrong)")
      #expect(outcome.refused(64), "\(outcome.errors)")
    }
  }

  @Test func selftestReportsEveryOp() async throws {
    let sandbox = try Sandbox()
    let outcome = try await sandbox.run(line: "selftest --device reference --op columnSums --op total --json")
    let reports = try outcome.objects()
    #expect(outcome.status == 0)
    #expect(Set(reports.compactMap { $0["op"] as? String }) == ["columnSums", "total"])
    for report in reports {
      #expect(report["device"] as? String == "reference" && report["failed"] as? Int == 0)
      #expect(report["cases"] is Int && report["worst_error"] is Double)
    }
  }

  /// `CINCH_TRACE=1` tells of every op with its tensors and time, and leaves results as they are.
  @Test(arguments: ["cpu", "opencl"])
  func aTraceTellsOfEveryOp(device: String) async throws {
    let sandbox = try Sandbox()
    guard try await sandbox.run(line: "selftest --device \(device) --op fill").status == 0 else { return }
    try sandbox.writeData(rows: 20)
    let line = "train sparse --layers 16,5 --data data.csv --epochs 1 --device \(device) --quiet --out"
    let plain = try await sandbox.run(line: "\(line) plain")
    let traced = try await sandbox.run(line: "\(line) traced", environment: ["CINCH_TRACE": "1"])
    #expect(plain.status == 0 && traced.status == 0)
    #expect(!plain.errors.contains("optimizerStep"))
    let ops = traced.errors.split(separator: "\n")
    #expect(ops.allSatisfy { $0.hasSuffix(" µs") })
    let product = try #require(ops.first { $0.hasPrefix("matmul ") })
    #expect(product.contains("[20×16]") && product.contains("→ c=") && product.contains("forward sigmoid"))
    #expect(ops.contains { $0.hasPrefix("optimizerStep ") && $0.contains("~parameters=") })
    #expect(try sandbox.bytes("plain/model.safetensors") == sandbox.bytes("traced/model.safetensors"))
  }

  @Test func unknownInstructionsAreRefused() async throws {
    let sandbox = try Sandbox()
    let line = "selftest --device cpu --op fill"
    let unknown = try await sandbox.run(line: line, environment: ["CINCH_INSTRUCTIONS": "avx3"])
    #expect(unknown.status == 64 && unknown.errors.contains("CINCH_INSTRUCTIONS is 'avx3'"))
    let least = try await sandbox.run(line: line, environment: ["CINCH_INSTRUCTIONS": "Baseline"])
    #expect(least.status == 0 && least.output.contains("baseline"), "\(least.errors)")
  }

  /// An array of a .npz file is named once: the run knows it.
  @Test func aRunKeepsItsArray() async throws {
    let sandbox = try Sandbox()
    let (one, two) = (sandbox.path("one.npy"), sandbox.path("two.npy"))
    try NPY.write(values: (0..<48).map { Float($0 % 7) / 7 }, shape: [12, 4], to: one)
    try NPY.write(values: (0..<48).map { Float($0 % 5) / 5 }, shape: [12, 4], to: two)
    try zipped([
      "one.npy": Data(contentsOf: URL(fileURLWithPath: one)), "two.npy": Data(contentsOf: URL(fileURLWithPath: two)),
    ])
    .write(to: sandbox.folder.appendingPathComponent("both.npz"))
    let train = "train linear --data both.npz --layers 4,2 --device reference --epochs 1 --out run"
    let unsaid = try await sandbox.run(line: train)
    #expect(unsaid.refused(64) && unsaid.errors.contains("--array one"), "\(unsaid.errors)")
    #expect(try await sandbox.run(line: train + " --array two").status == 0)
    #expect(try await sandbox.run(line: "train --resume run --epochs 2").status == 0)
    let own = try await sandbox.run(line: "eval run --json").object()
    let array = try await sandbox.run(line: "eval run --data two.npy --json").object()
    let other = try await sandbox.run(line: "eval run --data both.npz --json").object()
    let first = try await sandbox.run(line: "eval run --data both.npz --array one --json").object()
    func loss(_ record: [String: Any]) -> Double { record["reconstruction_per_sample"] as? Double ?? .nan }
    #expect(loss(own) == loss(array) && loss(own) == loss(other) && loss(own) != loss(first))
  }

  /// A .zip archive of files that are not packed.
  private func zipped(_ files: [String: Data]) -> Data {
    func little(_ value: Int, _ size: Int) -> Data {
      Data((0..<size).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) })
    }
    var archive = Data()
    var directory = Data()
    for (name, bytes) in files.sorted(by: { $0.key < $1.key }) {
      let sum = Int(CRC32.of(bytes))
      let common =
        Data([20, 0, 0, 0, 0, 0, 0, 0, 0, 0]) + little(sum, 4) + little(bytes.count, 4) + little(bytes.count, 4)
        + little(name.utf8.count, 2) + Data([0, 0])
      directory +=
        Data([0x50, 0x4B, 1, 2, 20, 0]) + common + Data(count: 10) + little(archive.count, 4) + Data(name.utf8)
      archive += Data([0x50, 0x4B, 3, 4]) + common + Data(name.utf8) + bytes
    }
    let end = little(files.count, 2) + little(files.count, 2) + little(directory.count, 4) + little(archive.count, 4)
    return archive + directory + Data([0x50, 0x4B, 5, 6, 0, 0, 0, 0]) + end + Data([0, 0])
  }
}
