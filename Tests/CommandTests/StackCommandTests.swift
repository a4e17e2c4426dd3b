import Cinch
import Foundation
import Testing

/// `pretrain`, `finetune` and what comes of them.
@Suite struct StackCommandTests {
  /// Two kinds of flowers, told apart by name in the last column, in order.
  private func writeFlowers(_ sandbox: Sandbox, rows: Int = 120, names: [String] = ["iris", "aster"]) throws {
    let lines = (0..<rows).map { row in
      let kind = row % names.count
      let values = (0..<8).map { column in
        let base = column % names.count == kind ? 0.8 : 0.2
        return String(base + 0.02 * Double((row * 7 + column * 3) % 10 - 5) / 5)
      }
      return (values + [names[kind]]).joined(separator: ",")
    }
    try sandbox.write(lines.joined(separator: "\n") + "\n", to: "flowers.csv")
  }

  private let pretrain =
    "pretrain --data flowers.csv --label-column 9 --layers 8,8,4 --device reference --batch-size 16 --out stack"

  @Test(arguments: ["autoencoder", "denoising", "sparse", "contractive", "rbm"])
  func aStackBecomesAClassifier(_ module: String) async throws {
    let sandbox = try Sandbox()
    try writeFlowers(sandbox)
    let stack = try await sandbox.run(line: "\(pretrain) --module \(module) --epochs 2,1 --lr 0.01,0.02 --json")
    #expect(stack.status == 0, "\(stack.errors)")
    let epochs = try stack.objects().filter { $0["event"] as? String == "epoch" }
    #expect(epochs.compactMap { $0["layer"] as? Int } == [1, 1, 2])
    #expect(epochs.compactMap { $0["learning_rate"] as? Double } == [0.01, 0.01, 0.02])
    let history = String(decoding: try sandbox.bytes("stack/history.csv"), as: UTF8.self).split(separator: "\n")
    #expect(history[0].hasPrefix("epoch,layer,loss,") && history.count == 4 && history[3].hasPrefix("3,2,"))
    let info = try await sandbox.run(line: "info stack").output
    #expect(info.contains("2 epochs, seed 0;") && info.contains("1 epoch, seed 0, layer by layer"), "\(info)")
    #expect(info.contains("\nlast         loss ") && info.contains(", of layer 2\n"), "\(info)")
    let last = try #require(try await sandbox.run(line: "info stack --json").object()["last"] as? [String: Any])
    #expect(last["epoch"] as? Int == 3 && last["layer"] as? Int == 2)
    let compared = try await sandbox.run(line: "info stack stack").lines
    #expect(compared.contains { $0.hasPrefix("last loss") && !$0.contains("–") }, "\(compared)")
    for line in ["encode stack -o codes.npy", "reconstruct stack -o x.npy", "eval stack", "info stack"] {
      let outcome = try await sandbox.run(line: line)
      #expect(outcome.status == 0, "\(line): \(outcome.errors)")
    }

    let tuned = try await sandbox.run(
      line:
        "finetune stack --epochs 60 --lr 0.05 --validation-split 0.25 --test flowers.csv --label-column 9 --data flowers.csv "
        + "--out tuned --json")
    #expect(tuned.status == 0, "\(tuned.errors)")
    let errors = try #require(try tuned.objects().last?["errors"] as? [String: [String: Double]])
    #expect(Set(errors.keys) == ["training", "validation", "test"])
    #expect(
      errors["test"]?["error"] == 0 && errors["test"]?["samples"] == 120 && errors["validation"]?["samples"] == 30)

    let told = try await sandbox.run(line: "classify tuned -o classes.csv")
    #expect(told.output.contains("error     0 % ± 0 of 120 samples"), "\(told.output)\(told.errors)")
    #expect(told.output.contains("label aster  iris"), "\(told.output)")
    let classes = String(decoding: try sandbox.bytes("classes.csv"), as: UTF8.self).split(separator: "\n")
    #expect(classes.prefix(3) == ["class", "iris", "aster"])

