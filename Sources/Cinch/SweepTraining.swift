import CinchCore
import CinchData
import Glibc
import Synchronization

extension Sweep {
  /// What training tells of.
  public enum Event: Sendable {
    /// A run begins, or goes on.
    case started(Int, Run)
    /// One of a run's own events, but for its end.
    case run(Int, Run.Event)
    /// A run has ended; `sweep.csv` has it.
    case ended(Int, Run.Summary)
    /// A run came to no end, or its samples do not go with its settings, which is no reason to leave out the others.
    case failed(Int, CinchError)
  }

  /// Trains every run that has not ended. Those that have failed are not tried again: they would fail in the same way.
  ///
  /// - Parameters:
  ///   - jobs: how many runs train at a time. No bit of any depends on it.
  ///   - settings: how each run's folder is kept in step.
  ///   - observer: is told of every event, of one at a time; where it returns false or throws, every run stops between two
  ///     updates, with its state saved.
  /// - Returns: whether all have come to an end.
  /// - Throws: `CinchError.usage` where there are no jobs, several are to share a profiler, or samples are missing;
  ///   `.unavailable` and `.inputOutput` of a run; and what `observer` throws. What has been trained stays.
  @discardableResult
  public func train(
    jobs: Int = 1, settings: Run.Settings = Run.Settings(), _ observer: (Event) throws -> Bool = { _ in true }
  ) throws -> Bool {
    guard jobs >= 1 else { throw CinchError.usage("There cannot be \(jobs) runs at a time: give 1 or more.") }
    guard jobs == 1 || settings.profiler == nil else {
      throw CinchError.usage(
        "A profiler cannot tell runs apart, and \(jobs) are to train at a time: train one at a time, or leave it out.")
    }
    let open = try results.enumerated().filter { $0.element.state == .waiting || $0.element.state == .stopped }
      .map(\.offset)
    try folder.write(try results)
    if !open.isEmpty || samples.withLock({ $0.isMoved }) { _ = try loaded() }
    let work = Work(open)
    // Threads end before the observer's life does.
    withoutActuallyEscaping(observer) { observer in
      let observer = Shared(observer)
      onThreads(min(jobs, open.count)) {
        while let index = work.next() {
          do {
            if try !self.train(index, settings: settings, observer, work) { work.stop() }
          } catch let refusal as Shared.Refusal { work.stop(refusal.error) } catch { work.stop(error) }
        }
      }
    }
    // The end of a run wrote of the others as they were then, and those that were stopped have come further.
    if let error = work.error {
      try? writeTable()
      throw error
    }
    try writeTable()
    return try results.allSatisfy { $0.state == .ended || $0.state == .failed }
  }

  /// - Returns: whether to go on with the others.
  private func train(_ index: Int, settings: Run.Settings, _ observer: Shared, _ work: Work) throws -> Bool {
    let isNew = !RunFolder(paths[index]).has(.config)
    let summary: Run.Summary?
    do {
      let run = try run(index, settings)
      guard try observer.tell(.started(index, run)) else { return false }
      summary = try run.train { event in
        if case .ended = event { return true }
        return try observer.tell(.run(index, event)) && !work.isStopped
      }
    } catch let error as CinchError where Self.isItsOwn(error, isNew: isNew) {
      try plan.withLock { plan in
        plan.entries[index].failure = error.description
        try folder.write(plan)
      }
      try writeTable()
      return try observer.tell(.failed(index, error))
    }
    guard let summary else { return false }
    try writeTable()
    return try observer.tell(.ended(index, summary))
  }

  /// Whether an error follows from a run's own settings, so that it would come again and others may still be trained. What a
  /// run that goes on is refused for, such as data that have changed, can be mended.
  static func isItsOwn(_ error: CinchError, isNew: Bool) -> Bool {
    switch error {
    case .diverged: true
    case .badData, .usage: isNew
    case .unavailable, .inputOutput, .interrupted: false
    }
  }

  private func writeTable() throws {
    // One at a time, or an older table could replace a newer.
    try samples.withLock { _ in try folder.write(try results) }
  }

  /// A new run, or the one that was stopped.
  private func run(_ index: Int, _ settings: Run.Settings) throws -> Run {
    let (path, entry) = (paths[index], entries[index])
    let zcaEpsilon = plan.withLock { $0.zcaEpsilon }
    if RunFolder(path).has(.config) {
      let own = samples.withLock { $0 }
      func given(_ samples: LoadedSamples?) -> Dataset? { samples.flatMap { $0.source == nil ? $0.samples : nil } }
      return try Run.resume(path, data: given(own.data), validation: given(own.validation), settings: settings)
    }
    let own = try loaded()
    return try Run.create(
      entry.recipe, data: own.data, validation: own.validation, scaling: entry.scaling, zcaEpsilon: zcaEpsilon,
      in: path, on: device, settings: settings)
  }

