import Cinch
import Foundation
import Testing

/// Every option of `train` says what becomes of it when a run is resumed.
@Suite struct OptionTests {
  /// What may be given with `--resume`; everything else that the parser knows must be refused.
  private static let allowed: Set<String> = [
    "--resume", "--epochs", "--device", "--changed-data", "--json", "--quiet", "--verbose", "--profile",
    "--tensorboard", "--pictures-every", "--version", "--help",
    // Where files lie now.
    "--data", "--labels", "--validation",
  ]

  @Test func resumeRefusesWhatItWouldIgnore() async throws {
    let sandbox = try Sandbox()
    let arguments = try await ParserDump(sandbox).arguments(of: "train")
    #expect(arguments.count > 30 && Self.allowed.isSubset(of: arguments.map(\.name)))
    for argument in arguments where !Self.allowed.contains(argument.name) {
      #expect(!argument.examples.isEmpty, "\(argument.name)")
      for example in argument.examples {
        let outcome = try await sandbox.start(["train", "--resume", "run"] + example).wait()
        #expect(
          outcome.refused(64) && outcome.errors.contains("\(argument.name) cannot be given with --resume"),
          "\(example): \(outcome.errors)")
      }
    }
    for example in [
      ["--epochs", "3"], ["--device", "cpu"], ["--changed-data"], ["--json"], ["--quiet"], ["--verbose"],
      ["--profile"], ["--tensorboard"], ["--pictures-every", "2"], ["--data", "a.csv"], ["--labels", "a.txt"],
      ["--validation", "a.csv"],
    ] {
      let outcome = try await sandbox.start(["train", "--resume", "run"] + example).wait()
      #expect(outcome.refused(74), "there is no run: \(example), \(outcome.errors)")
    }
  }

  /// Options, and what the recipe must be with them.
  struct Example: Sendable, CustomTestStringConvertible {
    let line: String
    let isRight: @Sendable (Recipe) -> Bool
    var testDescription: String { line }

    init(_ line: String, _ isRight: @escaping @Sendable (Recipe) -> Bool) {
      self.line = line
      self.isRight = isRight
    }
  }

  /// Options that are about one thing together.
  @Test(arguments: [
    Example("sparse --rho 0.2") { $0.penalties.kl == KLSettings(rho: 0.2, beta: 3) },
    Example("linear --activation sigmoid --beta 2") { $0.penalties.kl == KLSettings(rho: 0.05, beta: 2) },
    Example("sparse --rho 0.2 --beta 0") { $0.penalties.kl == nil },
    Example("sparse --sparsity-momentum 0.7") { $0.penalties.kl?.momentum == 0.7 },
    Example("rbm --layers 16,8 --scale minmax --rho 0.2") {
      $0.penalties.kl == KLSettings(rho: 0.2, beta: 0.1, momentum: 0.9)
    },
    Example("rbm --layers 16,8 --scale minmax --beta 2 --sparsity-momentum 0") {
      $0.penalties.kl == KLSettings(rho: 0.05, beta: 2)
    },
    Example("linear --beta 0") { $0.penalties.kl == nil },
    Example("denoising --corruption gaussian") { $0.corruption == .gaussian(0.3) },
    Example("denoising --corruption-level 0.1") { $0.corruption == .masking(0.1) },
    Example("linear --corruption salt-pepper --corruption-level 0.4") { $0.corruption == .saltPepper(0.4) },
    Example("denoising --corruption-level 0") { $0.corruption == nil },
    // A penalty or corruption of weight 0 in a file is none.
    Example("--recipe off.json --rho 0.2") { $0.penalties.kl == KLSettings(rho: 0.2, beta: 3) },
    Example("--recipe off.json --corruption gaussian") { $0.corruption == .gaussian(0.3) },
    // A linear code stays what it is, whatever the hidden layers become.
    Example("hinton --layers 16,9,4 --activation tanh") { $0.encoder.map(\.activation) == [.tanh, .linear] },
    Example("deep --layers 16,9,4 --activation tanh") { $0.encoder.map(\.activation) == [.tanh, .tanh] },
    Example("deep --layers 16,9,4 --code-activation tanh") {
      $0.encoder.map(\.activation) == [.relu, .tanh] && $0.decoder.map(\.activation) == [.relu, .sigmoid]
    },
    // A recipe of one hidden layer, which is its code.
    Example("undercomplete --layers 16,9,4 --code-activation linear") {
      $0.encoder.map(\.activation) == [.relu, .linear] && $0.decoder.map(\.activation) == [.relu, .sigmoid]
    },
    Example("undercomplete --layers 16,9,4 --activation tanh --code-activation linear") {
      $0.encoder.map(\.activation) == [.tanh, .linear] && $0.decoder.map(\.activation) == [.tanh, .sigmoid]
    },
    Example("undercomplete --activation tanh --code-activation linear") { $0.encoder.map(\.activation) == [.linear] },
    Example("--recipe mixed.json --code-activation linear") {
      ($0.encoder + $0.decoder).map(\.activation) == [.tanh, .linear, .tanh, .sigmoid]
    },
    Example("deep --layers 16,9,4 --output-activation linear --loss sse") {
      $0.decoder.map(\.activation) == [.relu, .linear] && $0.encoder.map(\.activation) == [.relu, .relu]
    },
    Example("--recipe mixed.json --output-activation linear") {
      ($0.encoder + $0.decoder).map(\.activation) == [.tanh, .relu, .tanh, .linear]
    },
    // A first step of a line search is no learning rate.
    Example("sparse --optimizer lbfgs") { $0.optimizer.learningRate == 1 && $0.optimizer.historySize == 10 },
    Example("sparse --optimizer lbfgs --lr 0.5 --history-size 7") {
      $0.optimizer.learningRate == 0.5 && $0.optimizer.historySize == 7
    },
    Example("sparse --optimizer nesterov") { $0.optimizer.learningRate == 3e-3 },
    Example("--recipe searched.json --optimizer adam") { $0.optimizer.learningRate == 1e-3 },
    Example("--recipe searched.json") { $0.optimizer == Optimizer(.lbfgs, historySize: 4) },
    Example("deep --activation softplus") { $0.decoder.map(\.activation).first == .softplus && $0.input == 16 },
  ])
  func optionsThatBelongTogether(example: Example) async throws {
    let sandbox = try Sandbox()
    try sandbox.writeData(rows: 8)
    try sandbox.write(
      """
      {"layers": [16, 4], "activation": "sigmoid", "penalties": {"kl": {"rho": 0.1, "beta": 0}},
       "corruption": {"kind": "masking", "level": 0}}
      """, to: "off.json")
    try sandbox.write(
      #"{"layers": [16, 4], "optimizer": {"rule": "lbfgs", "history_size": 4}}"#, to: "searched.json")
    try sandbox.write(
      """
      {"input": 16, "encoder": [{"type": "dense", "units": 9, "activation": "tanh"},
       {"type": "dense", "units": 4, "activation": "relu"}], "output_activation": "sigmoid", "loss": "sse"}
      """, to: "mixed.json")
    let outcome = try await sandbox.run(
      line: "train \(example.line) --data data.csv --device reference --epochs 0 --out run --quiet")
    try #require(outcome.status == 0, "\(outcome.errors)")
    #expect(example.isRight(try RunFolder(sandbox.path("run")).config().recipe))
  }
}
