import Cinch
import Foundation
import TestSupport
import Testing

@testable import CinchCommand

/// `cinch sweep`.
@Suite struct SweepCommandTests {
  private func sandbox() throws -> Sandbox {
    let sandbox = try Sandbox()
    try sandbox.writeData("data.csv", rows: 60, columns: 16)
    return sandbox
  }

  @Test func aGridIsTrainedAndCompared() async throws {
    let sandbox = try sandbox()
    let outcome = try await sandbox.run(
      line:
        "sweep sparse --data data.csv --layers 16,6 --grid lr=1e-2,1e-3,1e30 --grid code=4,6 --epochs 2 --device cpu --jobs 2 --out s --json"
    )
    let events = try outcome.objects()
    #expect(events.map { $0["event"] as? String } == ["start"] + Array(repeating: "run", count: 6) + ["end"])
    let runs = try #require(events.last?["runs"] as? [[String: Any]])
    let scores = runs.compactMap { $0["score"] as? Double }
    #expect(runs.count == 6 && scores.count == 4 && scores == scores.sorted() && events.last?["failed"] as? Int == 2)
    for run in runs {
      let settings = try #require(run["settings"] as? [String: String])
      let info = try await sandbox.run("info", try #require(run["run"] as? String), "--json").object()
      let config = try #require(info["config"] as? [String: Any])
      let training = (config["recipe"] as? [String: Any])?["training"] as? [String: Any]
      let rate = (training?["optimizer"] as? [String: Any])?["learning_rate"] as? Double
      #expect(rate == Double(try #require(settings["lr"])))
      #expect((run["state"] as? String == "failed") == (settings["lr"] == "1e30"))
    }
    let page = try String(contentsOfFile: sandbox.path("s/report.html"), encoding: .utf8)
    #expect(
      page.contains("3-lr=1e-3-code=4") && !page.contains("lr=1e30")
        && events.last?["report"] as? String == "s/report.html")
    // Neither a sweep's own files nor a run's are an output, not behind a link either.
    try FileManager.default.createSymbolicLink(
      atPath: sandbox.path("link"), withDestinationPath: sandbox.path("s/1-lr=1e-2-code=4/config.json"))
    for output in ["s/sweep.json", "link"] {
      let refused = try await sandbox.run("report", "s/1-lr=1e-2-code=4", "--no-tsne", "-o", output, "--overwrite")
      #expect(refused.refused(64) && refused.errors.contains("own file"), "\(refused.errors)")
    }
    let again = try await sandbox.run(line: "sweep --resume s")
    #expect(again.lines.count == 8 && again.errors.contains("6 runs, 0 of them left"))
  }

  /// Its runs go on to the bits that they would have had.
  @Test func anInterruptedSweepGoesOn() async throws {
    let sandbox = try sandbox()
    let line = "sweep linear --data data.csv --grid seed=1,2,3 --epochs 400 --device cpu --json --out"
    try await sandbox.run(line: "\(line) whole")
    let process = try await sandbox.start((line + " stopped").split(separator: " ").map(String.init))
    try await process.waitForLines(2, thenSend: SIGINT)
    let outcome = try await process.wait()
    // On a quick machine it may have come to its end.
    #expect(outcome.status == 130 && outcome.errors.contains("sweep --resume stopped") || outcome.status == 0)
    try await sandbox.run(line: "sweep --resume stopped --quiet")
    for run in ["1-seed=1", "2-seed=2", "3-seed=3"] {
      #expect(try sandbox.bytes("whole/\(run)/model.safetensors") == sandbox.bytes("stopped/\(run)/model.safetensors"))
    }
  }

