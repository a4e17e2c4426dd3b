import CinchBackend
import CinchData
import Testing

@testable import Cinch
@testable import CinchCore

typealias Traced = TracingBackend<ReferenceBackend>
typealias Op = TracedOp<ReferenceBuffer>

/// A training run on the reference device that tells of every op.
final class TracedRun {
  let session: ModelSession<Traced>
  private let listener: Listener

  final class Listener { var hear: (Op) throws -> Void = { _ in } }

  /// 13 samples in batches of 8: every epoch has a full and a partial batch.
  init(_ recipe: Recipe, samples: Int = 13) throws {
    let listener = Listener()
    self.listener = listener
    session = try ModelSession(recipe, on: Traced(ReferenceBackend()) { try listener.hear($0) })
    var training = try Variants.data(count: samples, features: recipe.input)
    var validation: Dataset?
    if recipe.validationSplit > 0 {
      (training, validation) = try training.split(validation: recipe.validationSplit, seed: recipe.seed)
    }
    try session.prepare(training: training, validation: validation, options: TrainingOptions(keepsStepLosses: true))
  }

  /// Runs an epoch to its end and passes every op of it on.
  func epoch(of epochs: Int = 1, _ hear: @escaping (Op) throws -> Void) throws {
    listener.hear = hear
    defer { listener.hear = { _ in } }
    _ = try session.trainEpoch(epochs: epochs) { _ in true }
  }

  /// The ops of an epoch, in order.
  func epoch(of epochs: Int = 1) throws -> [Op] {
    var ops: [Op] = []
    try epoch(of: epochs) { ops.append($0) }
    return ops
  }

  /// What outlives an update: what a checkpoint holds, by the elements of its buffers.
  var kept: Elements {
    get throws {
      var elements = Elements()
      let run = try #require(session.run as? GradientRun<Traced>)
      for (_, tensor) in run.memory.kept { elements.insert(tensor) }
      return elements
    }
  }
}

/// A set of elements of buffers.
struct Elements {
  private(set) var buffers: [ObjectIdentifier: (buffer: ReferenceBuffer, isIn: [Bool])] = [:]

  private mutating func change(_ tensor: Tensor<ReferenceBuffer>, to value: Bool) {
    let key = ObjectIdentifier(tensor.buffer)
    var entry = buffers.removeValue(forKey: key) ?? (tensor.buffer, Array(repeating: false, count: tensor.buffer.count))
    for index in tensor.offset..<tensor.offset + tensor.count { entry.isIn[index] = value }
    buffers[key] = entry
  }

  mutating func insert(_ tensor: Tensor<ReferenceBuffer>) { change(tensor, to: true) }
  mutating func remove(_ tensor: Tensor<ReferenceBuffer>) { change(tensor, to: false) }

  /// Whether all of a tensor is in the set.
  func contains(_ tensor: Tensor<ReferenceBuffer>) -> Bool {
    guard let entry = buffers[ObjectIdentifier(tensor.buffer)] else { return tensor.count == 0 }
    return entry.isIn[tensor.offset..<tensor.offset + tensor.count].allSatisfy { $0 }
  }

  /// The runs of a tensor's elements that are not in the set.
  func gaps(in tensor: Tensor<ReferenceBuffer>) -> [Tensor<ReferenceBuffer>] {
    let isIn = buffers[ObjectIdentifier(tensor.buffer)]?.isIn
    var gaps: [Tensor<ReferenceBuffer>] = []
    var start: Int?
    for index in tensor.offset...tensor.offset + tensor.count {
      let isGap = index < tensor.offset + tensor.count && !(isIn?[index] ?? false)
      if isGap, start == nil { start = index }
      if !isGap, let first = start {
        gaps.append(Tensor(tensor.buffer, offset: first, shape: [index - first]))
        start = nil
      }
    }
    return gaps
  }
}
