import Cinch
import Foundation
import Testing

/// Every refusal is one sentence and an exit status.
@Suite struct RefusalTests {
  @Test(arguments: [
    (64, "train"), (64, "train nothing"), (64, "train deep --recipe x.json"), (64, "bogus"), (64, "train deep --bogus"),
    (64, "train deep --epochs x"), (64, "train deep --epochs -1"), (64, "train deep --epochs 99999999999"),
    (64, "train deep --epochs 9223372036854775808"), (64, "train deep --seed -1"), (64, "train deep --lr nan"),
    (64, "train deep --lr -1"), (64, "train deep --lr inf"), (64, "train deep --momentum nan"),
    (64, "train deep --momentum 1"), (64, "train deep --warm-up inf"), (64, "train deep --clip 0"),
    (64, "train deep --batch-size 0"), (64, "train deep --weight-decay -1"), (64, "train deep --l1 nan"),
    (64, "train sparse --rho 2"), (64, "train sparse --beta nan"), (64, "train sparse --activation relu"),
    (64, "train denoising --corruption-level 2"),
    (64, "train denoising --corruption-level 1"), (64, "train deep --corruption-level 0.5"),
    (64, "train deep --contraction 1"), (64, "train deep --validation-split 1"), (64, "train deep --patience 0"),
    (64, "train deep --patience 2"), (64, "train deep --layers 16,abc"), (64, "train deep --layers 16"),
    (64, "train deep --layers 16,0"), (64, "train deep --layers 16,-3"), (64, "train deep --layers 16,1000000000"),
    (64, "train deep --layers 16,9223372036854775807"), (64, "train undercomplete --layers 16,16"),
    (64, "train deep --layers 16,99999999999999999999"), (64, "train deep --loss nothing"), (64, "train deep --lr"),
    (64, "train deep --loss bce --output-activation tanh"),
    (64, "train deep --device gpu7"), (64, "train deep --image-shape 4,5,x"),
    (64, "train deep --image-shape 99999999999,99999999999"),
    (64, "train deep --label-column x --header sometimes"), (64, "recipes nothing"), (64, "selftest --op nothing"),
    (64, "tune --shapes nothing"),
    (64, "tune --device cpu"), (64, "tune --limit 0"), (69, "tune --device opencl:77:0"), (64, "encode run"),
    (65, "train deep --layers 8,4"), (65, "train deep --image-shape 4,5"),
    (65, "train deep --data broken.csv"), (65, "train deep --data empty.csv"), (65, "train deep --data large.csv"),
    (65, "train --recipe broken.csv"), (65, "train --recipe unknown.json"), (69, "train deep --device opencl:77:0"),
    (74, "train deep --data missing.csv"), (74, "train --recipe missing.json"), (74, "train deep --out data.csv/run"),
    (74, "train deep --out /proc/cinch/run"), (74, "train --resume missing"), (74, "eval missing"),
    (74, "info missing"), (74, "info ."), (74, "decode missing --codes c.npy -o x.npy"),
  ])
  func refusalsAreSentences(status: Int32, line: String) async throws {
    let sandbox = try Sandbox()
    try sandbox.writeData(rows: 20)
    try sandbox.writeData("large.csv", rows: 20, scale: 9)
    try sandbox.write("1,2,3\n4,5\n", to: "broken.csv")
    try sandbox.write("", to: "empty.csv")
    try sandbox.write(#"{"layers": [16, 4], "learning_rate": 1}"#, to: "unknown.json")
    var words = line
    if line.hasPrefix("train"), !line.contains("--resume") {
      if !line.contains("--data") { words += " --data data.csv" }
      if !line.contains("--device") { words += " --device reference" }
    }
    let outcome = try await sandbox.run(line: words)
    #expect(outcome.refused(status), "\(words): \(outcome.status) \(outcome.output) \(outcome.errors)")
    #expect(!sandbox.exists("runs"), "nothing is left behind")
  }

  /// What each names: the cause, and what to do about it.
  @Test(arguments: [
    (64, "train deep --data wide.npy --layers 16,abc", "not 'abc' in '16,abc'"),
    (65, "train linear --device cpu --weight-decay 1e38", "try the usual --weight-decay 0.001"),
    (65, "train linear --device cpu --lr 1e39", "try the usual --lr 0.001"),
    (65, "train deep --device cpu --epochs 1 --optimizer sgd --lr 1e38", "step 1 (epoch 1)"),
    (64, "train linear --data wide.npy --label-column 1", "only CSV files have"),
    (64, "train linear --data wide.npy --header yes", "only CSV files have"),
    (64, "train linear --momentum 0.5", "add --optimizer momentum"),
    (65, "train vae --data same.csv --loss gaussian --output-activation linear", "give --sigma"),
    (65, "train deep --data large.csv", "or --loss sse with --output-activation linear"),
    (65, "train vae --data large.csv", "or --loss gaussian with --output-activation linear"),
    (64, "train vae --loss mixed --output-activation linear", "use --loss bce, or --loss gaussian"),
    (64, "train rbm --loss mixed", "use --loss sse"), (64, "train pca --loss mixed", "such as deep"),
    (64, "train deep --contraction 1", "two numbers in --layers"),
    (64, "train deep --bogus", "see 'cinch train --help'"),
    (64, "train deep --device gpu7", "please provide one of the following: auto, opencl"),
    (64, "bench --device opencl:x", "opencl:P:D, cpu"), (64, "train deep --los mse", "(did you mean '--loss'?)"),
    (64, "trian deep", "(did you mean 'train'?)"), (64, "exprot run -o x.onnx", "(did you mean 'export'?)"),
    (64, "help exprot", "(did you mean 'export'?)"), (64, "train sparce", "(did you mean 'sparse'?)"),
    (74, "train deep --data fashon-mnist", "(did you mean 'fashion-mnist'?)"),
    (74, "train deep --data dta.csv", "(did you mean 'data.csv'?)"),
    (64, "train deep --optimizer x", "please provide one of 'sgd'"),
    (65, "train --recipe batch.json", "at 'batch_size', expected a whole number"),
    (65, "train --recipe unknown.json", "knows activation, batch_size"),
    (65, "train --recipe data.csv", "as 'cinch recipes --json' prints them"),
    (65, "train linear --validation wide.npy", "pass held-out samples of as many"),
    (64, "train linear --validation data.csv --validation-split 0.1", "not both"),
    (69, "train linear --device opencl:77:0", "There is no"),
    (65, "eval run --data wide.npy", "pass data as it was trained on"),
    (65, "reconstruct run --data wide.npy -o x.npy", "pass data as it was trained on"),
    (65, "decode run --codes wide.npy -o x.npy", "pass codes that it encoded itself"),
    (64, "encode run -o x.foo", "neither .npy nor .csv"), (64, "encode run -o -", "neither .npy nor .csv"),
    (64, "decode run --codes wide.npy -o x", "neither .npy nor .csv"),
    (64, "reconstruct run -o x.mat", "neither .npy nor .csv"),
    (74, "info data.csv", "is a file, not a run"), (74, "info .", "name a folder that 'cinch train' saved"),
    (65, "info damaged", "use an intact copy"),
  ])
  func refusalsSayWhatToDo(status: Int32, line: String, part: String) async throws {
    let sandbox = try Sandbox()
    try sandbox.write([String](repeating: "0.1,0.2,0.3", count: 20).joined(separator: "\n"), to: "same.csv")
    try sandbox.writeData(rows: 20)
    try sandbox.writeData("large.csv", rows: 20, scale: 9)
    try NPY.write(values: [Float](repeating: 0.5, count: 34), shape: [2, 17], to: sandbox.path("wide.npy"))
    try sandbox.write(#"{"layers": [16, 4], "batch_size": "x"}"#, to: "batch.json")
    try sandbox.write(#"{"layers": [16, 4], "rate": 1}"#, to: "unknown.json")
    try FileManager.default.createDirectory(atPath: sandbox.path("damaged"), withIntermediateDirectories: true)
    try sandbox.write("{", to: "damaged/config.json")
    if line.contains(" run ") {
      try await sandbox.run(line: "train linear --data data.csv --layers 16,3 --device reference --epochs 1 --out run")
    }
    var words = line
    if line.hasPrefix("train") {
      if !line.contains("--data") { words += " --data data.csv" }
      if !line.contains("--device") { words += " --device reference" }
      words += " --quiet"
    }
    let outcome = try await sandbox.run(line: words)
    #expect(outcome.refused(status), "\(words): \(outcome.status) \(outcome.output) \(outcome.errors)")
    #expect(outcome.errors.contains(part), "\(words): \(outcome.errors)")
  }

  /// A run whose recipe was edited into nonsense is refused before anything is read off it.
  @Test(arguments: ["-1", "0", "1e30", "true", "1000000000000000000"])
  func impossibleRunsAreRefused(input: String) async throws {
    let sandbox = try Sandbox()
    try sandbox.writeData(rows: 20)
    try await sandbox.run(line: "train linear --data data.csv --layers 16,3 --device reference --epochs 1 --out run")
    let config = String(decoding: try sandbox.bytes("run/config.json"), as: UTF8.self)
    #expect(config.contains(#""input" : 16"#))
    try sandbox.write(config.replacing(#""input" : 16"#, with: #""input" : \#(input)"#), to: "run/config.json")
    for line in ["train --resume run --epochs 3", "info run", "eval run --device reference"] {
      let outcome = try await sandbox.run(line: line)
      #expect(outcome.refused(65) && outcome.errors.contains("damaged"), "\(line): \(outcome.errors)")
    }
  }

  /// What a later version writes is not misread.
  @Test func laterFormatsAreRefused() async throws {
    let sandbox = try Sandbox()
    try sandbox.writeData(rows: 20)
    try await sandbox.run(line: "train linear --data data.csv --layers 16,3 --device reference --epochs 1 --out run")
    let config = String(decoding: try sandbox.bytes("run/config.json"), as: UTF8.self)
    #expect(config.contains(#""format" : 2"#))
    try sandbox.write(config.replacing(#""format" : 2"#, with: #""format" : 3"#), to: "run/config.json")
    try sandbox.write(#"{"format": 3, "layers": [16, 3]}"#, to: "recipe.json")
    let lines = [
      "train --resume run --epochs 3", "info run", "eval run --device reference",
      "train --recipe recipe.json --data data.csv --device reference --out other",
    ]
    for line in lines {
      let outcome = try await sandbox.run(line: line)
      #expect(outcome.refused(65) && outcome.errors.contains("use a newer Cinch"), "\(line): \(outcome.errors)")
    }
  }

  /// A recipe file's mistakes are named with their places, and nothing in it is ignored in silence.
  @Test(arguments: [
    (65, #"{"layers": [16, 1.5]}"#, "at 'layers', expected a list of whole numbers"),
    (65, #"{"layers": [16, 4], "batch_size": 1e30}"#, "at 'batch_size', expected a whole number"),
    (65, #"{"layers": [16, 4], "seed": -1}"#, "at 'seed', expected a whole number of 0 or more"),
    (65, #"{"layers": [16, 4], "loss": "mae"}"#, "at 'loss', 'mae' is none of sse, mse, bce, gaussian"),
    (64, #"{"layers": [16, 4], "loss": "gaussian", "sigma": 0}"#, "--sigma must be a positive number, not 0"),
    (64, #"{"layers": [16, 4], "loss": "sse", "sigma": 1}"#, "--sigma belongs to the gaussian loss, not to sse"),
    (65, #"{"layers": [16, 4], "corruption": {"kind": "masking", "levle": 0.1}}"#, "unknown setting 'levle'"),
    (65, #"{"layers": [16, 4], "penalties": {"kl": {"rho": 0.1, "betta": 3}}}"#, "unknown setting 'betta'"),
    (65, #"{"layers": [16, 4], "decoder": []}"#, "'decoder' needs an 'encoder'"),
    (65, #"{"layers": [16, 4], "encoder": [{"type": "conv"}]}"#, "'layers' says nothing beside an 'encoder'"),
    (65, #"{"encoder": [{"type": "conv"}]}"#, "at 'encoder.0.type', 'conv' is none of dense, convolution"),
    (65, #"{"encoder": [{"type": "convolution", "filters": 1.5}]}"#, "at 'encoder.0.filters', expected a whole"),
    (65, #"{"encoder": [{"type": "convolution", "filters": 2, "units": 5}]}"#, "unknown setting 'units'"),
    (65, #"{"encoder": [{"type": "convolution", "filters": 2, "kernel": true}]}"#, "at 'encoder.0.kernel', expected"),
    (65, #"{"encoder": [{"type": "convolution", "filters": 2, "padding": 0.5}]}"#, "at 'encoder.0.padding', expected"),
    (65, #"{"encoder": [{"type": "convolution", "filters": 2, "activation": "gelu"}]}"#, "'gelu' is none of linear"),
    (65, #"{"image": [1, 4], "encoder": [{"type": "convolution", "filters": 2}]}"#, "at 'image', expected [channels"),
    (
      64,
      #"""
      {"image": [1, 4, 4], "encoder": [{"type": "convolution", "filters": 2, "stride": 2}], "decoder": [{"type":
      "transposed-convolution", "filters": 1, "stride": 2, "output_padding": 1, "activation": "sigmoid"}]}
      """#, "leave one of them out"
    ),
  ])
  func recipeFilesAreReadStrictly(status: Int32, text: String, part: String) async throws {
    let sandbox = try Sandbox()
    try sandbox.writeData(rows: 20)
    try sandbox.write(text, to: "recipe.json")
    let line = "train --recipe recipe.json --data data.csv --image-shape 4,4 --device reference"
    let outcome = try await sandbox.run(line: line)
    #expect(outcome.refused(status) && outcome.errors.contains(part), "\(outcome.status) \(outcome.errors)")
  }

  /// What a file leaves out has a default.
  @Test func recipeFilesNeedNoMoreThanTheyMust() async throws {
    let sandbox = try Sandbox()
    try sandbox.writeData(rows: 20)
    let text =
      #"{"layers": [16, 4], "activation": "sigmoid", "epochs": 1, "penalties": {"kl": {"rho": 0.1, "beta": 3}}}"#
    try sandbox.write(text, to: "recipe.json")
    let outcome = try await sandbox.run(line: "train --recipe recipe.json --data data.csv --device reference --json")
    #expect(outcome.status == 0 && outcome.errors.isEmpty, "\(outcome.errors)")
    // One that says another input than the data have is told of.
    try sandbox.write(#"{"layers": [17, 4], "epochs": 1}"#, to: "other.json")
    let other = try await sandbox.run(line: "train --recipe other.json --data data.csv --device reference --out other")
    #expect(other.status == 0 && other.errors.contains("input of 17 gives way to the data's, 16"), "\(other.errors)")
  }

  @Test func emptyNamesAreRefused() async throws {
    let sandbox = try Sandbox()
    let data = try await sandbox.run("train", "linear", "--data", "")
    #expect(data.refused(64) && data.errors.contains("--data is empty"), "\(data.errors)")
    let held = try await sandbox.run("train", "linear", "--validation", "")
    #expect(held.refused(64) && held.errors.contains("--validation is empty"), "\(held.errors)")
  }

  @Test func errorsOfJSONModeGoToStandardError() async throws {
    let outcome = try await Sandbox().run(line: "train deep --data missing.csv --json")
    #expect(outcome.refused(74))
  }

  @Test func aFolderThatHoldsARunIsNotOverwritten() async throws {
    let sandbox = try Sandbox()
    try sandbox.writeData()
    let line = "train linear --data data.csv --layers 16,3 --device reference --epochs 1 --out run"
    try await sandbox.run(line: line)
    let model = try sandbox.bytes("run/model.safetensors")
    let again = try await sandbox.run(line: line + " --seed 3")
    #expect(again.refused(64) && again.errors.contains("--resume run"))
    #expect(try sandbox.bytes("run/model.safetensors") == model)
    #expect(try await sandbox.run(line: "train --resume run --lr 0.1").refused(64))
    #expect(try await sandbox.run(line: "train deep --resume run").refused(64))
    #expect(try await sandbox.run(line: "train --resume run --epochs 0").refused(64))
    #expect(try await sandbox.run(line: "eval run --label-column 2").refused(64))
  }

  @Test(arguments: ["config.json", "model.safetensors", "checkpoint.safetensors"])
  func damagedRunFilesAreSentences(file: String) async throws {
    let sandbox = try Sandbox()
    try sandbox.writeData(rows: 20)
    try await sandbox.run(line: "train linear --data data.csv --layers 16,3 --device reference --epochs 1 --out run")
    let whole = try sandbox.bytes("run/\(file)")
    let commands =
      switch file {
      case "config.json": ["eval run --device reference", "info run", "train --resume run"]
      case "model.safetensors": ["eval run --device reference", "encode run --device reference -o x.npy"]
      default: ["train --resume run", "info run"]
      }
    var damaged: [Data] = [0, 4, whole.count / 2, whole.count - 3].map { whole.prefix($0) }
    damaged.append(Data(repeating: 0xFF, count: whole.count))
    if file == "config.json" {
      let text = String(decoding: whole, as: UTF8.self)
      damaged.append(Data(text.replacing("\"units\" : 3", with: "\"units\" : 9223372036854775807").utf8))
      damaged.append(Data(text.replacing("\"units\" : 3", with: "\"units\" : -3").utf8))
    } else {
      // The last number becomes NaN.
      damaged.append(whole.dropLast(4) + Data([0xFF, 0xFF, 0xFF, 0x7F]))
    }
    for (index, bytes) in damaged.enumerated() {
      try bytes.write(to: sandbox.folder.appendingPathComponent("run/\(file)"))
      for command in commands where !(command.hasPrefix("info") && file == "config.json" && index >= 5) {
        let outcome = try await sandbox.run(line: command)
        #expect(outcome.refused(65), "\(file) \(index), \(command): \(outcome.status) \(outcome.errors)")
      }
    }
    try FileManager.default.removeItem(atPath: sandbox.path("run/\(file)"))
    #expect(try await sandbox.run(line: commands[0]).refused(74))
  }

  /// A listing that nobody reads to its end is no failure; a run that stops for that is.
  @Test func aClosedReaderEndsTheProgram() async throws {
    let sandbox = try Sandbox()
    try sandbox.writeData()
    let pipe = Pipe()
    try pipe.fileHandleForReading.close()
    let recipes = try await sandbox.run("recipes", output: pipe.fileHandleForWriting)
    #expect(recipes.status == 0 && recipes.errors.isEmpty)
    let train = try await sandbox.start(
      "train linear --data data.csv --layers 16,3 --device reference --out run --json".split(separator: " ")
        .map(String.init), output: pipe.fileHandleForWriting
    ).wait()
    let words = "Nobody reads standard output any more, so training has stopped: go on with 'cinch train --resume run'."
    #expect(train.status == 74 && train.errors == "cinch: \(words)\n", "\(train.errors)")
    #expect(sandbox.exists("run/checkpoint.safetensors"))
    // Its reader looks at the first line.
    let first = Pipe()
    let line = "train --resume run --epochs 2000 --json"
    let running = try await sandbox.start(
      line.split(separator: " ").map(String.init), output: first.fileHandleForWriting)
    try first.fileHandleForWriting.close()
    _ = first.fileHandleForReading.availableData
    try first.fileHandleForReading.close()
    let stopped = try await running.wait()
    #expect(stopped.status == 74 && stopped.errors == "cinch: \(words)\n", "\(stopped.errors)")
    // What has ended has nothing to go on with.
    let ended = try await sandbox.start(
      "train linear --data data.csv --layers 16,3 --device reference --epochs 1 --quiet --out whole"
        .split(separator: " ").map(String.init), output: pipe.fileHandleForWriting
    ).wait()
    #expect(ended.status == 0 && ended.errors.isEmpty, "\(ended.errors)")
    #expect(sandbox.exists("whole/model.safetensors"))
  }

  @Test func aFullDiskIsASentence() async throws {
    let sandbox = try Sandbox()
    let full = try #require(FileHandle(forWritingAtPath: "/dev/full"))
    for argument in ["recipes", "help", "--version"] {
      let outcome = try await sandbox.run(argument, output: full)
      #expect(outcome.refused(74) && outcome.errors.contains("make room"), "\(argument)")
    }
  }

  /// Every command that writes a file leaves one that is there as it is, its own input too, unless it is asked.
  @Test func filesAreReplacedWhereAskedAlone() async throws {
    let sandbox = try Sandbox()
    try sandbox.writeData(rows: 20)
    let trained = "--data data.csv --layers 16,3 --device reference --epochs 1"
    try await sandbox.run(line: "train linear \(trained) --out run")
    try await sandbox.run(line: "encode run -o codes.npy")
    try await sandbox.run(line: "compress run -o codes.cinch")
    for line in [
      "encode run -o old.csv", "decode run --codes codes.npy -o old.csv", "reconstruct run -o old.csv",
      "score run -o old.csv", "compress run -o old.cinch", "decompress run codes.cinch -o old.csv",
      "decompress run codes.cinch -o new.npy --codes old.csv",
      "sample run --mixture 2 -n 3 -o old.csv", "encode run --data old.csv -o old.csv",
    ] {
      let name = line.hasSuffix(".csv") ? "old.csv" : "old.cinch"
      try sandbox.writeData(name, rows: 5)
      let old = try sandbox.bytes(name)
      let refused = try await sandbox.run(line: line)
      #expect(
        refused.refused(64) && refused.errors.contains("'\(name)' is there already")
          && refused.errors.contains("--overwrite"),
        "\(line): \(refused.errors)")
      #expect(try sandbox.bytes(name) == old)
      let replaced = try await sandbox.run(line: line + " --overwrite")
      #expect(replaced.status == 0, "\(line): \(replaced.errors)")
      #expect(try sandbox.bytes(name) != old)
    }
    let history = try sandbox.bytes("run/history.csv")
    let own = try await sandbox.run(line: "encode run -o run/history.csv --overwrite")
    #expect(own.refused(64) && own.errors.contains("a run's own file"), "\(own.errors)")
    #expect(try sandbox.bytes("run/history.csv") == history)

    try FileManager.default.createDirectory(atPath: sandbox.path("mine"), withIntermediateDirectories: true)
    try sandbox.write("precious", to: "mine/history.csv")
    let run = try await sandbox.run(line: "train linear \(trained) --out mine")
    #expect(run.refused(64) && run.errors.contains("'mine/history.csv' is there already"), "\(run.errors)")
    #expect(try sandbox.bytes("mine/history.csv") == Data("precious".utf8))

    try FileManager.default.createDirectory(atPath: sandbox.path("ours"), withIntermediateDirectories: true)
    try sandbox.write("precious", to: "ours/report.html")
    let sweep = try await sandbox.run(line: "sweep linear \(trained) --grid lr=1e-3 --out ours")
    #expect(sweep.refused(64) && sweep.errors.contains("'ours/report.html' is there already"), "\(sweep.errors)")
    #expect(try sandbox.bytes("ours/report.html") == Data("precious".utf8) && !sandbox.exists("ours/sweep.json"))
  }
}
