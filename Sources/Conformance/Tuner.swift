import Cinch
import CinchBackend
import CinchCore
import CinchData
import FoundationEssentials
import OpenCLBackend

/// Finds the quickest of a device's candidates, each of which runs in a child process: one that hangs is killed after a
/// while, and neither it nor one that crashed or gave other bits is tried again, for a journal has it before it runs.
package struct Tuner {
  /// What came of one choice.
  package struct Outcome: Sendable {
    package let tunable: Tunable
    package let candidates: Int
    /// Candidates that were measured.
    package var measured = 0
    /// Candidates that came to grief, now or before, and how; and whether they are left out from now on.
    package var failures: [(candidate: String, reason: String, isLeftOut: Bool)] = []
    /// The quickest, where it wins by more than noise.
    package var chosen: TuningValue?
    /// Of the quickest: its share of the time of what is shipped, the larger of two measurements; nil where none was.
    package var ratio: Double?
    /// Whether there was no time left for some.
    package var isCut = false

    /// What to keep where `before` was chosen before: it stays if not all could be measured, unless it came to grief itself.
    package func kept(_ before: TuningValue?) -> TuningValue? {
      if chosen != nil || (measured > 0 && !isCut) { return chosen }
      return failures.contains { $0.isLeftOut && $0.candidate == before?.name } ? nil : before
    }
  }

  /// A candidate must take no more than this share of the shipped time. Least times that take turns differ by 1 to 2 %
  /// when they are taken again.
  package static let winningRatio = 0.97
  /// Timings of a candidate, and of one that seems to win, which is measured again: the quickest of many is lucky, too.
  static let rounds = 5
  static let confirmingRounds = 15
  /// After which a candidate that is interrupted may be one that hangs.
  private static let patience = Duration.seconds(10)

  private let program: String
  private let arguments: [String]
  private let limit: Duration
  private let deadline: ContinuousClock.Instant
  private let isInterrupted: () -> Bool
  private var journal: TuningJournal
  private var child: TuningChild?

  /// - Parameters:
  ///   - program: what answers requests, `TuningRequest`, by measurements, a line of JSON each: `cinch tune --worker`.
  ///   - limit: how long a candidate may take, compiling included.
  ///   - total: after which no candidate is begun.
  package init(
    program: String, arguments: [String], journal: TuningJournal, limit: Duration = .seconds(60), total: Duration,
    isInterrupted: @escaping () -> Bool
  ) {
    self.program = program
    self.arguments = arguments
    self.journal = journal
    self.limit = limit
    deadline = ContinuousClock.now + total
    self.isInterrupted = isInterrupted
  }

  /// Measures the candidates of one choice.
  ///
  /// - Parameters:
  ///   - left: choices that share the time that is left, this one among them.
  ///   - onCandidate: told of each, by its number, before it runs.
  /// - Throws: `CinchError.interrupted`; `.inputOutput` where the journal cannot be written.
  package mutating func tune(
    _ tunable: Tunable, of family: KernelFamily, _ subgroups: Subgroups? = nil, left: Int = 1,
    onCandidate: (TuningValue, Int) -> Void
  ) throws -> Outcome {
    let candidates = tunable.candidates(of: family, subgroups)
    var outcome = Outcome(tunable: tunable, candidates: candidates.count)
    let begin = ContinuousClock.now, end = begin + (deadline - begin) / max(left, 1)
    guard begin < end else {
      outcome.isCut = true
      return outcome
    }
    let shipped = try ask(tunable, nil, rounds: 1)
    if let reason = shipped.failure ?? shipped.error {
      outcome.failures.append(("what is shipped", reason, false))
      return outcome
    }
    var best: (value: TuningValue, ratio: Double)?
    for (index, candidate) in candidates.enumerated() {
      guard ContinuousClock.now < end else {
        outcome.isCut = true
        break
      }
      onCandidate(candidate, index + 1)
      let measurement = try ask(tunable, candidate, rounds: Self.rounds)
      guard let ratio = measurement.ratio else {
        let reason = measurement.failure ?? measurement.error ?? "it was not timed"
        outcome.failures.append((candidate.name, reason, measurement.failure != nil))
        continue
      }
      outcome.measured += 1
      if ratio < best?.ratio ?? .infinity { best = (candidate, ratio) }
    }
    guard let best else { return outcome }
    outcome.ratio = best.ratio
    guard best.ratio <= Self.winningRatio else { return outcome }
    let again = try ask(tunable, best.value, rounds: Self.confirmingRounds)
    outcome.ratio = again.ratio.map { max($0, best.ratio) }
    if let ratio = outcome.ratio, ratio <= Self.winningRatio { outcome.chosen = best.value }
    return outcome
  }

  /// Has the child measure a candidate. A failure is written down, and never tried again; an error that the child can tell
  /// of, such as memory that does not suffice, may pass.
  mutating func ask(_ tunable: Tunable, _ value: TuningValue?, rounds: Int) throws -> TuningMeasurement {
    let request = TuningRequest(choice: tunable.name, candidate: value?.name, rounds: rounds)
    if let failure = journal.failure(of: request.name) { return TuningMeasurement(failure: failure) }
    if child == nil && value != nil {
      // A new child checks what is shipped first: by a request of its own, or the candidate would have to answer for it.
      let shipped = try ask(tunable, nil, rounds: 1)
      if let reason = shipped.failure ?? shipped.error { return TuningMeasurement(error: reason) }
    }
    try journal.begin(request.name)
    guard let child = child ?? TuningChild(program, arguments) else {
      try journal.stop()
      throw CinchError.unavailable("The system starts no other process: end some, or raise the limit (ulimit -u).")
    }
    self.child = child
    let begin = SuspendingClock.now
    child.send(try JSONCoding.line(request))
    var failure: String?
    switch child.answer(within: limit, isInterrupted: isInterrupted) {
    case .line(let text):
      if let found = try? JSONCoding.decoder.decode(TuningMeasurement.self, from: Data(text.utf8)) {
        if let failure = found.failure { try journal.fail(request.name, failure) } else { try journal.end() }
        // Where it gave up its driver it takes nothing more.
        if found.error != nil { self.child = nil }
        return found
      }
      failure = "it answered something else than a measurement"
    case .late:
      // Whoever interrupts now changes nothing about that.
      self.child = nil
      return try fail(request, "it had not ended after \(limit.components.seconds) s")
    case .ended(let how): failure = how
    case .interrupted: failure = nil
    }
    self.child = nil
    if let failure, !isInterrupted() { return try fail(request, failure) }
    // A terminal's interrupt reaches the child, too, and is no fault of the candidate; but somebody may have lost patience
    // with one that hangs.
    let time = SuspendingClock.now - begin
    if time < Self.patience {
      try journal.stop()
    } else {
      try journal.suspect(request.name, "it had not ended after \(time.components.seconds) s, when it was interrupted")
    }
    throw CinchError.interrupted
  }

  private mutating func fail(_ request: TuningRequest, _ reason: String) throws -> TuningMeasurement {
    try journal.fail(request.name, reason)
    return TuningMeasurement(failure: reason)
  }
}

