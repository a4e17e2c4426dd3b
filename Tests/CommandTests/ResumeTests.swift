import Cinch
import Foundation
import Testing

/// Runs that stop, by request or by force, and go on.
@Suite struct ResumeTests {
  /// Corruption, KL sparsity, Adam, held-out samples and best weights: all that a checkpoint must carry.
  private let recipe = """
    train denoising --layers 16,12 --rho 0.2 --data data.csv --batch-size 8 --validation-split 0.1 --patience 100000 \
    --seed 5 --json
    """

  private func hasDevice(_ name: String) async throws -> Bool {
    try await Sandbox().run(line: "selftest --device \(name) --op fill").status == 0
  }

  /// A run that goes on until it is stopped, after a few lines.
  private func endless(_ sandbox: Sandbox) async throws -> Running {
    let line = "\(recipe) --device reference --epochs 100000 --out run"
    let running = try await sandbox.start(line.split(separator: " ").map(String.init))
    try await running.waitForLines(3)
    return running
  }

  /// With enough rows that the run is still going when the signal comes, on a machine that is busy with other tests.
  @Test(arguments: [("reference", 2000), ("cpu", 12_000)])
  func anInterruptedRunComesToTheSameBits(device: String, rows: Int) async throws {
    guard try await hasDevice(device) else { return }
    let sandbox = try Sandbox()
    try sandbox.writeData(rows: rows)
    let line = "\(recipe) --device \(device) --epochs 60"
    #expect(try await sandbox.run(line: "\(line) --out straight").status == 0)

    let running = try await sandbox.start("\(line) --out stopped".split(separator: " ").map(String.init))
    try await running.waitForLines(4, thenSend: SIGINT)
    let stopped = try await running.wait()
    #expect(stopped.status == 130)
    #expect(stopped.errors == "cinch: Interrupted: go on with 'cinch train --resume stopped'.\n")
    #expect(try stopped.objects().last?["event"] as? String == "epoch")
    #expect(sandbox.exists("stopped/model.safetensors"))

    let resumed = try await sandbox.run(line: "train --resume stopped --json")
    #expect(resumed.status == 0, "\(resumed.errors)")
    let first = try #require(try resumed.objects().first?["resumed_from_epoch"] as? Int)
    #expect(first >= 3 && first < 60)
    #expect(try sandbox.bytes("stopped/model.safetensors") == sandbox.bytes("straight/model.safetensors"))
  }

  @Test func moreEpochsComeToTheSameBits() async throws {
    let sandbox = try Sandbox()
    try sandbox.writeData(rows: 60)
    // A learning rate at which the best epoch is often not the last.
    let line = "\(recipe) --device reference --lr 0.1"
    #expect(try await sandbox.run(line: "\(line) --epochs 9 --out straight").status == 0)
    #expect(try await sandbox.run(line: "\(line) --epochs 4 --out parts").status == 0)
    let same = try await sandbox.run(line: "train --resume parts --json")
    #expect(same.status == 0)
    #expect(try same.objects().compactMap { $0["event"] as? String } == ["start", "end"])
    #expect(try await sandbox.run(line: "train --resume parts --epochs 9").status == 0)
    #expect(try sandbox.bytes("parts/model.safetensors") == sandbox.bytes("straight/model.safetensors"))
  }