  @Test func aSweepThatNobodyReadsStopsAndSaysSo() async throws {
    let sandbox = try sandbox()
    let pipe = Pipe()
    try pipe.fileHandleForReading.close()
    let line = "sweep linear --data data.csv --grid seed=1,2 --epochs 2 --device cpu --json --out s"
    let sweep = try await sandbox.start(
      line.split(separator: " ").map(String.init), output: pipe.fileHandleForWriting
    ).wait()
    #expect(sweep.status == 74 && sweep.errors.contains("go on with 'cinch sweep --resume s'"), "\(sweep.errors)")
    let resumed = try await sandbox.run(line: "sweep --resume s --json")
    #expect(resumed.status == 0, "\(resumed.errors)")
  }

  /// A sweep goes on with data that were moved, and so do its runs: of three one has ended before that, one was stopped.
  @Test func dataThatWereMovedAreNamedAnew() async throws {
    let sandbox = try sandbox()
    let line = "sweep linear --data data.csv --validation held.csv --grid seed=1,2,3 --device cpu --quiet"
    try sandbox.writeData("held.csv", rows: 20, scale: 0.9)
    #expect(try await sandbox.run(line: "\(line) --epochs 3 --out straight").status == 0)
    #expect(try await sandbox.run(line: "\(line) --epochs 3 --out s").status == 0)
    // As where it was stopped: one run has begun, another has not.
    for run in ["1-seed=1", "2-seed=2"] { try FileManager.default.removeItem(atPath: sandbox.path("s/\(run)")) }
    let pipe = Pipe()
    try pipe.fileHandleForReading.close()
    let part =
      "train linear --data data.csv --validation held.csv --seed 1 --device cpu --epochs 3 --json --out s/1-seed=1"
    let stopped = try await sandbox.start(
      part.split(separator: " ").map(String.init), output: pipe.fileHandleForWriting
    ).wait()
    #expect(stopped.status == 74 && FileManager.default.fileExists(atPath: sandbox.path("s/1-seed=1/config.json")))
    try sandbox.writeData("other.csv", rows: 60, scale: 0.5)
    for name in ["data.csv", "held.csv"] {
      try FileManager.default.moveItem(atPath: sandbox.path(name), toPath: sandbox.path("moved-\(name)"))
    }
    for (options, status, words) in [
      ("", 74, "say where it is now with --data."),
      (" --data moved-data.csv", 74, "where it is now with --validation."),
      (" --data other.csv --validation moved-held.csv", 65, "other data"), (" --labels a.txt", 64, "--labels"),
      (" --data moved-data.csv --seed 3", 64, "--seed cannot be given with --resume"),
    ] {
      let outcome = try await sandbox.run(line: "sweep --resume s --quiet" + options)
      #expect(outcome.refused(Int32(status)) && outcome.errors.contains(words), "\(options): \(outcome.errors)")
    }
    let go = "sweep --resume s --data moved-data.csv --validation moved-held.csv --quiet"
    let resumed = try await sandbox.run(line: go)
    #expect(resumed.status == 0, "\(resumed.errors)")
    for run in ["1-seed=1", "2-seed=2", "3-seed=3"] {
      #expect(try sandbox.bytes("s/\(run)/model.safetensors") == sandbox.bytes("straight/\(run)/model.safetensors"))
      #expect(try await sandbox.run(line: "eval s/\(run)").status == 0)
    }
    // From here on it knows where they lie.
    try FileManager.default.removeItem(atPath: sandbox.path("s/2-seed=2"))
    #expect(try await sandbox.run(line: "sweep --resume s --quiet").status == 0)
    // And again, where nothing is left to train.
    try FileManager.default.moveItem(atPath: sandbox.path("moved-data.csv"), toPath: sandbox.path("data.csv"))
    #expect(try await sandbox.run(line: "sweep --resume s --quiet --data other.csv").refused(65))
    #expect(try await sandbox.run(line: "sweep --resume s --quiet --data data.csv").status == 0)
    #expect(try await sandbox.run(line: "eval s/3-seed=3").status == 0)
  }

