import CinchBackend

/// How one output shape is cut on a CPU device.
struct MatmulPlan {
  /// Rows of a work-item. With a loss, whole tiles of rows: they share a partial sum.
  var chunk: Int
  /// Work-items along rows and columns.
  var chunks: Int
  var panels: Int
}

struct MatmulKey: Hashable {
  var m: Int
  var n: Int
  var unit: Int
}

extension OpenCLBackend {
  public func matmul(
    _ a: Tensor<OpenCLBuffer>, transposeA: Bool, _ b: Tensor<OpenCLBuffer>, transposeB: Bool,
    into c: Tensor<OpenCLBuffer>, epilogue: Epilogue<OpenCLBuffer>
  ) throws {
    let (m, n, k) = try checkMatmul(
      a, transposeA: transposeA, b, transposeB: transposeB, into: c, epilogue: epilogue, partialCount: lossPartialCount)
    try product(a, transposeA, b, transposeB, c, m, n, k, EpilogueArguments(epilogue, features: n))
  }

  public func denseGradient(
    delta: Tensor<OpenCLBuffer>, input: Tensor<OpenCLBuffer>, weightGradient: Tensor<OpenCLBuffer>,
    biasGradient: Tensor<OpenCLBuffer>, scale: Double, accumulate: Bool, accumulateBias: Bool,
    rowPull: RowPull<OpenCLBuffer>?
  ) throws {
    let (samples, columns, out) = try checkDenseGradient(
      delta: delta, input: input, weightGradient: weightGradient, biasGradient: biasGradient, rowPull: rowPull)
    let ending = EpilogueArguments.denseGradient(
      biasGradient: biasGradient, scale: scale, accumulate: accumulate, accumulateBias: accumulateBias, pull: rowPull)
    try product(delta, true, input, false, weightGradient, out, columns, samples, ending)
    // The CPU's sums δ's columns when it turns δ.
    if family == .gpu || out == 0 || columns == 0 || samples == 0 {
      try columnSums(delta, scale: scale, accumulate: accumulateBias, into: biasGradient)
    }
  }

  public func lossPartialCount(rows: Int, columns: Int) -> Int {
    guard rows > 0 && columns > 0 else { return 1 }
    switch family {
    case .cpu: return ((rows + tileRows - 1) / tileRows) * ((columns + panelWidth - 1) / panelWidth)
    case .gpu: return blocks(rows, columns, of: Self.lossCell)
    }
  }

  private func product(
    _ a: Tensor<OpenCLBuffer>, _ transposeA: Bool, _ b: Tensor<OpenCLBuffer>, _ transposeB: Bool,
    _ c: Tensor<OpenCLBuffer>, _ m: Int, _ n: Int, _ k: Int, _ ending: EpilogueArguments
  ) throws {
    guard m > 0 && n > 0 else { return }
    switch family {
    case .cpu: try productOnCPU(a, transposeA, b, transposeB, c, m, n, k, ending)
    case .gpu: try productOnGPU(a, transposeA, b, transposeB, c, m, n, k, ending)
    }
  }

  // MARK: - CPU devices

  private func productOnCPU(
    _ a: Tensor<OpenCLBuffer>, _ transposeA: Bool, _ b: Tensor<OpenCLBuffer>, _ transposeB: Bool,
    _ c: Tensor<OpenCLBuffer>, _ m: Int, _ n: Int, _ k: Int, _ ending: EpilogueArguments
  ) throws {
    var a = a
    if transposeA && k > 0 {
      let turned = try turnedBuffer(m * k)
      var call = try call(.turn)
      call.add(a)
      call.add(turned)
      call.add(m)
      call.add(k)
      ending.add(to: &call, c: c)
      try run(call, line((m + vectorWidth - 1) / vectorWidth))
      a = Tensor(turned, offset: 0, shape: [m, k])
    }
    let plan = plan(m, n, rows: ending.mode == .loss ? tileRows : Self.tailRows)
    // Blocks of k of one size, so that the last is not a sliver.
    let blocks = max((k + Self.packedSteps - 1) / Self.packedSteps, 1)
    let kBlock = max(((k + blocks - 1) / blocks + 15) / 16 * 16, 16)
    var call = try call(.matmul)
    call.add(a)
    call.add(b)
    call.add(c)
    call.add(m)
    call.add(n)
    call.add(k)
    call.add(kBlock)
    call.add(plan.chunk)
    call.add(transposeB)
    ending.add(to: &call, c: c)
    try run(call, Grid(groups: (plan.chunks, plan.panels, 1), of: family.groups.line))
  }

