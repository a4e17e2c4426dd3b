import CinchBackend

/// The order of a training step, made of shapes alone: what the learner walks, and what places in memory follow from.
struct StepSchedule: Sendable {
  enum Step: Sendable, Hashable {
    /// The output of a hidden layer.
    case forward(layer: Int)
    /// What a term sums over the batch.
    case measure(term: Int)
    /// The loss, and δ of the output layer.
    case output
    /// What a term's share of the gradient needs, once its sums are complete.
    case derive(term: Int)
    /// What terms add to δ of the output layer.
    case outputDelta
    /// δ of the layer below.
    case inputGradient(layer: Int)
    /// The gradients of a layer's parameters.
    case gradients(layer: Int)
  }

  /// What passes between the layers.
  enum Place: Sendable, Hashable { case output(Int), delta(Int) }

  private let layers: Int
  /// The layers whose output each term reads, and whose δ it adds to.
  private let sites: [[Int]]
  let forward: [Step]
  /// Empty in evaluation.
  let backward: [Step]

  /// - Parameter sites: of every term, the layers it acts on.
  init(layers: Int, sites: [[Int]], mode: Pass.Mode) {
    self.layers = layers
    self.sites = sites
    forward =
      (0..<layers - 1).map { .forward(layer: $0) } + sites.indices.map { .measure(term: $0) } + [.output]
    guard mode == .training else {
      backward = []
      return
    }
    backward =
      sites.indices.map { .derive(term: $0) } + [.outputDelta]
      + (0..<layers).reversed().flatMap { index -> [Step] in
        index > 0 ? [.gradients(layer: index), .inputGradient(layer: index)] : [.gradients(layer: 0)]
      }
  }

  /// Every place that a step reads or writes.
  func touched(by step: Step) -> [Place] {
    func input(of layer: Int) -> [Place] { layer > 0 ? [.output(layer - 1)] : [] }
    func outputs(_ term: Int) -> [Place] { sites[term].filter { $0 < layers - 1 }.map { .output($0) } }
    // A term may read the output of its site as long as there is something to add.
    func site(_ layer: Int) -> [Place] {
      layer < layers - 1 && sites.contains { $0.contains(layer) } ? [.output(layer)] : []
    }
    return switch step {
    case .forward(let layer): input(of: layer) + [.output(layer)]
    case .measure(let term), .derive(let term): outputs(term)
    case .output: input(of: layers - 1) + [.delta(layers - 1)]
    case .outputDelta: [.delta(layers - 1)]
    case .inputGradient(let layer): [.delta(layer), .output(layer - 1), .delta(layer - 1)]
    case .gradients(let layer): [.delta(layer)] + input(of: layer) + site(layer)
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