  /// Options that hold for every run, and a setting of a grid beside them.
  static let settings: [(String, String)] = [
    ("deep", "layers=16,5"),
    ("pca", "components=3"),
    ("deep", "activation=tanh"),
    ("deep --layers 16,8,4", "code-activation=tanh"),
    ("deep --loss sse", "output-activation=linear"),
    ("deep", "loss=sse"),
    ("deep --loss gaussian --output-activation linear", "sigma=0.5"),
    ("deep --lr 0.01", "optimizer=lbfgs"),
    ("deep --layers 16,4", "lr=0.5"),
    ("deep --optimizer momentum", "momentum=0.5"),
    ("deep --optimizer lbfgs", "history-size=3"),
    ("deep", "schedule=cosine"),
    ("deep", "warm-up=1"),
    ("deep", "clip=2"),
    ("deep", "batch-size=7"),
    ("deep", "seed=3"),
    ("deep", "weight-decay=0.1"),
    ("sparse --beta 0", "rho=0.2"),
    ("sparse", "rho=0.2"),
    ("sparse", "beta=2"),
    ("deep --sparsity-momentum 0.5 --activation sigmoid", "rho=0.1"),
    ("sparse", "sparsity-momentum=0.5"),
    ("vae", "beta-warm-up=5"),
    ("deep", "l1=0.1"),
    ("contractive", "contraction=0.2"),
    ("rbm", "cd=2"),
    ("rbm", "persistent=yes"),
    ("rbm --lr 0.01 --scale standard", "visible=gaussian"),
    ("rbm --lr 0.02", "visible=bernoulli"),
    ("deep --corruption-level 0.1", "corruption=gaussian"),
    ("denoising", "corruption-level=0.1"),
    ("undercomplete", "tied=yes"),
    ("undercomplete --tied", "code-activation=linear"),
    ("deep", "validation-split=0.25"),
    ("deep --validation-split 0.25", "patience=2"),
    ("undercomplete --layers 16,8,4", "code-activation=linear"),
    ("deep --momentum 0.5", "optimizer=nesterov"),
  ]

  /// A run is what `train` makes of the same words, whichever of them are a grid's.
  @Test(arguments: settings) func aRunIsWhatTrainMakes(common: String, setting: String) async throws {
    let sandbox = try sandbox()
    let parts = setting.split(separator: "=").map(String.init)
    let option = parts[1] == "yes" ? "--\(parts[0])" : "--\(parts[0]) \(parts[1])"
    let epochs = parts[0] == "components" ? "" : " --epochs 0"
    let shared = "\(common) --data data.csv --device reference --quiet" + epochs
    let trained = try await sandbox.run(line: "train \(shared) \(option) --out alone")
    try #require(trained.status == 0, "\(trained.errors)")
    let swept = try await sandbox.run(line: "sweep \(shared) --grid \(setting) --out s")
    try #require(swept.status == 0, "\(swept.errors)")
    let path = "s/1-\(setting.replacing(",", with: "-"))"
    let (alone, run) = (try RunFolder(sandbox.path("alone")).config(), try RunFolder(sandbox.path(path)).config())
    #expect(run.recipe == alone.recipe && run.scaling?.kind == alone.scaling?.kind)
  }

  @Test func everySettingIsTried() {
    let names = Self.settings.map { String($0.1.split(separator: "=")[0]) }
    #expect(Set(names) == Set(Grid.optionNames))
  }

