import CinchBackend
import CinchData

/// A penalty as a recipe holds it: data, from which a learner makes the term that computes it.
protocol Penalty: Sendable {
  /// Its column in the record and in `history.csv`.
  var name: String { get }
  /// The setting that says how much it counts.
  var setting: CinchError.Setting { get }
  /// What multiplies it, and what its own recipe gives it.
  var weight: Double { get }
  var usualWeight: Double { get }

  /// Whether it depends on a mean over the whole batch, which its parts cannot tell.
  var averagesOverBatch: Bool { get }

  /// The layers it acts on, of a network whose encoder has so many.
  func sites(encoderCount: Int) -> [Int]

  /// What it learns or keeps in files beside the layers' parameters: `NAME.PARAMETER` in files, and
  /// `Network.parameter` for its term.
  func parameters(on network: ResolvedNetwork) -> [ParameterSpec]

  /// What computes it in training, and what it reports there beside its share.
  func terms<B: Backend>(on network: Network<B>, memory: Memory<B>) throws -> [any Term<B>]

  /// What it reports in evaluation.
  func reports<B: Backend>(on network: Network<B>, memory: Memory<B>) throws -> [any Term<B>]
}

extension Penalty {
  var averagesOverBatch: Bool { false }
  func sites(encoderCount: Int) -> [Int] { [encoderCount - 1] }
  func parameters(on network: ResolvedNetwork) -> [ParameterSpec] { [] }
  func reports<B: Backend>(on network: Network<B>, memory: Memory<B>) throws -> [any Term<B>] { [] }
}

extension Penalties {
  /// Those that count, in the order of the record: the one list of what penalties there are.
  var active: [any Penalty] {
    let all: [(any Penalty)?] = [
      weightDecay > 0 ? WeightDecay(weight: weightDecay) : nil,
      kl.map(KLSparsity.init),
      l1 > 0 ? ActivityL1(weight: l1) : nil, contraction > 0 ? Contraction(weight: contraction) : nil,
      prior.map(PriorDivergence.init),
    ]
    return all.compactMap { $0 }
  }

  /// Whether one of them acts on one of the first `layers` of a network whose encoder has so many.
  func act(onFirst layers: Int, encoderCount: Int) -> Bool {
    active.contains { $0.sites(encoderCount: encoderCount).contains { $0 < layers } }
  }

  /// The names of the active penalties, in the order their values are reported.
  public var names: [String] { active.map(\.name) }
}
