import Cinch
import Foundation
import Testing

/// What a run tells of where it comes from.
@Suite struct ProvenanceTests {
  private func train(_ sandbox: Sandbox, _ out: String, _ rest: String = "") async throws {
    let line = "train linear --layers 16,4 --data data.csv --device reference --epochs 1 --quiet --out \(out)"
    #expect(try await sandbox.run(line: line + " " + rest).status == 0)
  }

  /// Each process that trained a run is on record, with what it was told.
  @Test func everyProcessIsKept() async throws {
    let sandbox = try Sandbox()
    try sandbox.writeData("my data.csv", rows: 30)
    let words = [
      "train", "linear", "--layers", "16,4", "--data", "my data.csv", "--device", "reference", "--out", "run",
    ]
    #expect(try await sandbox.start(words + ["--epochs", "1", "--quiet"]).wait().status == 0)
    try await sandbox.run(line: "train --resume run --epochs 2 --quiet")
    let config = try RunFolder(sandbox.path("run")).config()
    let kept = try #require(config.provenance)
    #expect(
      kept.map(\.commandLine) == [
        ["cinch"] + words + ["--epochs", "1", "--quiet"],
        ["cinch", "train", "--resume", "run", "--epochs", "2", "--quiet"],
      ])
    #expect(kept[0].step == 0 && (kept[1].step ?? 0) > 0)
    // Looking at a run that has ended trains nothing.
    #expect(try await sandbox.run(line: "train --resume run --quiet").status == 0)
    #expect(try RunFolder(sandbox.path("run")).config().provenance == kept)
    for process in kept {
      #expect(process.cinch == CinchVersion.current && process.device.identifier == "reference")
      #expect(!process.host.isEmpty && process.system.hasPrefix("Linux "))
      #expect(process.directory.hasSuffix(sandbox.folder.lastPathComponent))
      let date = try #require(try? Date(process.date, strategy: .iso8601))
      #expect(abs(date.timeIntervalSinceNow) < 3600)
    }
    let info = try await sandbox.run(line: "info run")
    #expect(info.output.contains("cinch train linear --layers 16,4 --data 'my data.csv' --device reference --out run"))
    let fingerprint = try #require(config.samples?.fingerprint)
    #expect(info.output.contains(kept[1].date) && info.output.contains(fingerprint))
    let json = try await sandbox.run(line: "info run --json").object()
    let list = try #require((json["config"] as? [String: Any])?["provenance"] as? [[String: Any]])
    #expect(list.map { $0["host"] as? String } == kept.map(\.host))
  }

  /// Quotes are what a shell needs, and no more.
  @Test func commandsComeBackThroughAShell() async throws {
    let sandbox = try Sandbox()
    try sandbox.writeData(rows: 30)
    let out = "it's $HOME; \"new\"\\"
    let words = ["train", "linear", "--layers", "16,4", "--data", "data.csv", "--device", "reference", "--quiet"]
    #expect(try await sandbox.start(words + ["--epochs", "1", "--out", out]).wait().status == 0)
    let text = try #require(try RunFolder(sandbox.path(out)).config().provenance?.first?.commandText)
    let shell = Process()
    shell.executableURL = URL(filePath: "/bin/sh")
    shell.arguments = ["-c", "printf '%s\\n' \(text)"]
    let pipe = Pipe()
    shell.standardOutput = pipe
    try shell.run()
    let printed = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    #expect(printed.split(separator: "\n").map(String.init) == ["cinch"] + words + ["--epochs", "1", "--out", out])
  }

  @Test func runsAreCompared() async throws {
    let sandbox = try Sandbox()
    try sandbox.writeData(rows: 30)
    try await train(sandbox, "a")
    try await train(sandbox, "b", "--lr 0.25 --seed 7")
    try await train(sandbox, "c")
    let two = try await sandbox.run(line: "info a b")
    #expect(two.status == 0)
    let names = two.lines.map { $0.split(separator: " ").first.map(String.init) ?? "" }
    #expect(
      names == ["a", "recipe.training.optimizer.learning_rate", "recipe.training.seed", "epochs", "last", "last"])
    #expect(two.lines[1].hasSuffix("0.25") && two.lines[2].hasSuffix("7"))
    let object = try await sandbox.run(line: "info a b c --json").object()
    let differences = try #require(object["differences"] as? [[String: Any]])
    #expect(
      differences.map { $0["name"] as? String } == ["recipe.training.optimizer.learning_rate", "recipe.training.seed"])
    #expect((differences[0]["values"] as? [String])?[1] == "0.25")
    let runs = try #require(object["runs"] as? [[String: Any]])
    #expect(runs.map { $0["run"] as? String } == ["a", "b", "c"])
    let losses = runs.map { ($0["last"] as? [String: Any])?["loss"] as? Double }
    #expect(losses[0] == losses[2] && losses[0] != losses[1])
    let same = try await sandbox.run(line: "info a c --json").object()
    #expect((same["differences"] as? [Any])?.isEmpty == true)
    #expect(try await sandbox.run(line: "info a missing").refused(74))
    #expect(try await sandbox.run(line: "info").status == 64)
  }

  /// A run that went on elsewhere is not one that did not.
  @Test func everyProcessCounts() async throws {
    let sandbox = try Sandbox()
    try sandbox.writeData(rows: 30)
    try await train(sandbox, "a")
    var other = try RunFolder(sandbox.path("a")).config()
    var second = try #require(other.provenance?.first)
    second.host = "elsewhere"
    other.provenance?.append(second)
    let here = try RunFolder(sandbox.path("a")).config()
    let difference = try #require(try RunComparison([here, other]).differences.first)
    let host = try #require(here.provenance?.first?.host)
    #expect(difference.name == "host" && difference.values == [host, "\(host), elsewhere"])
    #expect(try RunComparison([here, here]).differences.isEmpty)
  }

  /// Imported weights were trained elsewhere, and the run says how they came.
  @Test func whatIsSavedIsNotTrained() async throws {
    let sandbox = try Sandbox()
    try sandbox.writeData(rows: 30)
    try await train(sandbox, "a")
    let line = "import a/model.safetensors --recipe a -o b --device reference"
    #expect(try await sandbox.run(line: line).status == 0)
    let kept = try #require(try RunFolder(sandbox.path("b")).config().provenance)
    #expect(kept.map(\.step) == [nil] && kept[0].commandText == "cinch " + line)
    let info = try await sandbox.run(line: "info b")
    #expect(info.lines.contains { $0.hasPrefix("saved ") } && !info.lines.contains { $0.hasPrefix("trained ") })
  }

  /// A run's recipe is taken from its folder.
  @Test func recipesComeFromRuns() async throws {
    let sandbox = try Sandbox()
    try sandbox.writeData(rows: 30)
    try await train(sandbox, "a", "--lr 0.25")
    let again = try await sandbox.run(line: "train --recipe a --data data.csv --device reference --quiet --out b")
    #expect(again.status == 0, "\(again.errors)")
    #expect(try sandbox.bytes("a/model.safetensors") == sandbox.bytes("b/model.safetensors"))
    let missing = try await sandbox.run(line: "train --recipe nowhere --data data.csv --device reference --out c")
    #expect(missing.refused(74))
    try FileManager.default.createDirectory(
      at: sandbox.folder.appendingPathComponent("empty"), withIntermediateDirectories: true)
    let empty = try await sandbox.run(line: "train --recipe empty --data data.csv --device reference --out c")
    #expect(empty.refused(74) && empty.errors.contains("empty/config.json"))
  }
}
