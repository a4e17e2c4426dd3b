import CinchBackend

/// A case's tensors on a backend, each inside a larger buffer.
struct Workbench<B: Backend> {
  let backend: B
  let arguments: [Argument]
  let tensors: Tensors<B.Buffer>
  /// What each whole buffer holds when the op starts.
  let loaded: [[Double]]
  private let buffers: [B.Buffer]
  private let offsets: [Int]

  /// Margins are wider than a vector register, so that an overrun shows.
  private let margin = 64

  init(_ backend: B, _ arguments: [Argument], expectsNaN: Bool, salt: UInt64) throws {
    self.backend = backend
    self.arguments = arguments
    // One case in three has every tensor on a 64-element boundary; the others straddle vectors and pages.
    let shifts = [0, 1, 4, 7, 16, 3, 19, 5]
    var buffers: [B.Buffer] = [], offsets: [Int] = [], loaded: [[Double]] = [], byName: [String: Tensor<B.Buffer>] = [:]
    for (i, argument) in arguments.enumerated() {
      let shift = salt % 3 == 0 ? 0 : shifts[(Int(salt % 97) + i) % shifts.count]
      let offset = margin + shift, count = offset + argument.shape.count + margin
      // A poison that is not a number cannot pass for one; where one is expected, it is a number instead.
      var values = [Double](repeating: expectsNaN ? 3e8 : .nan, count: count)
      if argument.role != .output {
        for e in 0..<argument.shape.count { values[offset + e] = argument.values[e] }
      }
      for e in 0..<offset { values[e] = CaseData.sentinel(e) }
      for e in (count - margin)..<count { values[e] = CaseData.sentinel(e) }
      let buffer = try backend.allocate(count)
      buffers.append(buffer)
      offsets.append(offset)
      loaded.append(values)
      byName[argument.name] = Tensor(buffer, offset: offset, shape: argument.shape)
    }
    self.buffers = buffers
    self.offsets = offsets
    self.loaded = loaded
    tensors = Tensors(byName: byName)
    try load()
  }

  /// Where the tensor's own elements lie in its buffer.
  func interior(_ i: Int) -> Range<Int> { offsets[i]..<(offsets[i] + arguments[i].shape.count) }

  /// Puts everything back as it was before the op.
  func load() throws {
    for i in arguments.indices { try backend.write(CaseData.narrow(loaded[i], to: B.Scalar.self), to: whole(i)) }
  }

  /// Every buffer, margins and all.
  func read() throws -> [[Double]] {
    try arguments.indices.map { CaseData.widen(try backend.read(whole($0))) }
  }

  /// The buffers of what an op writes, after a call on fresh ones.
  func results(_ call: (Tensors<B.Buffer>) throws -> Void) throws -> [[Double]] {
    let written = arguments.indices.filter { arguments[$0].role != .input }
    for i in written { try backend.write(CaseData.narrow(loaded[i], to: B.Scalar.self), to: whole(i)) }
    try call(tensors)
    return try written.map { CaseData.widen(try backend.read(whole($0))) }
  }

  private func whole(_ i: Int) -> Tensor<B.Buffer> { Tensor(buffers[i], shape: [loaded[i].count]) }
}

extension CaseOutcome {
  mutating func checkSurroundings(of argument: Argument, loaded: [Double], found: [Double], interior: Range<Int>) {
    let outside = Array(0..<interior.lowerBound) + Array(interior.upperBound..<loaded.count)
    let changed = outside.filter { !Self.same(loaded[$0], found[$0]) }
    if let first = changed.first {
      failures.append(
        "wrote outside \(argument.name) (\(argument.shape)): \(changed.count) elements, the first "
          + (first < interior.lowerBound
            ? "\(interior.lowerBound - first) before its start." : "\(first - interior.upperBound + 1) past its end."))
    }
  }

  mutating func checkUnchanged(_ argument: Argument, from old: [Double], to new: [Double]) {
    if old == new { return }
    if let i = old.indices.first(where: { !Self.same(old[$0], new[$0]) }) {
      failures.append("changed its input \(argument.name)[\(i)] from \(old[i]) to \(new[i]).")
    }
  }

  mutating func checkRepeated(_ argument: Argument, _ first: [Double], _ second: [Double]) {
    if first == second { return }
    if let i = first.indices.first(where: { !Self.same(first[$0], second[$0]) }) {
      failures.append("gave \(argument.name)[\(i)] as \(first[i]), and as \(second[i]) when called again.")
    }
  }

  /// No `tolerances` asks for equality.
  mutating func compare(_ name: String, got: [Double], want: [Double], tolerances: [Double]?, expectsNaN: Bool) {
    guard got.count == want.count, tolerances.map({ $0.count == want.count }) ?? true else {
      failures.append("the case is broken: \(got.count) values of \(name), \(want.count) wanted.")
      return
    }
    var wrong = 0
    var example = ""
    for i in want.indices {
      let share = Self.share(got: got[i], want: want[i], tolerance: tolerances?[i] ?? 0, expectsNaN: expectsNaN)
      error = max(error, share)
      if share > 1 {
        if wrong == 0 { example = "\(name)[\(i)] is \(got[i]), not \(want[i]) ± \(tolerances?[i] ?? 0)" }
        wrong += 1
      }
    }
    if wrong > 0 { failures.append("\(example) (\(wrong) of \(want.count) wrong).") }
  }

  private static func share(got: Double, want: Double, tolerance: Double, expectsNaN: Bool) -> Double {
    if want.isNaN || want.isInfinite { return expectsNaN && same(got, want) ? 0 : incomparable }
    let difference = abs(got - want)
    if difference == 0 { return 0 }
    let share = difference / tolerance
    // Not `share > incomparable`: a NaN is none of these.
    return share <= incomparable ? share : incomparable
  }

  /// Equal as bits, but for a NaN's payload.
  static func same(_ a: Double, _ b: Double) -> Bool { a.isNaN ? b.isNaN : a == b && a.sign == b.sign }
}
