import CinchBackend

/// The order of a training step, made of shapes alone: what the learner walks, and what places in memory follow from.
struct StepSchedule: Sendable {
  enum Step: Sendable, Hashable {
    /// The output of hidden layers, by their stage.
    case forward(stage: Int)
    /// What a term sums over the batch.
    case measure(term: Int)
    /// The loss, and δ of the output layer.
    case output
    /// What a term's share of the gradient needs, once its sums are complete.
    case derive(term: Int)
    /// What terms add to δ of the output layer.
    case outputDelta
    /// δ of the layer below a stage.
    case inputGradient(stage: Int)
    /// The gradients of a stage's parameters.
    case gradients(stage: Int)
  }

  /// What passes between the layers.
  enum Place: Sendable, Hashable { case output(Int), delta(Int) }

  /// The layers of each stage: see `ResolvedNetwork.stages`.
  private let stages: [Range<Int>]
  /// The layers whose output each term reads, and whose δ it adds to.
  private let sites: [[Int]]
  let forward: [Step]
  /// Empty in evaluation.
  let backward: [Step]

  /// - Parameters:
  ///   - stages: the layers that are computed in one, from input to output.
  ///   - sites: of every term, the layers it acts on.
  init(stages: [Range<Int>], sites: [[Int]], mode: Pass.Mode) {
    self.stages = stages
    self.sites = sites
    forward =
      stages.indices.dropLast().map { .forward(stage: $0) } + sites.indices.map { .measure(term: $0) } + [.output]
    guard mode == .training else {
      backward = []
      return
    }
    backward =
      sites.indices.map { .derive(term: $0) } + [.outputDelta]
      + stages.indices.reversed().flatMap { index -> [Step] in
        index > 0 ? [.gradients(stage: index), .inputGradient(stage: index)] : [.gradients(stage: 0)]
      }
  }

  /// Every place that a step reads or writes.
  func touched(by step: Step) -> [Place] {
    let last = stages[stages.count - 1].upperBound - 1
    func output(of stage: Int) -> Int { stages[stage].upperBound - 1 }
    func input(of stage: Int) -> [Place] { stage > 0 ? [.output(output(of: stage - 1))] : [] }
    func outputs(_ term: Int) -> [Place] { sites[term].filter { $0 < last }.map { .output($0) } }
    // A term may read the output of its site as long as there is something to add.
    func site(_ layer: Int) -> [Place] {
      layer < last && sites.contains { $0.contains(layer) } ? [.output(layer)] : []
    }
    return switch step {
    case .forward(let stage): input(of: stage) + [.output(output(of: stage))]
    case .measure(let term), .derive(let term): outputs(term)
    case .output: input(of: stages.count - 1) + [.delta(last)]
    case .outputDelta: [.delta(last)]
    case .inputGradient(let stage):
      [.delta(output(of: stage))] + input(of: stage) + [.delta(output(of: stage - 1))]
    case .gradients(let stage): [.delta(output(of: stage))] + input(of: stage) + site(output(of: stage))
    }
  }

  /// Every place in the order in which it is first touched, with the steps it lives through.
  var lives: [(place: Place, life: ClosedRange<Int>)] {
    var order: [Place] = []
    var lives: [Place: ClosedRange<Int>] = [:]
    for (index, step) in (forward + backward).enumerated() {
      for place in touched(by: step) {
        if let life = lives[place] {
          lives[place] = life.lowerBound...index
        } else {
          order.append(place)
          lives[place] = index...index
        }
      }
    }
    return order.map { ($0, lives[$0] ?? 0...0) }
  }

  /// The places as tensors of a batch of so many samples, in the order of `lives`.
  func planned(_ outputs: [FeatureShape], rows: Int) -> [PlannedTensor] {
    lives.map { place, life in
      switch place {
      case .output(let layer), .delta(let layer):
        PlannedTensor(shape: outputs[layer].shape(rows: rows), life: life)
      }
    }
  }
}