  /// What a loss or a scaling makes of a table with texts.
  @Test func tablesAreWhatTrainMakesOfThem() async throws {
    let sandbox = try sandbox()
    let birds = ["Biscoe,30,m", "Dream,35,f", "Torgersen,40,m", "Biscoe,32,f", "Dream,37,m", "Torgersen,42,f"]
    let rows = (0..<60).map { birds[$0 % birds.count] }
    try sandbox.write((["island,length,sex"] + rows).joined(separator: "\n") + "\n", to: "birds.csv")
    let shared = "deep --data birds.csv --device reference --epochs 1 --quiet"
    let trained = try await sandbox.run(line: "train \(shared) --loss sse --scale minmax --out alone")
    #expect(trained.status == 0, "\(trained.errors)")
    let swept = try await sandbox.run(line: "sweep \(shared) --grid loss=sse,mse --grid scale=minmax --out s")
    #expect(swept.status == 0, "\(swept.errors)")
    let alone = try RunFolder(sandbox.path("alone")).config()
    let run = try RunFolder(sandbox.path("s/1-loss=sse-scale=minmax")).config()
    #expect(run.recipe == alone.recipe && run.scaling?.kind == alone.scaling?.kind)
    let unscaled = try await sandbox.run(line: "train \(shared) --scale none --out other")
    let none = try await sandbox.run(line: "sweep \(shared) --grid scale=none --out other")
    for outcome in [unscaled, none] {
      #expect(outcome.refused(65) && outcome.errors.contains("[0, 1]"), "\(outcome.errors)")
    }
  }