/// What a child is asked to measure.
package struct TuningRequest: Sendable, Codable {
  var choice: String
  /// Nil for what is shipped.
  var candidate: String?
  var rounds: Int

  /// What the journal calls it.
  var name: String { "\(choice) \(candidate ?? TuningJournal.shipped)" }
}

extension TuningBench {
  /// The child's side: reads requests until there are no more, and answers each.
  ///
  /// - Parameters:
  ///   - answer: writes a line.
  ///   - begin: called before each.
  package mutating func serve(
    family: KernelFamily, begin: () -> Void, answer: (String) throws -> Void
  ) throws {
    let tunables = Tunable.all(of: family)
    while let line = readLine() {
      begin()
      let request = try JSONCoding.decoder.decode(TuningRequest.self, from: Data(line.utf8))
      var measurement = TuningMeasurement()
      if let tunable = tunables.first(where: { $0.name == request.choice }) {
        let value = request.candidate.flatMap { name in
          tunable.candidates(of: family, .any).first { $0.name == name }
        }
        if request.candidate != nil && value == nil {
          measurement.error = "there is no such candidate"
        } else {
          do { measurement = try measure(tunable, value, rounds: request.rounds) } catch {
            measurement.error = "\(error)"
          }
        }
      } else {
        measurement.error = "there is no such choice"
      }
      try answer(try JSONCoding.line(measurement))
    }
  }
}
