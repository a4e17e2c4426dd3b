import CinchBackend

/// A case that calls one op on tensors with names.
///
/// The harness gives every tensor a buffer with a guarded margin on both sides, calls the op twice, and checks
/// that outputs are the reference's within `errors`, that inputs and margins are untouched, that both calls give
/// the same bits, and that the second neither allocates nor waits.
protocol OpCase: ConformanceCase {
  /// The op's tensors. They may depend on the backend: how many partial sums it writes is its own affair.
  func arguments<B: Backend>(for backend: B) -> [Argument]

  func call<B: Backend>(_ backend: B, _ tensors: Tensors<B.Buffer>) throws

  /// Bounds on the error of each output, in multiples of the scalar's ε; an output left out must be exact. An
  /// output compared by its sum has one bound.
  func errors(_ values: CaseValues) throws -> [String: [Double]]

  /// What a call amounts to; unless a case says otherwise, the bytes of its tensors.
  func work<B: Backend>(for backend: B) -> Work

  /// Whether a NaN or an infinity among the wanted outputs is the point of the case.
  var expectsNaN: Bool { get }
  /// Whether the op may wait, as transfers may.
  var mayWait: Bool { get }
}

extension OpCase {
  func errors(_ values: CaseValues) throws -> [String: [Double]] { [:] }
  var expectsNaN: Bool { false }
  var mayWait: Bool { false }
  var elements: Int { arguments(for: ReferenceBackend()).map(\.shape.count).max() ?? 0 }

  func run<B: Backend>(on backend: B, against reference: ReferenceBackend) throws -> CaseOutcome {
    try run(on: backend, against: reference, salt: salt)
  }

  /// - Parameter salt: varies data and alignment; 0 begins every tensor at a multiple of 64 elements.
  func run<B: Backend>(on backend: B, against reference: ReferenceBackend, salt: UInt64) throws -> CaseOutcome {
    let oracle = try Workbench(reference, arguments(for: reference), expectsNaN: expectsNaN, salt: salt)
    try call(reference, oracle.tensors)
    let wanted = try oracle.read()

    let bench = try Workbench(backend, arguments(for: backend), expectsNaN: expectsNaN, salt: salt)
    try call(backend, bench.tensors)
    let first = try bench.read()
    try bench.load()
    let before = backend.counters
    try call(backend, bench.tensors)
    let after = backend.counters
    let second = try bench.read()

    var outcome = CaseOutcome()
    if after.allocations != before.allocations {
      outcome.failures.append(
        "a second call with the same shapes allocated \(after.allocations - before.allocations) times.")
    }
    if after.waits != before.waits && !mayWait {
      outcome.failures.append("the host waited \(after.waits - before.waits) times for the device.")
    }
    let allowed = try errors(CaseValues(oracle, after: wanted))
    let epsilon = Double(B.Scalar.ulpOfOne)
    for (i, argument) in bench.arguments.enumerated() {
      outcome.checkSurroundings(of: argument, loaded: bench.loaded[i], found: first[i], interior: bench.interior(i))
      let got = Array(first[i][bench.interior(i)]), again = Array(second[i][bench.interior(i)])
      guard argument.role != .input else {
        outcome.checkUnchanged(argument, from: Array(bench.loaded[i][bench.interior(i)]), to: got)
        continue
      }
      outcome.checkRepeated(argument, got, again)
      let want = Array(wanted[i][oracle.interior(i)])
      let tolerances = allowed[argument.name]?.map { $0 * epsilon + Bounds.underflow }
      switch argument.comparison {
      case .elements:
        outcome.compare(argument.name, got: got, want: want, tolerances: tolerances, expectsNaN: expectsNaN)
      case .sum:
        outcome.compare(
          "Σ \(argument.name)", got: [got.reduce(0, +)], want: [want.reduce(0, +)], tolerances: tolerances,
          expectsNaN: expectsNaN)
      }
    }
    return outcome
  }

  /// Varies data and alignment from case to case, and never from run to run.
  private var salt: UInt64 { CaseData.hash(op + name) }
}

/// One tensor of an op.
struct Argument {
  enum Role { case input, output, update }
  enum Comparison { case elements, sum }

  let name: String
  let shape: Shape
  let role: Role
  let comparison: Comparison
  let values: [Double]

  static func input(_ name: String, _ shape: Shape, _ values: [Float]) -> Argument {
    Argument(name: name, shape: shape, role: .input, comparison: .elements, values: values.map(Double.init))
  }

  /// The same values in another shape.
  func reshaped(_ shape: Shape) -> Argument {
    Argument(name: name, shape: shape, role: role, comparison: comparison, values: values)
  }

  /// Bytes packed into a backend's scalars. They must make finite numbers there.
  static func bytes<B: Backend>(_ name: String, _ bytes: [UInt8], for backend: B) -> Argument {
    let size = MemoryLayout<B.Scalar>.size
    let padded = bytes + [UInt8](repeating: 0, count: (size - bytes.count % size) % size)
    let values = padded.withUnsafeBytes { raw in
      stride(from: 0, to: raw.count, by: size).map { Double(raw.loadUnaligned(fromByteOffset: $0, as: B.Scalar.self)) }
    }
    return Argument(name: name, shape: [values.count], role: .input, comparison: .elements, values: values)
  }

  /// Holds poison when the op starts.
  static func output(_ name: String, _ shape: Shape, comparedBy comparison: Comparison = .elements) -> Argument {
    Argument(name: name, shape: shape, role: .output, comparison: comparison, values: [])
  }

  /// Is read and written.
  static func update(_ name: String, _ shape: Shape, _ values: [Float]) -> Argument {
    Argument(name: name, shape: shape, role: .update, comparison: .elements, values: values.map(Double.init))
  }
}

/// An op's tensors, by name.
struct Tensors<Buffer: AnyObject> {
  let byName: [String: Tensor<Buffer>]

  subscript(name: String) -> Tensor<Buffer> {
    guard let tensor = byName[name] else { preconditionFailure("the case has no tensor \(name)") }
    return tensor
  }

  func optional(_ name: String) -> Tensor<Buffer>? { byName[name] }
}

/// What the tensors held before the op, and after it on the reference.
struct CaseValues {
  private let before: [String: [Double]]
  private let after: [String: [Double]]

  init(_ bench: Workbench<ReferenceBackend>, after whole: [[Double]]) {
    var before: [String: [Double]] = [:], after: [String: [Double]] = [:]
    for (i, argument) in bench.arguments.enumerated() {
      before[argument.name] = argument.values
      after[argument.name] = Array(whole[i][bench.interior(i)])
    }
    self.before = before
    self.after = after
  }

  subscript(name: String) -> [Double] { before[name] ?? [] }
  func optional(_ name: String) -> [Double]? { before[name] }
  func wanted(_ name: String) -> [Double] { after[name] ?? [] }
}