  /// A file's input that gives way to the data's is told once, and its settings to those of the grid.
  @Test func aFilesRecipeIsSwept() async throws {
    let sandbox = try sandbox()
    try sandbox.write(#"{"layers": [8, 4], "optimizer": {"rule": "adam", "learning_rate": 0.1}}"#, to: "r.json")
    let shared = "--recipe r.json --data data.csv --lr 0.01 --epochs 1 --device cpu"
    let outcome = try await sandbox.run(line: "sweep \(shared) --grid optimizer=adam,lbfgs --out s")
    #expect(outcome.status == 0 && outcome.errors.split(separator: "gives way").count == 2, "\(outcome.errors)")
    for run in ["s/1-optimizer=adam", "s/2-optimizer=lbfgs"] {
      let recipe = try RunFolder(sandbox.path(run)).config().recipe
      #expect(recipe.optimizer.learningRate == 0.01 && recipe.input == 16)
    }
  }

  /// A heading holds for every row.
  @Test(arguments: [("0", "training"), ("0.2,0.25", "held out"), ("0,0.2", "score"), ("0.2,0", "score")])
  func scoresAreCalledWhatTheyAre(splits: String, heading: String) async throws {
    let sandbox = try sandbox()
    let line = "sweep linear --data data.csv --grid validation-split=\(splits) --epochs 1 --device cpu --out s"
    let outcome = try await sandbox.run(line: line)
    #expect(outcome.status == 0 && outcome.lines.first?.contains("  \(heading)  ") == true, "\(outcome.output)")
  }

  /// Runs without an epoch have come to their end, but have no score.
  @Test func runsWithoutAnEpochHaveEnded() async throws {
    let sandbox = try sandbox()
    let line = "sweep deep --data data.csv --layers 16,3 --grid lr=1,2 --epochs 0 --device cpu --out s"
    let outcome = try await sandbox.run(line: line)
    #expect(outcome.status == 0 && !outcome.errors.contains("nan"), "\(outcome.errors)")
    let rows = outcome.lines.filter { $0.hasPrefix("lr=") }
    #expect(rows.count == 2 && rows.allSatisfy { $0.contains(" ended ") }, "\(outcome.output)")
  }

  /// Its runs would not compare.
  @Test func changedDataAreRefused() async throws {
    let sandbox = try sandbox()
    try await sandbox.run(line: "sweep linear --data data.csv --grid seed=1,2 --epochs 1 --device cpu --out s --quiet")
    try FileManager.default.removeItem(atPath: sandbox.path("s/2-seed=2"))
    try sandbox.writeData("data.csv", rows: 60, columns: 16, scale: 0.5)
    let outcome = try await sandbox.run(line: "sweep --resume s")
    #expect(outcome.status == 65 && outcome.errors.contains("or start a new sweep"), "\(outcome.errors)")
    #expect(!sandbox.exists("s/2-seed=2"))
  }

  /// Where no run can be trained there is nothing to make a folder for; of others some may fail.
  @Test func aSweepThatCannotBeginLeavesNothing() async throws {
    let sandbox = try sandbox()
    try sandbox.writeData("large.csv", rows: 20, columns: 16, scale: 300)
    for (line, status, part) in [
      ("classifier --data data.csv --layers 16,3 --grid lr=1,2", 65, "label"),
      ("deep --data large.csv --layers 16,3 --loss bce --grid lr=1,2", 65, "[0, 1]"),
      ("deep --data data.csv --layers 16,3 --grid batch-size=1,2 --device opencl:9:9", 69, "no device"),
    ] as [(String, Int32, String)] {
      let outcome = try await sandbox.run(line: "sweep \(line) --out s")
      #expect(outcome.refused(status) && outcome.errors.contains(part), "\(line): \(outcome.errors)")
      #expect(!sandbox.exists("s"), "\(line)")
    }
    let line = "deep --data large.csv --layers 16,3 --loss bce --grid scale=none,minmax --epochs 1 --device cpu --json"
    let mixed = try await sandbox.run(line: "sweep \(line) --out s")
    #expect(try mixed.objects().last?["failed"] as? Int == 1, "\(mixed.errors)")
  }

  @Test(arguments: [
    ("sweep sparse --data data.csv", "no grid"), ("sweep --grid lr=1", "No recipe is named"),
    ("sweep sparse --data data.csv --grid lrr=1", "did you mean 'lr'"),
    ("sweep sparse --data data.csv --grid lr", "invalid"), ("sweep sparse --data data.csv --grid lr=", "empty value"),
    ("sweep sparse --data data.csv --grid lr=1,1", "a value twice"),
    ("sweep sparse --data data.csv --grid lr=1 --grid lr=2", "two grids"),
    ("sweep sparse --data data.csv --grid code=1,2 --grid layers=16,4;16,5", "how wide the code is"),
    ("sweep pca --data data.csv --grid components=1,2 --grid code=1,2", "how wide the code is"),
    ("sweep sparse --data data.csv --grid lr=1 --lr 2", "leave one of them out"),
    ("sweep pca --data data.csv --components 3 --grid code=1,2", "both say how wide the code is"),
    ("sweep pca --data data.csv --layers 16,3 --grid components=1,2", "Give --components or --layers, not both"),
    ("sweep deep --data data.csv --validation data.csv --grid validation-split=0.1", "each says what is held out"),
    ("sweep deep --data data.csv --zca-epsilon 0.2 --grid scale=none", "belongs to whitening"),
    ("sweep deep --data data.csv --momentum 0.5 --grid optimizer=momentum,adam", "means nothing to adam"),
    ("sweep sparse --data data.csv --grid lr=x", "'x' is invalid"),
    ("sweep sparse --data data.csv --grid loss=mse,foo", "one of the following: sse, mse"),
    ("sweep sparse --data data.csv --grid code=0", "no number of 1 or more"),
    ("sweep sparse --data data.csv --grid tied=maybe", "neither yes nor no"),
    ("sweep sparse --data data.csv --grid scale=max", "is none of"),
    ("sweep sparse --data data.csv --grid lr=-1", "cannot be trained"),
    ("sweep sparse --data data.csv --grid lr=1 --jobs 0", "no number of runs"),
    ("sweep pca --data data.csv --grid epochs=1,2", "closed form"),
    ("sweep --resume s --grid lr=1", "cannot be given with --resume"),
    ("sweep --resume s --lr 0.1", "cannot be given with --resume"),
  ])
  func whatMakesNoSenseIsRefused(line: String, part: String) async throws {
    let sandbox = try sandbox()
    let outcome = try await sandbox.start(line.split(separator: " ").map(String.init)).wait()
    #expect(outcome.refused(64) && outcome.errors.contains(part), "\(line): \(outcome.errors)")
    #expect(!sandbox.exists("runs"))
  }
}
