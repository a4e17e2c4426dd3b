import CinchBackend
import CinchCore
import CinchData

/// Some updates of a run on its device, on a few of its samples, for their time and for the memory that the device keeps
/// for itself.
struct Trial {
  /// Of training, in the mean over a batch.
  private(set) var sampleSeconds = 0.0
  /// What an update takes whatever its samples: of L-BFGS, whose batch is all of them.
  private(set) var fixedSeconds = 0.0
  /// What the end of an epoch takes.
  private(set) var endSeconds = 0.0
  /// Bytes that the device keeps for itself.
  private(set) var scratch = 0

  /// Bytes of a batch between the layers, and of samples.
  private static let mostPassing = 256.0 * 1e6
  private static let mostSamples = 64_000_000
  /// Held-out samples.
  private static let mostHeldOut = 4096
  /// Of an epoch, several of which are timed.
  private static let epochSeconds = 0.12
  /// Parts of a batch of all samples, at least.
  private static let fewBatches = 4
  /// Updates between two reads of the record.
  private static let longestEpoch = 128

  /// - Parameters:
  ///   - rows: samples that pass at a time.
  ///   - rowBytes: of one of them, between the layers.
  ///   - seconds: how long updates are timed.
  ///   - backend: a new one, of which nothing has been asked yet.
  init<B: Backend>(
    _ recipe: Recipe, _ parts: RunParts, rows: Int, rowBytes: Double, heldOut: Int, isStreamed: Bool, seconds: Double,
    on backend: B
  ) throws {
    let most = Int(max(2, Self.mostPassing / max(rowBytes, 1)))
    let bench = Bench(recipe, parts, heldOut: heldOut, isStreamed: isStreamed, seconds: seconds, on: backend)
    guard rows > most else {
      let times = try bench.measure(rows: rows)
      (sampleSeconds, fixedSeconds, endSeconds) = (times.update / Double(rows), times.fixed, times.end)
      scratch = backend.memory.scratch
      return
    }
    let half = try bench.measure(rows: most / 2)
    let smaller = backend.memory.scratch
    let whole = try bench.measure(rows: most)
    let larger = backend.memory.scratch
    let steps = Double(rows - most) / Double(most - most / 2)
    sampleSeconds = (whole.update + steps * max(whole.update - half.update, 0)) / Double(rows)
    (fixedSeconds, endSeconds) = (whole.fixed, whole.end)
    scratch = larger + Int(steps * Double(larger - smaller))
  }

  /// Runs updates of one recipe.
  private struct Bench<B: Backend> {
    let recipe: Recipe
    let parts: RunParts
    let heldOut: Int
    let options: TrainingOptions
    let seconds: Double
    let backend: B

    init(_ recipe: Recipe, _ parts: RunParts, heldOut: Int, isStreamed: Bool, seconds: Double, on backend: B) {
      var recipe = recipe
      // No loss diverges where weights stay as they are. A line search begins with its own step.
      if !recipe.optimizer.isFullBatch { recipe.optimizer.learningRate *= 1e-6 }
      recipe.patience = nil
      self.recipe = recipe
      self.parts = parts
      self.heldOut = heldOut
      options = TrainingOptions(residentBytes: isStreamed ? 0 : nil)
      self.seconds = seconds
      self.backend = backend
    }

    /// Seconds of so many rows of an update, of what does not grow with them, and of the end of an epoch.
    func measure(rows: Int) throws -> (update: Double, fixed: Double, end: Double) {
      // An epoch of one update first: it says how many make up one that is long enough.
      let count = min(heldOut, Trial.mostHeldOut)
      let first = try epochs(batches: 1, of: rows, heldOut: count, seconds: seconds / 4)
      var end = first.map(\.end).min() ?? 0
      if count > 0 { end *= Double(heldOut) / Double(count) }
      let rough = first.map(\.update).min() ?? 0
      let room = Trial.mostSamples / max(rows * parts.training.bytesPerSample(as: B.Scalar.self), 1)
      // An update by all samples has work that does not grow with them: what more samples add says how much.
      let isFullBatch = recipe.optimizer.isFullBatch
      let wanted = max(Int(Trial.epochSeconds / max(rough, 1e-7)), isFullBatch ? Trial.fewBatches : 1)
      let batches = min(Trial.longestEpoch, max(room, 1), wanted)
      guard batches > 1 else { return (rough, 0, end) }
      let updates = try epochs(batches: batches, of: rows, heldOut: 0, seconds: seconds).map(\.update)
      let update = updates.sorted()[updates.count / 2]
      guard isFullBatch else { return (update, 0, end) }
      let added = max(update * Double(batches) - rough, 0) / Double(batches - 1)
      return (added, max(rough - added, 0), end)
    }

    /// Trains for some time, an epoch after a first one at least.
    private func epochs(
      batches: Int, of rows: Int, heldOut: Int, seconds: Double
    ) throws -> [(update: Double, end: Double)] {
      var recipe = recipe
      recipe.batchSize = rows
      let session = try openSession(recipe, on: backend)
      try session.prepare(
        training: parts.training.repeated(batches * rows),
        validation: heldOut > 0 ? parts.validation?.repeated(heldOut) : nil, options: options)
      var timed: [(update: Double, end: Double)] = []
      var start = ContinuousClock.now
      for number in 0... {
        let began = ContinuousClock.now
        guard case .finished(let epoch) = try session.trainEpoch(epochs: number + 2, { _ in true }) else { break }
        let whole = (ContinuousClock.now - began).seconds
        let result = (update: epoch.seconds / Double(batches), end: max(whole - epoch.seconds, 0))
        // The first one compiles kernels and touches memory.
        if number == 0 {
          start = .now
          // A line search may have ended.
          timed = [result]
        } else {
          if number == 1 { timed = [] }
          timed.append(result)
          if (ContinuousClock.now - start).seconds > seconds { break }
        }
      }
      return timed
    }
  }
}
