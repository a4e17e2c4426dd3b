import CinchBackend

extension Conformance {
  static var memoryCases: [any ConformanceCase] {
    let counts = [1, 2, 3, 5, 16, 63, 65, 257, 4099] + CaseData.counts
    var cases: [any ConformanceCase] = []
    for kind in TransferCase.Kind.allCases { cases += counts.map { TransferCase(kind: kind, count: $0) } }
    cases += counts.map { ZeroedCase(count: $0) }
    cases += [
      OrderCase(), Rejection("copy", "another size", .copy([3, 4], [4, 4])),
      Rejection("copy", "a part of itself", .copyOverSource([3, 4])),
      Rejection("fill", "an element before its buffer", .fillBeyond([3, 4], offset: -1)),
      Rejection("fill", "an element beyond its buffer", .fillBeyond([3, 4], offset: 1)),
      Rejection("fill", "a place beyond all numbers", .fillBeyond([3, 4], offset: .max)),
      Rejection("write", "too few values", .write([3, 4], count: 11)),
    ]
    return cases
  }
}

/// Moves values between the host and tensors, and between tensors.
struct TransferCase: OpCase {
  enum Kind: String, Sendable, CaseIterable { case write, fill, copy }

  let kind: Kind
  let count: Int

  var op: String { kind.rawValue }
  var name: String { "\(count) elements" }
  var mayWait: Bool { kind == .write }

  func arguments<B: Backend>(for backend: B) -> [Argument] {
    let target = Argument.output("target", [count])
    return kind == .copy ? [.input("source", [count], values), target] : [target]
  }

  private var values: [Float] { CaseData.uniform([count], -1...1, "\(op) \(name)") }

  func call<B: Backend>(_ backend: B, _ t: Tensors<B.Buffer>) throws {
    switch kind {
    case .write:
      var host = values.map { B.Scalar($0) }
      try host.withUnsafeBufferPointer { try backend.write($0, to: t["target"]) }
      // The host's memory may be reused at once.
      for i in host.indices { host[i] = 99 }
    case .fill: try backend.fill(t["target"], with: B.Scalar(-0.75))
    case .copy: try backend.copy(t["source"], to: t["target"])
    }
  }
}

/// New memory is zero, also where a pool hands out what was used before.
struct ZeroedCase: ConformanceCase {
  let count: Int
  let op = "allocate"
  var name: String { "\(count) elements" }
  var elements: Int { count }

  func run<B: Backend>(on backend: B, against reference: ReferenceBackend) throws -> CaseOutcome {
    var outcome = CaseOutcome()
    for round in 1...3 {
      let tensor = try backend.tensor([count])
      if try backend.read(tensor).contains(where: { $0 != 0 }) {
        outcome.failures.append("buffer \(round) was not zero.")
      }
      try backend.fill(tensor, with: 7)
    }
    return outcome
  }
}

/// Ops run in the order they are queued, and a read sees all of them.
struct OrderCase: ConformanceCase {
  let op = "read"
  let name = "after fills and copies"
  let elements = 100

  func run<B: Backend>(on backend: B, against reference: ReferenceBackend) throws -> CaseOutcome {
    let a = try backend.tensor([elements]), b = try backend.tensor([elements])
    for value in 1...20 {
      try backend.fill(a, with: B.Scalar(value))
      try backend.copy(a, to: b)
      try backend.fill(a, with: 0)
    }
    // A part, so that a read of the wrong place shows.
    try backend.fill(b.slice(at: 7, shape: [2]), with: -1)
    var outcome = CaseOutcome()
    let part = try backend.read(b.slice(at: 6, shape: [4]))
    if part != [20, -1, -1, 20] { outcome.failures.append("read \(part), not [20, -1, -1, 20].") }
    let before = backend.counters.waits
    try backend.synchronize()
    if try backend.read(a).contains(where: { $0 != 0 }) { outcome.failures.append("a copy's source was not zero.") }
    if backend.counters.waits == before { outcome.failures.append("synchronize and read counted no wait.") }
    return outcome
  }
}
