import CinchBackend

/// How one output shape is cut on a CPU device.
struct MatmulPlan {
  /// Rows of a piece of work. With a loss, whole tiles of rows: they share a partial sum.
  var chunk: Int
  /// Pieces along rows and columns.
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
    case .cpu: return ((rows + tileRows - 1) / tileRows) * ((columns + target.panelWidth - 1) / target.panelWidth)
    case .gpu: return Self.cells(rows, columns)
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
    let turnsResult = Self.turnsResult(m, n, transposeA, transposeB, ending)
    let (rows, columns) = turnsResult ? (n, m) : (m, n)
    var (a, b, source, turns) = (a, b, a, 0)
    if transposeA && k > 0 {
      if turnsResult { (source, b) = (b, a) }
      a = Tensor(try turnedBuffer(rows * k), shape: [rows, k])
      // A dense gradient's also sum δ's columns, which are the product's where the result is turned.
      let sums = turnsResult && ending.mode == .denseGradient
      turns = ((sums ? m : rows) + target.panelWidth - 1) / target.panelWidth
    }
    let unit = ending.mode == .loss ? tileRows : turnsResult ? Self.turnedRows : Self.tailRows
    let plan = plan(rows, columns, rows: unit)
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
    call.add(source)
    call.add(turns)
    call.add(turnsResult)
    call.add(whole: try pieceCounter())
    ending.add(to: &call, c: c)
    try run(call, takers(of: turns + plan.chunks * plan.panels))
  }

  /// Whether Aᵀ·B is better made as the transpose of Bᵀ·A: the smaller factor is turned, and sums as they are stored.
  private static func turnsResult(
    _ m: Int, _ n: Int, _ transposeA: Bool, _ transposeB: Bool, _ ending: EpilogueArguments
  ) -> Bool {
    guard transposeA && !transposeB && m >= 2 * n else { return false }
    return ending.mode == .none || ending.mode == .denseGradient
  }

  /// The cut of an m × n output: as was chosen by measuring, or else the one that ends first when every compute unit
  /// takes the next piece as it falls idle, in multiples of `unit` rows. Sums run along k, so none is cut.
  func plan(_ m: Int, _ n: Int, rows unit: Int) -> MatmulPlan {
    let key = MatmulKey(m: m, n: n, unit: unit)
    if let plan = plans[key] { return plan }
    let panels = (n + target.panelWidth - 1) / target.panelWidth
    if let share = shares.products[.product(m, n)] {
      let wanted = max(1, min(share.pieces * computeUnits / panels, (m + unit - 1) / unit))
      let chunk = min(((m + wanted - 1) / wanted + unit - 1) / unit * unit, m)
      let plan = MatmulPlan(chunk: chunk, chunks: (m + chunk - 1) / chunk, panels: panels)
      plans[key] = plan
      return plan
    }
    let lastIsNarrow = n - (panels - 1) * target.panelWidth <= vectorWidth
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

  /// Enough work-groups to fill a large GPU twice over. Where a product has fewer cells it is cut along k, for every
  /// device alike.
  static let manyBlocks = 256

  static func cells(_ m: Int, _ n: Int) -> Int {
    ((m + lossCell - 1) / lossCell) * ((n + lossCell - 1) / lossCell)
  }

  private func productOnGPU(
    _ a: Tensor<OpenCLBuffer>, _ transposeA: Bool, _ b: Tensor<OpenCLBuffer>, _ transposeB: Bool,
    _ c: Tensor<OpenCLBuffer>, _ m: Int, _ n: Int, _ k: Int, _ ending: EpilogueArguments
  ) throws {
    // A loss is taken in one pass; anything else may be cut along k.
    let wanted = ending.mode == .loss ? 1 : max(1, min(Self.manyBlocks / Self.cells(m, n), k / 64, 32))
    let kBlock = wholeSteps((k + wanted - 1) / wanted)
    let count = max((k + kBlock - 1) / kBlock, 1)

    let width = loadWidth([a, b], [transposeA ? m : k, transposeB ? k : n])
    let tile = choice.tiles(loadWidth: width).product(m, n, layers: count, computeUnits: computeUnits)
    // A slice ends as it is.
    let first = count == 1 ? ending : .none
    let program = TileProgram(tile: tile, loadWidth: width, mode: first.mode)
    let (id, kernel) = try variant(
      .matmulTiles, .matmulTiles(program, transposeA: transposeA, transposeB: transposeB))
    let target = count == 1 ? c : Tensor(try sliceBuffer(count * m * n), shape: [count * m * n])
    var call = Call(id, kernel)
    call.add(a)
    call.add(b)
    call.add(target)
    call.add(m)
    call.add(n)
    call.add(k)
    call.add(kBlock)
    first.add(to: &call, c: target)
    try run(call, grid(tile, m, n, count))
    if count > 1 { try addSlices(target, count, into: c, m, n, ending) }
  }

  /// The width of global loads: 4 where every tensor and its rows begin at multiples of 4 elements.
  func loadWidth(_ tensors: [Tensor<OpenCLBuffer>], _ rows: [Int]) -> Int {
    tensors.allSatisfy { $0.offset % 4 == 0 } && rows.allSatisfy { $0 % 4 == 0 } ? 4 : 1
  }

  /// So many layers of an m × n product's blocks. Rows come first: there may be more than 65,535 blocks of them, which is
  /// what some devices allow of the others.
  /// - Throws: `BackendError.invalidArgument` where this one does not allow them.
  func grid(_ tile: GPUTile, _ m: Int, _ n: Int, _ layers: Int) throws -> Grid {
    let across = (n + tile.columns - 1) / tile.columns
    // Nearly none comes near: the vendor's name is looked at by these alone.
    if max(across, layers) > 65_535 { try Self.checkGroups(max(across, layers), most: device.mostGroups, device.name) }
    return Grid(groups: ((m + tile.rows - 1) / tile.rows, across, layers), of: (tile.items, 1, 1))
  }

  static func checkGroups(_ groups: Int, most: Int, _ name: String) throws {
    try require(
      groups <= most,
      "The device \(name) takes \(most) blocks of columns, or phases of a transposed convolution's stride, in a launch, not "
        + "\(groups): use narrower layers or smaller strides.")
  }

  /// C = epilogue(Σ slices).
  func addSlices(
    _ slices: Tensor<OpenCLBuffer>, _ count: Int, into c: Tensor<OpenCLBuffer>, _ m: Int, _ n: Int,
    _ ending: EpilogueArguments
  ) throws {
    var call = try call(.addSlices)
    call.add(slices)
    call.add(c)
    call.add(m)
    call.add(n)
    call.add(count)
    ending.add(to: &call, c: c)
    try run(call, elements(m * n))
  }

  /// Steps of a slice of k: whole copies to local memory.
  func wholeSteps(_ steps: Int) -> Int {
    max((steps + Self.sliceSteps - 1) / Self.sliceSteps * Self.sliceSteps, Self.sliceSteps)
  }

  /// Where a CPU product keeps its turned left factor.
  private func turnedBuffer(_ count: Int) throws -> OpenCLBuffer {
    if let turned, turned.count >= count { return turned }
    let made = try allocate(count, isScratch: true)
    turned = made
    return made
  }

  func sliceBuffer(_ count: Int) throws -> OpenCLBuffer {
    if let slices, slices.count >= count { return slices }
    let made = try allocate(count, isScratch: true)
    slices = made
    return made
  }
}
