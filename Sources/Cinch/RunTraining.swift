import CinchBackend
import CinchCore
import CinchData

// Training, and what the folder keeps of it.
extension Run {
  /// What a run tells of.
  public enum Event: Sendable {
    /// Between two updates, about ten times a second; an epoch that ends is told by `epoch` alone.
    case progress(TrainingProgress)
    /// A finished epoch; `history.csv` has it, or will with the next checkpoint at the latest.
    case epoch(Epoch)
    /// A checkpoint was written after so many updates.
    case checkpoint(step: Int)
    /// A picture cannot be drawn, which is no reason to lose a run.
    case noPicture(CinchError)
    /// The last event: every file is written.
    case ended(Summary)
  }

  /// What a run came to.
  public struct Summary: Sendable, Hashable {
    public let ended: EndReason
    public let state: TrainingState
    /// Of the held-out samples, or of the training samples where none are held out.
    public let evaluation: Evaluation
    /// How many units of the code tell nothing.
    public let code: CodeUsage
    public let isHeldOut: Bool
    /// Of a classifier: its errors on each set of samples that it has.
    public let errors: [SampleSet: ErrorRate]
    /// What it took on its device.
    public let memory: MemoryUse
  }

  /// What a classifier is judged on.
  public enum SampleSet: String, Sendable, Hashable, CaseIterable { case training, validation, test }

  struct Progress {
    var pending: [Event] = []
    var isWorking = false
    /// Whether `train` goes on.
    var isTraining = false
    /// Held from the beginning until the run has ended or been stopped.
    var lock: FolderLock?
    /// The last checkpoint that this run wrote or began with.
    var stamp: FileStamp?
    var summary: Summary?
    var checkpointed = ContinuousClock.now
    var history = HistoryPace()
    /// TensorBoard's events of this process, once it has written some.
    var events: EventFile?
  }

  /// Trains to the end, or until it is stopped.
  ///
  /// Where `observer` returns false or throws, or the task is cancelled, the run stops between two updates, with
  /// checkpoint, history and model saved; another call, or `resume`, goes on from there. Where training throws, the last
  /// checkpoint stays.
  ///
  /// - Parameter observer: is told of every event; it may use the run and its model.
  /// - Returns: what the run came to; nil where it was stopped.
  /// - Throws: `CinchError.diverged` where the loss stops being a number, `.inputOutput` where a file cannot be
  ///   written, `.usage` where the run is being trained already or another has begun on its model, `.unavailable` where
  ///   somebody else goes on with the folder; and what `observer` throws.
  @discardableResult
  public func train(_ observer: (Event) throws -> Bool = { _ in true }) throws -> Summary? {
    try progress.withLock {
      guard !$0.isTraining else { throw Self.isBusy }
      $0.isTraining = true
    }
    defer {
      progress.withLock { $0.isTraining = false }
      letGo()
    }
    while let event = try next() {
      if case .ended(let summary) = event {
        _ = try observer(event)
        return summary
      }
      let goesOn: Bool
      do { goesOn = try observer(event) && !Task.isCancelled } catch {
        try save()
        throw error
      }
      guard goesOn else {
        try save()
        return nil
      }
    }
    return progress.withLock { $0.summary }
  }

  /// Writes a checkpoint, and the epochs that `history.csv` lacks: where the run is being trained, as soon as its update is
  /// done.
  /// - Throws: `CinchError.inputOutput`; `.diverged` where the weights are no finite numbers.
  public func checkpoint() throws { _ = try writeCheckpoint() }

  /// Writes checkpoint, history and model, as a run that is stopped does. Outside of `train` it lets go of the folder,
  /// so that `resume` can have it; training on takes it back.
  /// - Throws: as `checkpoint`.
  public func save() throws {
    _ = try saved()
    if progress.withLock({ !$0.isTraining && !$0.isWorking }) { letGo() }
  }

  /// - Throws: `CinchError.unavailable` where somebody else has the folder, `.usage` where they have gone on in it.
  private func hold() throws {
    try progress.withLock { progress in
      guard progress.lock == nil else { return }
      let lock = try folder.lock()
      guard progress.stamp == FileStamp(folder.path(of: .checkpoint)) else {
        throw CinchError.usage(
          "The run in '\(folder.path)' has gone on elsewhere: open it again with \(.resume, folder.path).")
      }
      progress.lock = lock
    }
  }

  func letGo() { progress.withLock { $0.lock = nil } }

  /// What `create` and `resume` have taken.
  func hold(_ lock: FolderLock) {
    let stamp = FileStamp(folder.path(of: .checkpoint))
    progress.withLock {
      $0.lock = lock
      $0.stamp = stamp
    }
  }

  /// The weights of the epoch with the least validation loss so far, under their file names: what early stopping will
  /// give back. After the end they are the model's own.
  /// - Throws: `CinchError.usage` where the recipe has no `patience`, or no epoch has ended yet.
  public func bestParameters() throws -> [NamedParameter] { try inRun { try $0.bestParameters() } }

  private static let isBusy = CinchError.usage("The run is being trained already: wait for that, or stop it first.")

  /// Works until there is something to tell; nil after the end.
  func next() throws -> Event? {
    let told: Event?? = try progress.withLock { progress in
      guard !progress.isWorking else { throw Self.isBusy }
      if !progress.pending.isEmpty { return .some(progress.pending.removeFirst()) }
      if progress.summary != nil { return .some(nil) }
      progress.isWorking = true
      return nil
    }
    if let told { return told }
    defer { progress.withLock { $0.isWorking = false } }
    try hold()
    var events: [Event] = []
    do { while events.isEmpty { events = try work() } } catch {
      // The last epochs show how it came to this.
      try? completeHistory()
      throw error
    }
    progress.withLock { [events] in $0.pending = Array(events.dropFirst()) }
    return events.first
  }

