import CinchBackend
import CinchCore
import Glibc
import OpenCLBackend

/// What came of a candidate.
package struct TuningMeasurement: Sendable, Hashable, Codable {
  /// Why it may not be chosen, as a part of a sentence.
  package var failure: String?
  /// Why it could not be measured, as a part of a sentence, where that is no fault of its own: the next time it may be.
  package var error: String?
  /// Seconds of a call of each timed case: with the candidate, and with what is shipped.
  package var seconds: [Double] = []
  package var shippedSeconds: [Double] = []

  /// The geometric mean of what share of the shipped time a call takes; nil where nothing was timed.
  package var ratio: Double? {
    guard failure == nil, error == nil, !seconds.isEmpty, seconds.count == shippedSeconds.count else { return nil }
    let logs = zip(seconds, shippedSeconds).map { log($0 / $1) }
    return exp(logs.reduce(0, +) / Double(logs.count))
  }
}

/// Checks and times candidates on one device, one after the other. What a driver makes of them can hang or crash, so this
/// runs in a process of its own: see `Tuner`.
package struct TuningBench {
  private let backend: OpenCLBackend
  /// The bits of what is shipped, which the reference has confirmed.
  private var confirmed: [Tunable: [(row: TuningRow, bits: [[Double]])]] = [:]

  package init(_ backend: OpenCLBackend) { self.backend = backend }

  /// - Parameters:
  ///   - value: the candidate; nil for what is shipped, which is checked and not timed.
  ///   - rounds: timings of each, in turns with what is shipped; the least counts.
  package mutating func measure(
    _ tunable: Tunable, _ value: TuningValue?, rounds: Int
  ) throws -> TuningMeasurement {
    let cases = TuningCases(tunable), shipped = Tuning()
    var result = TuningMeasurement()
    backend.adopt(shipped)
    if confirmed[tunable] == nil {
      let reference = ReferenceBackend()
      for row in cases.checked {
        let outcome = try row.run(on: backend, against: reference, salt: 0)
        if let failure = outcome.failures.first { result.failure = "\(row.op), \(row.name): \(failure)" }
      }
      guard result.failure == nil else { return result }
      confirmed[tunable] = try cases.checked.map {
        let row = try TuningRow($0, on: backend)
        return (row, try row.bits())
      }
    }
    guard let value else { return result }
    var tuning = shipped
    tuning[tunable] = value
    backend.adopt(tuning)
    for (row, bits) in confirmed[tunable] ?? [] {
      guard Conformance.same(try row.bits(), bits) else {
        result.failure = "\(row.row.op), \(row.row.name): its bits are not those that the reference confirmed"
        return result
      }
    }
    for row in cases.timed {
      let times = try row.leastSeconds(tuning, shipped, on: backend, rounds: rounds)
      result.seconds.append(times[0])
      result.shippedSeconds.append(times[1])
    }
    return result
  }
}

extension OpCase {
  /// The least time of a call with a candidate and with what is shipped, which take turns so that both meet what else the
  /// machine does.
  func leastSeconds(_ candidate: Tuning, _ shipped: Tuning, on backend: OpenCLBackend, rounds: Int) throws -> [Double] {
    let tunings = [candidate, shipped]
    let bench = try Workbench(backend, arguments(for: backend), expectsNaN: expectsNaN, salt: 0)
    func time(_ tuning: Tuning, _ count: Int) throws -> Double {
      backend.adopt(tuning)
      // The first call makes plans anew.
      try call(backend, bench.tensors)
      try backend.synchronize()
      let start = ContinuousClock.now
      for _ in 0..<count { try call(backend, bench.tensors) }
      try backend.synchronize()
      return (ContinuousClock.now - start).seconds / Double(count)
    }
    for tuning in tunings { _ = try time(tuning, 1) }
    var count = 1
    // Long enough that the launch and the clock do not count.
    while count < 1 << 16, try time(tunings[0], count) * Double(count) < 0.004 { count *= 2 }
    var least = [Double](repeating: .infinity, count: tunings.count)
    for round in 1...max(rounds, 1) {
      for (index, tuning) in tunings.enumerated() { least[index] = min(least[index], try time(tuning, count)) }
      // What is that slow does not win by being measured well. One round proves nothing on a busy machine.
      if round >= 3 && least[0] > 2 * least[1] { break }
    }
    return least
  }
}
