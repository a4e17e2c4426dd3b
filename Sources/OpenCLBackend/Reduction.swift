import CinchBackend

extension OpenCLBackend {
  public func columnSums(
    _ x: Tensor<OpenCLBuffer>, scale: Double, accumulate: Bool, into sums: Tensor<OpenCLBuffer>
  ) throws {
    try checkColumnSums(x, into: sums)
    guard x.columns > 0 else { return }
    let aside = family == .gpu ? Self.rowsAside(x.rows, columns: x.columns) : 1
    guard aside > 1 else { return try sumColumns(x, scale: scale, accumulate: accumulate, into: sums) }
    let (tall, width) = (x.rows / aside, aside * x.columns)
    let partials = Tensor(try sliceBuffer(width), shape: [width])
    try sumColumns(x.slice(at: 0, shape: [tall, width]), scale: 1, accumulate: false, into: partials)
    try sumColumns(partials.reshaped([aside, x.columns]), scale: scale, accumulate: accumulate, into: sums)
    let rest = x.rows - tall * aside
    guard rest > 0 else { return }
    try sumColumns(
      x.slice(at: tall * width, shape: [rest, x.columns]), scale: scale, accumulate: true, into: sums)
  }

  /// As how many rows side by side a GPU sums a matrix first, so that its pixels' few channels give work to all of it: a
  /// work-group has 32 columns. 1 for as it is. Bits depend on it, so it follows from the shape alone.
  static func rowsAside(_ rows: Int, columns: Int) -> Int {
    // As many columns as fill a large GPU, of enough rows for each.
    rows < 4096 ? 1 : max(1, min(8192 / columns, rows / 64))
  }

  private func sumColumns(
    _ x: Tensor<OpenCLBuffer>, scale: Double, accumulate: Bool, into sums: Tensor<OpenCLBuffer>
  ) throws {
    let columns = x.columns
    let grid = columnBlocks(columns, rows: x.rows)
    var call = try call(.columnSums)
    call.add(x)
    call.add(sums)
    call.add(x.rows)
    call.add(columns)
    call.add(grid.chunk)
    call.add(scale)
    call.add(accumulate)
    try run(call, grid)
  }

  public func rowSquares(_ x: Tensor<OpenCLBuffer>, into sums: Tensor<OpenCLBuffer>) throws {
    let (rows, columns) = (x.rows, x.columns)
    try checkRowSquares(x, into: sums)
    guard rows > 0 else { return }
    let grid = rowGroups(rows, columns: columns)
    var call = try call(.rowSquares)
    call.add(x)
    call.add(sums)
    call.add(rows)
    call.add(columns)
    call.add(grid.chunk)
    try run(call, grid)
  }

  /// The grid of a sum over `count` elements, a partial sum each work-item or work-group.
  private func partialGrid(_ count: Int) -> Grid {
    elements(max(count, 1), pieces: max(1, min(256, (count + Self.smallestChunk - 1) / Self.smallestChunk)))
  }

  public func sumPartialCount(_ count: Int) -> Int { partialGrid(count).groups }

  public func sumOfSquares(_ x: Tensor<OpenCLBuffer>, into partials: Tensor<OpenCLBuffer>) throws {
    try checkPartialSums(partials, count: sumPartialCount(x.count), op: "sumOfSquares")
    try sumPartials(x, .squares, into: partials)
  }

  public func sumOfMagnitudes(_ x: Tensor<OpenCLBuffer>, into partials: Tensor<OpenCLBuffer>) throws {
    try checkPartialSums(partials, count: sumPartialCount(x.count), op: "sumOfMagnitudes")
    try sumPartials(x, .magnitudes, into: partials)
  }

  /// - Parameter objective: θ, its first `decayCount` elements, and λ, where the gradient of the whole objective
  ///   is squared.
  func sumPartials(
    _ x: Tensor<OpenCLBuffer>, _ kind: PartialCode, into partials: Tensor<OpenCLBuffer>,
    objective: (parameters: Tensor<OpenCLBuffer>, decayCount: Int, decay: Double)? = nil
  ) throws {
    let grid = partialGrid(x.count)
    var call = try call(.sumPartials)
    call.add(x)
    call.add(objective?.parameters ?? x)
    call.add(partials)
    call.add(long: x.count)
    call.add(grid.chunk)
    call.add(kind.code)
    call.add(long: objective?.decayCount ?? 0)
    call.add(objective?.decay ?? 0)
    try run(call, grid)
  }

  public func total(_ terms: [SumTerm<OpenCLBuffer>], into result: Tensor<OpenCLBuffer>) throws {
    try checkTotal(terms, into: result)
    var call = try call(.total)
    var counts = SIMD4<Int32>()
    var scales = SIMD4<Float>()
    for index in 0..<4 {
      let given = index < terms.count
      let term = terms[given ? index : 0]
      call.add(term.partials)
      counts[index] = given ? Int32(term.partials.count) : 0
      scales[index] = given ? Float(term.scale) : 0
    }
    call.add(result)
    call.add(terms.count)
    call.add(counts)
    call.add(scales)
    try run(call, oneGroup)
  }

  /// A single work-group, for what ends a sum.
  var oneGroup: Grid { line(1) }
}