    let deep = try await sandbox.run(line: "finetune stack --unroll --epochs 2 --out deep --json")
    #expect(deep.status == 0, "\(deep.errors)")
    #expect(try deep.objects().filter { $0["event"] as? String == "epoch" }.count == 2)
  }

  /// `--code-activation` is about the last layer, whatever those below have.
  @Test func theCodeHasAnActivationOfItsOwn() async throws {
    let sandbox = try Sandbox()
    try sandbox.writeData(rows: 20, columns: 8)
    let wanted: [(options: String, encoder: [Activation], decoder: [Activation])] = [
      ("--code-activation linear --out a", [.sigmoid, .linear], [.sigmoid, .sigmoid]),
      ("--activation relu --code-activation linear --out b", [.relu, .linear], [.relu, .sigmoid]),
      ("--activation tanh --module denoising --out c", [.tanh, .tanh], [.tanh, .sigmoid]),
    ]
    for (options, encoder, decoder) in wanted {
      let outcome = try await sandbox.run(
        line: "pretrain --data data.csv --layers 8,6,4 --device reference --epochs 1 --quiet \(options)")
      try #require(outcome.status == 0, "\(options): \(outcome.errors)")
      let recipe = try RunFolder(sandbox.path(String(options.suffix(1)))).config().recipe
      #expect(recipe.encoder.map(\.activation) == encoder && recipe.decoder.map(\.activation) == decoder, "\(options)")
    }
  }

  /// Levels of layers, on a line of their own where they do not fit.
  @Test func levelsOfLayersAreTold() async throws {
    let sandbox = try Sandbox()
    try writeFlowers(sandbox, rows: 20)
    let outcome = try await sandbox.run(
      line: "\(pretrain) --module denoising --epochs 1,2 --lr 0.01,0.02 --corruption-level 0.1,0.2")
    #expect(outcome.status == 0, "\(outcome.errors)")
    #expect(outcome.errors.contains("corruption  masking 0.1; masking 0.2\n"), "\(outcome.errors)")
  }

  /// A run that is stopped in the second of three layers goes on there, and its fine-tuning, too.
  @Test func whatIsStoppedGoesOn() async throws {
    let sandbox = try Sandbox()
    try writeFlowers(sandbox, rows: 2000)
    let line = "\(pretrain) --module rbm --persistent --epochs 3,40 --json"
    #expect(try await sandbox.run(line: line).status == 0)
    let running = try await sandbox.start(
      line.replacing("--out stack", with: "--out stopped").split(separator: " ").map(String.init))
    try await running.waitForLines(6, thenSend: SIGINT)
    let stopped = try await running.wait()
    #expect(stopped.status == 130, "\(stopped.errors)")
    for line in ["eval stopped", "finetune stopped --epochs 1 --out early"] {
      let early = try await sandbox.run(line: line)
      #expect(early.status == 0 && early.errors.contains("'stopped' has not ended"), "\(line): \(early.errors)")
    }
    let resumed = try await sandbox.run(line: "train --resume stopped")
    #expect(resumed.status == 0, "\(resumed.errors)")
    #expect(try sandbox.bytes("stopped/model.safetensors") == sandbox.bytes("stack/model.safetensors"))
    let evaluated = try await sandbox.run(line: "eval stopped")
    #expect(evaluated.status == 0 && !evaluated.errors.contains("has not ended"), "\(evaluated.errors)")
    let ended = try await sandbox.run(line: "train --resume stopped")
    #expect(
      ended.status == 0 && ended.errors.contains("'cinch finetune ") && !ended.errors.contains("a larger"),
      "\(ended.errors)")
    #expect(try await sandbox.run(line: "train --resume stopped --epochs 99").refused(64))

    let tune = "finetune stack --freeze 1 --epochs 40 --json"
    #expect(try await sandbox.run(line: "\(tune) --out tuned").status == 0)
    let tuning = try await sandbox.start("\(tune) --out half".split(separator: " ").map(String.init))
    try await tuning.waitForLines(4, thenSend: SIGINT)
    #expect(try await tuning.wait().status == 130)
    // Its first weights are its own by now.
    try FileManager.default.removeItem(at: sandbox.folder.appendingPathComponent("stack"))
    #expect(try await sandbox.run(line: "train --resume half").status == 0)
    #expect(try sandbox.bytes("half/model.safetensors") == sandbox.bytes("tuned/model.safetensors"))
  }

  /// Of a stack's recipe what layers have in common is replaced; what each has of its own is not, and is never ignored.
  @Test func optionsReachTheLayersOrAreRefused() async throws {
    let sandbox = try Sandbox()
    try writeFlowers(sandbox)
    try await sandbox.run(line: "\(pretrain) --epochs 1")
    let again =
      "--recipe stack/config.json --data flowers.csv --header no --label-column 9 --device reference --out again"
    for option in [
      "--lr 0.5", "--optimizer sgd", "--momentum 0.5", "--history-size 3", "--loss sse", "--sigma 1", "--tied",
      "--no-tied", "--weight-decay 0", "--rho 0.1", "--beta 0", "--sparsity-momentum 0", "--beta-warm-up 0", "--l1 0",
      "--contraction 0", "--cd 2", "--no-persistent", "--visible gaussian", "--corruption masking",
      "--corruption-level 0",
    ] {
      let outcome = try await sandbox.run(line: "train \(again) \(option)")
      let words = "\(option.split(separator: " ")[0]) does not reach the layers of 'stacked-autoencoder'"
      #expect(outcome.refused(64) && outcome.errors.contains(words), "\(option): \(outcome.errors)")
    }
    let sweep = try await sandbox.run(line: "sweep \(again) --grid lr=0.1,0.5")
    #expect(sweep.refused(64) && sweep.errors.contains("--lr does not reach"), "\(sweep.errors)")
    let seeds = try await sandbox.run(line: "sweep \(again) --grid seed=1,2")
    #expect(seeds.refused(64) && seeds.errors.contains("trained one by one"), "\(seeds.errors)")
    let other = try await sandbox.run(line: "train \(again) --batch-size 8 --clip 1 --seed 3")
    #expect(other.status == 0, "\(other.errors)")
    let info = try await sandbox.run(line: "info again").output
    #expect(info.contains("batch 8") && info.contains("seed 3, layer by layer"), "\(info)")
  }

  /// Labels from files beside the samples: text, with names, and the run's own data.
  @Test func labelsComeFromFiles() async throws {
    let sandbox = try Sandbox()
    try sandbox.writeData(rows: 60, columns: 8)
    let names = (0..<60).map { $0 % 3 == 0 ? "red" : $0 % 3 == 1 ? "green" : "blue" }
    try sandbox.write(names.joined(separator: "\n") + "\n", to: "names.txt")
    try sandbox.write(names.prefix(59).joined(separator: "\n") + "\n", to: "short.txt")
    try sandbox.write(names.map { $0 == "red" ? "pink" : $0 }.joined(separator: "\n"), to: "other.txt")
    try sandbox.write(names.map { "\($0),1" }.joined(separator: "\n"), to: "wide.txt")
    try sandbox.write((0..<60).map { "\($0)" }.joined(separator: "\n"), to: "numbers.txt")
    try await sandbox.run(line: "pretrain --data data.csv --layers 8,4 --device reference --epochs 1 --out stack")
    let tuned = try await sandbox.run(
      line: "finetune stack --labels names.txt --epochs 1 --out tuned --test data.csv --test-labels names.txt")
    #expect(tuned.status == 0 && tuned.output.contains("test "), "\(tuned.errors)")
    let confusion = try await sandbox.run(line: "classify tuned --json").object()
    #expect(confusion["classes"] as? [String] == ["blue", "green", "red"])
    #expect(try await sandbox.run(line: "train --resume tuned --epochs 2").status == 0)

    for (status, line, words) in [
      (65, "finetune stack --labels short.txt", "59 labels"), (65, "finetune stack --labels wide.txt", "second column"),
      (65, "finetune stack --labels numbers.txt", "no classes"),
      (74, "finetune stack --labels none.txt", "no file of labels"),
      (65, "classify tuned --data data.csv --labels other.txt", "label 'pink'"),
      (65, "finetune stack --labels names.txt --test data.csv --test-labels other.txt", "label 'pink'"),
      (64, "finetune stack", "no labels"), (64, "finetune stack --unroll --test data.csv", "--unroll"),
      (64, "finetune stack --labels names.txt --dropout -0.1", "a rate of -0.1"),
      (64, "finetune stack --labels names.txt --dropout nan", "a rate of nan"),
      (64, "finetune tuned --unroll", "classifier"), (64, "finetune stack --labels names.txt --freeze 2", "--freeze 2"),
      (64, "finetune stack --labels names.txt --freeze 0", "--freeze 0"), (74, "finetune missing", "no run folder"),
      (64, "finetune stack --labels names.txt --dropout 1", "rate of 1"),
      (64, "finetune stack --labels names.txt --layers 8,2", "leave --layers out"),
      (64, "finetune stack --labels names.txt --components 2", "leave --components out"),
      (65, "pretrain --data data.csv --layers 9,4", "--layers begins with 9"),
      (64, "pretrain --data data.csv --layers 8,4,4 --lr 1,2,3", "3 values"),
      (64, "pretrain --data data.csv --layers 8", "a layer at least"),
      (64, "pretrain --data data.csv --layers 8,4 --epochs 1,x", "--epochs"),
      (64, "pretrain --data data.csv --layers 8,4 --module rbm --cd 0", "--cd"),
      (64, "pretrain --data data.csv --layers 8,4 --module rbm --code-activation linear", "--code-activation"),
      (64, "pretrain --data data.csv --layers 8,4 --module denoising --corruption-level 1.5", "corruption"),
      (64, "train deep --data data.csv --lr 0.1,0.2", "one value"), (64, "classify stack", "tells no classes"),
    ] {
      let outcome = try await sandbox.run(line: line)
      #expect(outcome.refused(Int32(status)) && outcome.errors.contains(words), "\(line): \(outcome.errors)")
    }
    #expect(!sandbox.exists("runs"), "nothing is left behind")
  }
}