  /// The cut of an m × n output that ends first when every compute unit takes the next work-item as it falls
  /// idle, in multiples of `unit` rows. Sums run along k, so none is cut.
  func plan(_ m: Int, _ n: Int, rows unit: Int) -> MatmulPlan {
    let key = MatmulKey(m: m, n: n, unit: unit)
    if let plan = plans[key] { return plan }
    let panels = (n + panelWidth - 1) / panelWidth
    let lastIsNarrow = n - (panels - 1) * panelWidth <= vectorWidth
    let units = computeUnits
    var best = MatmulPlan(chunk: m, chunks: 1, panels: panels)
    var bestCost = Double.infinity
    // More work-items than a few per unit only add packing.
    let most = min((m + unit - 1) / unit, max(1, 8 * units / panels), 256)
    for wanted in 1...max(most, 1) {
      let chunk = min(((m + wanted - 1) / wanted + unit - 1) / unit * unit, m)
      let chunks = (m + chunk - 1) / chunk
      var busy = [Double](repeating: 0, count: units)
      for item in 0..<chunks * panels {
        let rows = min(chunk, m - item % chunks * chunk)
        let narrow = lastIsNarrow && item / chunks == panels - 1
        let idle = busy.indices.min { busy[$0] < busy[$1] }!
        busy[idle] += cost(rows: rows) * (narrow ? 0.55 : 1)
      }
      let cost = busy.max()!
      if cost < bestCost * 0.995 {
        bestCost = cost
        best = MatmulPlan(chunk: chunk, chunks: chunks, panels: panels)
      }
    }
    plans[key] = best
    return best
  }

  /// The time of a work-item in that of one row of a full tile. Tails do worse; packing costs as much as about eight rows.
  private func cost(rows: Int) -> Double {
    let tail = rows % tileRows
    return Double(rows - tail) + Double((tail + Self.tailRows - 1) / Self.tailRows) * 5 + 8
  }

  // MARK: - GPUs

  /// Enough work-groups to fill a large GPU twice over. Where a product has fewer blocks it is cut along k, for every
  /// device alike.
  static let manyBlocks = 256

  private func blocks(_ m: Int, _ n: Int, of size: Int) -> Int { ((m + size - 1) / size) * ((n + size - 1) / size) }

  /// The largest block of which there are enough to give every compute unit one of a slice of k.
  private func tile(_ m: Int, _ n: Int, slices: Int) -> Int {
    [128, 64].first { blocks(m, n, of: $0) * slices >= computeUnits } ?? 32
  }

  private func productOnGPU(
    _ a: Tensor<OpenCLBuffer>, _ transposeA: Bool, _ b: Tensor<OpenCLBuffer>, _ transposeB: Bool,
    _ c: Tensor<OpenCLBuffer>, _ m: Int, _ n: Int, _ k: Int, _ ending: EpilogueArguments
  ) throws {
    // A loss is taken in one pass; anything else may be cut along k.
    let wanted = ending.mode == .loss ? 1 : max(1, min(Self.manyBlocks / blocks(m, n, of: 32), k / 64, 32))
    let kBlock = wholeSteps((k + wanted - 1) / wanted)
    let count = max((k + kBlock - 1) / kBlock, 1)
    let tile = tile(m, n, slices: count)
    let across = (n + tile - 1) / tile
    let down = (m + tile - 1) / tile

    var call = try call(tile == 128 ? .matmul128 : tile == 64 ? .matmul64 : .matmul32)
    call.add(a)
    call.add(b)
    if count == 1 {
      call.add(c)
    } else {
      call.add(try sliceBuffer(count * m * n))
    }
    call.add(m)
    call.add(n)
    call.add(k)
    call.add(kBlock)
    call.add(transposeA)
    call.add(transposeB)
    ending.add(to: &call, c: c)
    try run(call, Grid(groups: (across, down, count), of: family.groups.tile))

    if count > 1 {
      var second = try self.call(.matmulSlices)
      second.add(try sliceBuffer(count * m * n))
      second.add(c)
      second.add(m)
      second.add(n)
      second.add(count)
      ending.add(to: &second, c: c)
      try run(second, elements(m * n))
    }
  }

  /// Steps of a slice of k: whole copies to local memory.
  func wholeSteps(_ steps: Int) -> Int {
    max((steps + Self.tileSteps - 1) / Self.tileSteps * Self.tileSteps, Self.tileSteps)
  }

  /// Where a CPU product keeps its turned left factor.
  private func turnedBuffer(_ count: Int) throws -> OpenCLBuffer {
    if let turned, turned.count >= count { return turned }
    let made = try allocate(count)
    turned = made
    return made
  }

  private func sliceBuffer(_ count: Int) throws -> OpenCLBuffer {
    if let slices, slices.count >= count { return slices }
    let made = try allocate(count)
    slices = made
    return made
  }
}