  /// Kernels that were forced stay forced, and the names that 0.1 wrote, which had any family that was named, are read.
  @Test(arguments: ["cpu", "gpu"])
  func aResumedRunKeepsItsKernels(family: String) async throws {
    guard try await hasDevice("opencl:0:0") else { return }
    let sandbox = try Sandbox()
    try sandbox.writeData(rows: 60)
    let trained = try await sandbox.run(line: "\(recipe) --device opencl:0:0/\(family) --epochs 1 --out run")
    let device = try #require(try trained.objects().first?["device"] as? String)
    #expect(device == "opencl:0:0" || device == "opencl:0:0/\(family)")
    let config = String(decoding: try sandbox.bytes("run/config.json"), as: UTF8.self)
    #expect(config.contains(#""identifier" : "\#(device)""#))
    for (epochs, name) in [(2, device), (3, "opencl:0:0/\(family)")] {
      let old = config.replacing(#""identifier" : "\#(device)""#, with: #""identifier" : "\#(name)""#)
      try sandbox.write(old, to: "run/config.json")
      let resumed = try await sandbox.run(line: "train --resume run --epochs \(epochs) --json")
      #expect(resumed.status == 0, "\(resumed.errors)")
      #expect(try resumed.objects().first?["device"] as? String == device)
    }
    #expect(try await sandbox.run(line: "eval run").status == 0)
  }

  /// Counters that no run can have come to are refused, not trusted.
  @Test(arguments: [
    (#""epoch":2"#, #""epoch":-1"#), (#""epoch":2"#, #""epoch":9"#), (#""step":"#, #""step":-"#),
    (#""step_in_epoch":0"#, #""step_in_epoch":-3"#), (#""step_in_epoch":0"#, #""step_in_epoch":9223372036854775807"#),
    (#""samples":0"#, #""samples":7"#), (#""sums":["#, #""sums":[0.5,"#), (#""best_epoch":"#, #""best_epoch":-"#),
  ])
  func impossibleCheckpointsAreRefused(part: String, other: String) async throws {
    let sandbox = try Sandbox()
    try sandbox.writeData(rows: 60)
    try await sandbox.run(line: "\(recipe) --device reference --epochs 2 --out run")
    try sandbox.editHeader("run/checkpoint.safetensors") { header in
      let quoted = { (text: String) in text.replacing("\"", with: "\\\"") }
      #expect(header.contains(quoted(part)), "\(header)")
      return header.replacing(quoted(part), with: quoted(other), maxReplacements: 1)
    }
    let resumed = try await sandbox.run(line: "train --resume run --epochs 4")
    #expect(resumed.refused(65), "\(resumed.status) \(resumed.errors)")
  }

  @Test func aKilledRunLeavesACheckpoint() async throws {
    let sandbox = try Sandbox()
    try sandbox.writeData(rows: 400)
    let running = try await endless(sandbox)
    kill(running.process.processIdentifier, SIGKILL)
    #expect(try await running.wait().status == 137)
    #expect(try await sandbox.run(line: "eval run --device reference").refused(74), "there is no model yet")

    let resumed = try await sandbox.start("train --resume run --json".split(separator: " ").map(String.init))
    try await resumed.waitForLines(3, thenSend: SIGTERM)
    #expect(try await resumed.wait().status == 130)
    #expect(try await sandbox.run(line: "eval run --device reference").status == 0)
  }

  /// A terminal that closes sends SIGHUP by the kernel and by the shell: the second does not cut the first one's saving.
  @Test func repeatedHangupsSaveTheRun() async throws {
    let sandbox = try Sandbox()
    try sandbox.writeData(rows: 400)
    let running = try await endless(sandbox)
    for _ in 0..<20 {
      kill(running.process.processIdentifier, SIGHUP)
      try await Task.sleep(for: .milliseconds(1))
    }
    #expect(try await running.wait().status == 130)
    #expect(try await sandbox.run(line: "eval run --device reference").status == 0)
  }

  /// A terminal that closes and a system that shuts down are as good a reason to stop as Ctrl-C.
  @Test(arguments: [SIGINT, SIGTERM, SIGHUP])
  func everySignalThatAsksToEndSavesTheRun(signal: Int32) async throws {
    let sandbox = try Sandbox()
    try sandbox.writeData(rows: 400)
    let running = try await endless(sandbox)
    kill(running.process.processIdentifier, signal)
    #expect(try await running.wait().status == 130)
    #expect(sandbox.exists("run/model.safetensors"))
    #expect(try await sandbox.run(line: "eval run --device reference").status == 0)
  }

  /// `ulimit -f` ends in a sentence, and leaves no half of a file.
  @Test func aFileBeyondTheLimitIsAnError() async throws {
    let sandbox = try Sandbox()
    try sandbox.writeData(rows: 400)
    try await sandbox.run(line: "train deep --layers 16,12 --data data.csv --device reference --epochs 1 --out run")
    try expectLimit(blocks: 4, "encode run --device reference -o codes.npy", in: sandbox)
    let left = try FileManager.default.contentsOfDirectory(atPath: sandbox.folder.path)
    #expect(!left.contains { $0 == "codes.npy" || $0.hasPrefix(".cinch-") }, "\(left)")
  }

  /// Images that do not all come into their folder leave none, and no folder either.
  @Test func halfAFolderOfImagesIsNotLeft() async throws {
    let sandbox = try Sandbox()
    let values = (0..<20 * 192).map { Float($0 * $0 % 101) / 101 }
    try NPY.write(values: values, shape: [20, 3, 8, 8], to: sandbox.path("images.npy"))
    try await sandbox.run(
      "train", "conv-denoising", "--data", "images.npy", "--layers", "conv 4 3x3 s2", "--device", "reference",
      "--epochs", "1", "--out", "run")
    try FileManager.default.createDirectory(atPath: sandbox.path("mixed"), withIntermediateDirectories: true)
    for (name, size) in [("1.png", 8), ("2.png", 400)] {
      var image = try RasterImage(width: size, height: size, channels: 3)
      for place in image.pixels.indices { image.pixels[place] = UInt8(truncatingIfNeeded: place * place / 7) }
      try PNG.write(image, to: sandbox.path("mixed/\(name)"))
    }
    let line = "inpaint run --data mixed --block 2x2 --device reference -o back/images --picture p.png"
    try expectLimit(blocks: 4, line, in: sandbox)
    #expect(!sandbox.exists("back"))
    let whole = try await sandbox.run(line: line)
    #expect(whole.status == 0 && sandbox.exists("back/images/1.png"), "\(whole.errors)")
  }

  /// An import that fails leaves nothing that a second one would stumble over.
  @Test func aFailedImportLeavesNoRun() async throws {
    let sandbox = try Sandbox()
    try sandbox.writeData(rows: 20)
    try await sandbox.run(line: "train deep --layers 16,12 --data data.csv --device reference --epochs 1 --out run")
    try await sandbox.run(line: "export run -o w.safetensors")
    let line = "import w.safetensors --recipe run/config.json --device reference -o back"
    try expectLimit(blocks: 1, line, in: sandbox)
    #expect(!sandbox.exists("back"))
    let again = try await sandbox.run(line: line)
    #expect(again.status == 0, "\(again.errors)")
  }

  /// Nor does a run whose first file, or a later one, cannot be written.
  @Test func aRunThatCannotBeginLeavesNoFolder() throws {
    let sandbox = try Sandbox()
    try sandbox.writeData(rows: 20)
    let line = "train linear --layers 16,1 --data data.csv --device reference --epochs 1 --quiet"
    for blocks in [1, 4] { try expectLimit(blocks: blocks, "\(line) --out new/run", in: sandbox) }
    #expect(!sandbox.exists("new"))
    try expectLimit(blocks: 1, line, in: sandbox)
    #expect(!sandbox.exists("runs"))
  }

  /// A command ends with what to do where files may have no more blocks of 512 bytes.
  private func expectLimit(blocks: Int, _ line: String, in sandbox: Sandbox) throws {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/bin/sh")
    process.arguments = ["-c", "ulimit -f \(blocks); exec \"$0\" \(line)", Sandbox.program.path]
    process.currentDirectoryURL = sandbox.folder
    let errors = Pipe()
    process.standardError = errors
    try process.run()
    let text = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    #expect(process.terminationReason == .exit && process.terminationStatus == 74, "\(text)")
    #expect(text.contains("ulimit -f"))
  }

  @Test func aDivergedRunKeepsItsLastGoodCheckpoint() async throws {
    let sandbox = try Sandbox()
    try sandbox.writeData()
    let outcome = try await sandbox.run(
      line: "train linear --layers 16,4 --data data.csv --device reference --optimizer sgd --lr 1e200 --out run --json")
    #expect(outcome.status == 65)
    #expect(outcome.errors.hasPrefix("cinch: Training stopped at step"))
    #expect(try outcome.objects().allSatisfy { ["start", "epoch"].contains($0["event"] as? String ?? "") })
    #expect(try await sandbox.run(line: "info run").status == 0)
    let again = try await sandbox.run(line: "train --resume run")
    #expect(again.status == 65 && again.errors.contains("resumed   after epoch"))
  }

  @Test func earlyStoppingGivesBackTheBestWeights() async throws {
    let sandbox = try Sandbox()
    try sandbox.writeData(rows: 60)
    let outcome = try await sandbox.run(
      line: """
        train deep --layers 16,12,8 --data data.csv --device reference --validation-split 0.5 --patience 3 --lr 0.05 \
        --batch-size 5 --epochs 500 --out run --json
        """)
    let events = try outcome.objects()
    let end = try #require(events.last)
    #expect(end["reason"] as? String == "early_stopping")
    let losses = events.compactMap { $0["validation_per_sample"] as? Double }
    #expect(end["reconstruction_per_sample"] as? Double == losses.min())
    #expect(losses.last != losses.min())
    #expect(end["best_epoch"] as? Int == losses.count - 3)
    let again = try await sandbox.run(line: "train --resume run --epochs 600 --json")
    #expect(try again.objects().compactMap { $0["event"] as? String } == ["start", "end"])
  }

  /// A run that another process trains is let alone, and nobody waits for one that was killed.
  @Test func twoProcessesDoNotShareARun() async throws {
    let sandbox = try Sandbox()
    try sandbox.writeData(rows: 400)
    let running = try await endless(sandbox)
    let second = try await sandbox.run(line: "train --resume run")
    #expect(second.refused(69), "\(second.errors)")
    #expect(second.errors.contains("process \(running.process.processIdentifier) "))
    #expect(try await sandbox.run(line: "info run").status == 0)
    kill(running.process.processIdentifier, SIGKILL)
    #expect(try await running.wait().status == 137)
    let third = try await sandbox.start("train --resume run --json".split(separator: " ").map(String.init))
    try await third.waitForLines(2, thenSend: SIGTERM)
    #expect(try await third.wait().status == 130)
    #expect(!sandbox.exists("run/.cinch-lock"))
  }

  /// Of runs that begin at once in one folder one is made, and the others say so.
  @Test func oneOfManyBeginnersGetsTheFolder() async throws {
    let sandbox = try Sandbox()
    try sandbox.writeData(rows: 40)
    let line = "train linear --data data.csv --layers 16,4 --device reference --epochs 3 --quiet --out run --seed "
    var started: [Running] = []
    for seed in 1...4 {
      started.append(try await sandbox.start("\(line)\(seed)".split(separator: " ").map(String.init)))
    }
    var made = 0
    for running in started {
      let outcome = try await running.wait()
      if outcome.status == 0 { made += 1 } else { #expect(outcome.refused(64) || outcome.refused(69)) }
    }
    #expect(made == 1)
    #expect(try await sandbox.run(line: "train --resume run --epochs 4").status == 0)
  }

  /// Rows of another file under the same name, as many of them, are noticed.
  /// A run goes on with data that were moved, and keeps where they are.
  @Test func dataThatWereMovedAreNamedAnew() async throws {
    let sandbox = try Sandbox()
    try sandbox.writeData(rows: 60)
    try sandbox.writeData("held.csv", rows: 20, scale: 0.9)
    let line = "train linear --data data.csv --validation held.csv --layers 16,4 --device reference --quiet"
    #expect(try await sandbox.run(line: "\(line) --epochs 2 --out run").status == 0)
    #expect(try await sandbox.run(line: "\(line) --epochs 3 --out straight").status == 0)
    try sandbox.writeData("other.csv", rows: 60, scale: 0.5)
    for name in ["data.csv", "held.csv"] {
      try FileManager.default.moveItem(atPath: sandbox.path(name), toPath: sandbox.path("moved-\(name)"))
    }
    let go = "train --resume run --epochs 3"
    for (options, status, words) in [
      ("", 74, "data.csv', which 'run' was trained with: bring it back, or say where it is now with --data."),
      (" --data moved-data.csv", 74, "say where it is now with --validation."),
      (" --data other.csv --validation moved-held.csv", 65, "--changed-data"), (" --labels a.txt", 64, "--labels"),
    ] {
      let outcome = try await sandbox.run(line: go + options)
      #expect(outcome.refused(Int32(status)) && outcome.errors.contains(words), "\(options): \(outcome.errors)")
    }
    #expect(try await sandbox.start((go + " --data").split(separator: " ").map(String.init) + [""]).wait().refused(64))
    let resumed = try await sandbox.run(line: go + " --data moved-data.csv --validation moved-held.csv")
    #expect(resumed.status == 0, "\(resumed.errors)")
    #expect(try sandbox.bytes("run/model.safetensors") == sandbox.bytes("straight/model.safetensors"))
    #expect(try await sandbox.run(line: "eval run").status == 0)
    #expect(try await sandbox.run(line: "train --resume run --epochs 4").status == 0)
  }

  @Test func changedDataAreRefused() async throws {
    let sandbox = try Sandbox()
    try sandbox.writeData(rows: 60)
    let line = "train linear --data data.csv --layers 16,4 --device reference --epochs 2 --quiet --out run"
    #expect(try await sandbox.run(line: line).status == 0)
    let same = try await sandbox.run(line: "eval run --json")
    #expect(same.status == 0 && same.errors.isEmpty)
    try sandbox.writeData(rows: 60, scale: 0.5)
    let evaluated = try await sandbox.run(line: "eval run --json")
    #expect(evaluated.status == 0 && evaluated.errors.contains("other data"), "\(evaluated.errors)")
    let resumed = try await sandbox.run(line: "train --resume run --epochs 3")
    #expect(resumed.refused(65) && resumed.errors.contains("--changed-data"), "\(resumed.errors)")
    #expect(try await sandbox.run(line: "train --resume run --epochs 3 --changed-data").status == 0)
    // From here on these are the run's data.
    #expect(try await sandbox.run(line: "train --resume run --epochs 4").status == 0)
    try sandbox.writeData(rows: 61, scale: 0.5)
    #expect(try await sandbox.run(line: "train --resume run --epochs 5 --changed-data").refused(65))
    #expect(try await sandbox.run(line: "\(line) --changed-data").refused(64))
  }

  @Test func aFolderThatWasLostMeanwhileIsASentence() async throws {
    let sandbox = try Sandbox()
    try sandbox.writeData(rows: 400)
    let running = try await endless(sandbox)
    // Moved away, not removed: the program may write a file while its folder is being emptied.
    try FileManager.default.moveItem(atPath: sandbox.path("run"), toPath: sandbox.path("lost"))
    let outcome = try await running.wait()
    #expect(outcome.status == 74 && outcome.errors.hasPrefix("cinch: "), "\(outcome.errors)")
  }

  /// A kill before the first update leaves a checkpoint, or a part of one: neither stands in the way of a new run.
  @Test func whatAKillLeavesIsNoRun() async throws {
    let sandbox = try Sandbox()
    try sandbox.writeData(rows: 20)
    try FileManager.default.createDirectory(atPath: sandbox.path("run"), withIntermediateDirectories: false)
    // No process has a number this large.
    for name in [".cinch-99999999-0.partial", "checkpoint.safetensors"] { try sandbox.write("x", to: "run/\(name)") }
    let living = ".cinch-\(ProcessInfo.processInfo.processIdentifier)-0.partial"
    try sandbox.write("x", to: "run/\(living)")
    let line = "train linear --data data.csv --device reference --epochs 1 --quiet --out run"
    let outcome = try await sandbox.run(line: line)
    #expect(outcome.status == 0, "\(outcome.errors)")
    #expect(!sandbox.exists("run/.cinch-99999999-0.partial"))
    #expect(sandbox.exists("run/\(living)"))
    #expect(try await sandbox.run(line: line).refused(64))
    #expect(try await sandbox.run(line: "train --resume run").status == 0)
  }
}