  /// Writes where the samples lie now, of all runs first, those that have ended included: whoever is stopped in between is
  /// told again what has moved.
  private func keepPlaces(_ data: DataSource?, _ validation: DataSource?) throws {
    let moved = Run.MovedFiles(data, validation)
    for path in paths where RunFolder(path).has(.config) {
      let run = RunFolder(path)
      let lock = try run.lock()
      try withExtendedLifetime(lock) {
        var config = try run.config()
        (config.data, config.validation) = try moved.sources(config.data, config.validation, of: path)
        try run.write(config)
      }
    }
    try plan.withLock { try folder.write($0) }
  }

  /// Read once, and the same for all runs.
  private func loaded() throws -> (data: LoadedSamples, validation: LoadedSamples?) {
    let (data, validation, hasValidation) = plan.withLock { ($0.data, $0.validation, $0.hasValidation) }
    let (fingerprint, entries) = plan.withLock { ($0.fingerprint, $0.entries) }
    return try samples.withLock { samples in
      try Run.MovedFiles.requireFiles(data, validation, of: folder.path)
      if samples.data == nil { samples.data = try data?.loaded() }
      if samples.validation == nil { samples.validation = try validation?.loaded(as: samples.data?.samples.schema) }
      guard let training = samples.data else {
        throw CinchError.usage("'\(folder.path)' does not say which data it trains on: give them again.")
      }
      guard !hasValidation || samples.validation != nil else {
        throw CinchError.usage(
          "'\(folder.path)' was begun with held-out samples that it cannot load by itself: give them again.")
      }
      if !samples.isKnown {
        guard Self.fingerprint(of: training, samples.validation, entries) == fingerprint else {
          throw CinchError.badData(
            "'\(folder.path)' was begun with other data than there are now, and its runs would not compare: bring the old data "
              + "back, or start a new sweep.")
        }
        samples.isKnown = true
      }
      if samples.isMoved {
        try keepPlaces(data, validation)
        samples.isMoved = false
      }
      return (training, samples.validation)
    }
  }
}

/// Which runs are left, and whether to stop.
private final class Work: Sendable {
  private struct State {
    var left: ArraySlice<Int>
    var isStopped = false
    var error: (any Error)?
  }

  private let state: Mutex<State>

  init(_ indices: [Int]) { state = Mutex(State(left: indices[...])) }

  func next() -> Int? { state.withLock { $0.isStopped ? nil : $0.left.popFirst() } }

  /// - Parameter error: the first one is thrown.
  func stop(_ error: (any Error)? = nil) {
    state.withLock {
      $0.isStopped = true
      if $0.error == nil { $0.error = error }
    }
  }

  var isStopped: Bool { state.withLock { $0.isStopped } }
  var error: (any Error)? { state.withLock { $0.error } }
}

/// An observer that several threads tell, one at a time.
private final class Shared: @unchecked Sendable {
  private let observer: (Sweep.Event) throws -> Bool
  private let lock = Mutex(())

  init(_ observer: @escaping (Sweep.Event) throws -> Bool) { self.observer = observer }

  /// - Throws: `Refusal`, which is not taken for an error of a run.
  func tell(_ event: Sweep.Event) throws -> Bool {
    do { return try lock.withLock { _ in try observer(event) } } catch { throw Refusal(error: error) }
  }

  struct Refusal: Error { let error: any Error }
}

/// Calls `body` on so many threads of its own, and returns when all calls have. Dispatch's threads are no more than there are
/// processors, and a device may take more runs.
private func onThreads(_ count: Int, _ body: () -> Void) {
  withoutActuallyEscaping(body) { body in
    let job = ThreadJob(body)
    let threads = (0..<count).compactMap { _ -> pthread_t? in
      var thread = pthread_t()
      let held = Unmanaged.passRetained(job)
      let status = pthread_create(
        &thread, nil,
        { argument in
          if let argument { Unmanaged<ThreadJob>.fromOpaque(argument).takeRetainedValue().body() }
          return nil
        }, held.toOpaque())
      guard status == 0 else {
        held.release()
        return nil
      }
      return thread
    }
    // Where the system starts none, this one does the work.
    if threads.isEmpty { body() }
    for thread in threads { pthread_join(thread, nil) }
  }
}

private final class ThreadJob: @unchecked Sendable {
  let body: () -> Void

  init(_ body: @escaping () -> Void) { self.body = body }
}
