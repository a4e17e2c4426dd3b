import CinchBackend

/// One table of op cases that every backend must pass: each runs an op on the backend and on
/// `ReferenceBackend`, and compares all that the op may and may not have written.
public enum Conformance {
  /// Every case, op by op.
  public static let cases: [any ConformanceCase] =
    matmulCases + activationCases + reductionCases + lossCases + penaltyCases + randomCases + optimizerCases
    + memoryCases + convolutionCases + poolingCases + pooledConvolutionCases + samplingCases + mixedCases

  /// The op names of the table, in its order.
  public static let ops: [String] = cases.reduce(into: []) { names, row in
    if !names.contains(row.op) { names.append(row.op) }
  }

  /// The most elements that a tensor of a small case has: enough for several blocks and a ragged edge.
  public static let smallElements = 300

  /// Runs the table, or those of its rows that are about `ops`.
  ///
  /// - Parameters:
  ///   - small: leaves out cases with larger tensors than `smallElements`, for devices that are interpreted.
  ///   - onCase: told of every case as it ends, for progress.
  /// - Returns: one report per op, in the table's order.
  public static func run<B: Backend>(
    _ backend: B, ops: Set<String>? = nil, small: Bool = false,
    onCase: (any ConformanceCase, CaseOutcome) -> Void = { _, _ in }
  ) -> [OpReport] {
    let reference = ReferenceBackend()
    var reports: [String: OpReport] = [:]
    for row in cases where ops?.contains(row.op) ?? true {
      if small && row.elements > smallElements { continue }
      var outcome: CaseOutcome
      do {
        outcome = try row.run(on: backend, against: reference)
      } catch {
        outcome = CaseOutcome()
        outcome.failures.append("threw: \(error)")
      }
      reports[row.op, default: OpReport(op: row.op)].add(outcome, of: row.name)
      onCase(row, outcome)
    }
    return Self.ops.compactMap { reports[$0] }
  }
}

/// A row of the table.
public protocol ConformanceCase: Sendable {
  /// The method's name in the backend protocols.
  var op: String { get }
  /// Shapes and options.
  var name: String { get }
  /// The size of its largest tensor.
  var elements: Int { get }

  func run<B: Backend>(on backend: B, against reference: ReferenceBackend) throws -> CaseOutcome
}

/// What came of one case.
public struct CaseOutcome: Sendable {
  /// The largest difference from the reference as a share of what is allowed: at most 1 where the case passed,
  /// and `incomparable` where nothing is allowed or a NaN came out.
  public var error = 0.0
  /// What went wrong, a sentence each; empty where the case passed.
  public var failures: [String] = []

  public var passed: Bool { failures.isEmpty }

  /// Stands for an infinite error, which JSON cannot hold.
  public static let incomparable = 1e9

  public init() {}
}

/// The cases of one op, added up.
public struct OpReport: Sendable, Codable, Hashable {
  public var op: String
  public var cases = 0
  public var failed = 0
  /// The largest `CaseOutcome.error`.
  public var worstError = 0.0
  /// A sentence for everything that went wrong.
  public var failures: [String] = []

  public init(op: String) { self.op = op }

  enum CodingKeys: String, CodingKey {
    case op, cases, failed, failures
    case worstError = "worst_error"
  }

  mutating func add(_ outcome: CaseOutcome, of name: String) {
    cases += 1
    failed += outcome.passed ? 0 : 1
    worstError = max(worstError, outcome.error)
    failures += outcome.failures.map { "\(op), \(name): \($0)" }
  }
}