  /// The next updates, a tenth of a second of them; with what they end.
  private func work() throws -> [Event] {
    var reached: TrainingProgress?
    // A chunk at a time, so that the model is free between two of them.
    let outcome = try inRun { session in
      try session.trainEpoch(epochs: recipe.epochs) { progress in
        reached = progress
        return false
      }
    }
    switch outcome {
    case .interrupted:
      let progress = reached.map { [Event.progress($0)] } ?? []
      let last = self.progress.withLock { $0.checkpointed }
      guard ContinuousClock.now - last >= settings.longestInterval else { return progress }
      return [.checkpoint(step: try writeCheckpoint())] + progress
    case .finished(let epoch):
      if progress.withLock({ $0.history.end(of: epoch.number, at: .now) }) { try writeHistory() }
      let noted = try note(epoch) + [.epoch(epoch)]
      let last = progress.withLock { $0.checkpointed }
      guard ContinuousClock.now - last >= settings.checkpointInterval else { return noted }
      return [.checkpoint(step: try writeCheckpoint())] + noted
    case .complete(let reason): return try finish(reason)
    }
  }

  private func finish(_ reason: EndReason) throws -> [Event] {
    var events = [Event.checkpoint(step: try saved())]
    for picture in RunPicture.allCases {
      if let error = try write(picture, to: folder.path(of: picture.file)) { events.append(.noPicture(error)) }
    }
    var final = config
    final.isFinal = true
    let samples = lookedAt
    let usage = try model.codeUsage(samples)
    final.code = usage
    try folder.write(final)
    let summary = Summary(
      ended: reason, state: try state,
      evaluation: try inRun { try $0.evaluateRun(heldOut: validation != nil, on: samples) },
      code: usage, isHeldOut: validation != nil, errors: try errors(),
      memory: try inRun { $0.memory })
    progress.withLock { $0.summary = summary }
    letGo()
    return events + [.ended(summary)]
  }

  private func errors() throws -> [SampleSet: ErrorRate] {
    guard recipe.classifier != nil else { return [:] }
    var errors: [SampleSet: ErrorRate] = [:]
    for (set, samples) in [(SampleSet.training, training), (.validation, validation), (.test, test)] {
      guard let samples, let error = try model.evaluate(samples).metrics[Metrics.errorName] else { continue }
      errors[set] = ErrorRate(error: error, samples: samples.count)
    }
    return errors
  }

  private func saved() throws -> Int {
    let step = try writeCheckpoint()
    try writeHistory()
    try folder.write(try model.parameters(), of: recipe, config.identity)
    return step
  }

  private func writeHistory() throws {
    try hold()
    let start = ContinuousClock.now
    let history = try state.history
    try folder.write(history: history, of: recipe, identity: config.identity)
    progress.withLock { $0.history.wrote(epochs: history.count, from: start, to: .now) }
  }

  /// Writes the epochs that the file lacks, where it lacks some.
  private func completeHistory() throws {
    if progress.withLock({ $0.history.isBehind }) { try writeHistory() }
  }

  /// - Returns: updates done so far.
  private func writeCheckpoint() throws -> Int {
    let checkpoint = try inRun { try $0.checkpoint() }
    try hold()
    // Curves are never older than the weights beside them.
    try completeHistory()
    try folder.write(checkpoint, of: config.identity)
    let stamp = FileStamp(folder.path(of: .checkpoint))
    progress.withLock {
      $0.checkpointed = .now
      $0.stamp = stamp
    }
    return checkpoint.state.step
  }
}

/// When `history.csv` is written: whole, so after every epoch it would take time by the square of their number.
struct HistoryPace: Sendable {
  private var ended = 0
  private var written = 0
  private var last: (end: ContinuousClock.Instant, duration: Duration)?

  /// What passes between two writings is at least so many times as long as the first of them took.
  static let distance = 50

  /// Whether an epoch has ended that the file lacks.
  var isBehind: Bool { ended > written }

  /// An epoch has ended.
  ///
  /// - Parameter epoch: its number, from 1.
  /// - Returns: whether to write the file now.
  mutating func end(of epoch: Int, at now: ContinuousClock.Instant) -> Bool {
    ended = epoch
    return last.map { now - $0.end >= $0.duration * Self.distance } ?? true
  }

  mutating func wrote(epochs: Int, from start: ContinuousClock.Instant, to end: ContinuousClock.Instant) {
    written = epochs
    last = (end, end - start)
  }
}

extension Run {
  /// The run's events, as they are asked for: nothing runs between two of them. Work is done on a thread of its own.
  ///
  /// Where its task is cancelled the run is stopped, as `train` stops it, and `CancellationError` thrown. Leaving the
  /// loop otherwise saves nothing: call `save`.
  public var events: Events { Events(run: self) }

  public struct Events: AsyncSequence, Sendable {
    public typealias Element = Event

    let run: Run

    public func makeAsyncIterator() -> Iterator { Iterator(run: run) }

    public struct Iterator: AsyncIteratorProtocol {
      let run: Run

      public mutating func next() async throws -> Event? {
        let run = run
        guard !Task.isCancelled else {
          try await onThread { if run.progress.withLock({ $0.summary == nil }) { try run.save() } }
          throw CancellationError()
        }
        return try await onThread { try run.next() }
      }
    }
  }
}
