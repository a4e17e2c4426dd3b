import CinchBackend

// The numbers that host and kernels must agree on. Each is made in Swift alone: the host deals out work by it, and the
// kernels have it from the prefix of their program, without which they do not compile.

/// The extents of the work-groups that kernels ask for by `reqd_work_group_size`.
struct WorkGroups {
  typealias Extents = (Int, Int, Int)

  /// Elements, or other items in a row. On a GPU their sums meet in a tree, so it is a power of two.
  let line: Extents
  /// Columns and rows of a matrix.
  let matrix: Extents
  /// Columns that are summed, and the rows that are read at once; the latter a power of two.
  let columns: Extents

  /// A CPU runs the work-items of a group one after the other, so they come one by one.
  static let cpu = WorkGroups(line: (1, 1, 1), matrix: (1, 1, 1), columns: (1, 1, 1))
  static let gpu = WorkGroups(line: (256, 1, 1), matrix: (64, 4, 1), columns: (32, 8, 1))
}

extension KernelFamily {
  var groups: WorkGroups { self == .cpu ? .cpu : .gpu }
}

extension OpenCLBackend {
  /// Steps of k that a CPU matmul packs at once: 128 KB with 16 lanes, which stream from the second-level cache as fast
  /// as they are used. Fewer would lie in the first, but the sums would go to memory and back more often.
  static let packedSteps = 1024

  /// Rows of a register tile at the end of a CPU matmul's work-item.
  static let tailRows = 4

  /// Rows of sums that are turned at once where a CPU matmul makes C's transpose: whole tiles and whole vectors.
  static let turnedRows = 48

  /// Slices of k on a GPU are multiples of this, hence of what any work-group copies to local memory at once.
  static let sliceSteps = 16

  /// Products that a GPU's work-item sums before it adds them to what it has in memory.
  static let sumSteps = 2048

  /// The side of the cells that a GPU sums losses over, of which blocks of C consist, and of which a product's slices
  /// follow.
  static let lossCell = 32

  /// Words of a block of Philox4x32.
  static let blockWords = 4
}

extension KernelTarget {
  /// Columns of C that a CPU matmul's work-item makes: two vectors.
  var panelWidth: Int { 2 * vectorWidth }

  /// How a weight gradient of many outputs on a CPU device cuts runs of neighbours: the length of a group, groups of a
  /// tile, and the vectors of outputs, of so many, that each neighbour meets. As many sums as fit the registers; whichever
  /// takes the fewest instructions.
  func gradientTile(runs: Int, run: Int, vectors: Int) -> GradientTile {
    let most = vectorWidth == 16 ? 24 : 12
    let cuts = [(3, 4), (4, 3), (3, 3), (4, 4), (6, 1), (3, 2), (5, 1), (4, 1)]
    let tiles = cuts.flatMap { length, groups in
      (1...min(vectors, 2)).filter { length * groups * $0 <= most }.map { wide in
        GradientTile(
          runs: runs, run: run, length: length, groups: groups, wide: wide, inputs: length * groups, outputs: wide,
          passes: (vectors + wide - 1) / wide)
      }
    }
    return tiles.min { $0.cost < $1.cost }!
  }

  /// The same of few outputs, where a group is a vector.
  func gradientTile(runs: Int, run: Int, few outputs: Int) -> GradientTile {
    GradientTile(
      runs: runs, run: run, length: vectorWidth, groups: fewGroups(outputs), inputs: fewGroups(outputs),
      outputs: outputs)
  }

  private func fewGroups(_ outputs: Int) -> Int {
    if vectorWidth < 16 { return outputs == 4 ? 2 : outputs == 2 ? 4 : 6 }
    return outputs == 8 ? 3 : outputs == 4 ? 5 : 6
  }

  private typealias Macro = (name: String, value: Int)

  /// What every program has.
  private func commonMacros(_ module: Module) -> [Macro] {
    let groups = family.groups
    var width = vectorWidth
    switch module {
    case .pooling(let narrower, _, _), .correlation(let narrower, _, _, _, _, _),
      .gradient(let narrower, _, _, _, _):
      width = narrower
    default: break
    }
    return [
      ("VW", width), ("CPU_FAMILY", family == .cpu ? 1 : 0), ("PREFETCHES", prefetches ? 1 : 0),
      ("LINE_GROUP", groups.line.0),
      ("MATRIX_GROUP_X", groups.matrix.0), ("MATRIX_GROUP_Y", groups.matrix.1), ("COLUMNS_GROUP_X", groups.columns.0),
      ("COLUMNS_GROUP_Y", groups.columns.1),
    ]
  }

  /// What a module is compiled for. 0 stands for a number that its kernels learn at run time.
  private func macros(_ module: Module) -> [Macro] {
    switch module {
    case .elementwise, .losses, .reduction, .mixed, .taps, .slices: []
    case .optimizer(let rule): [("RULE", Int(rule.code))]
    case .matmul:
      [
        ("MR", tileRows), ("TAIL_ROWS", OpenCLBackend.tailRows), ("PANEL", panelWidth),
        ("KC", OpenCLBackend.packedSteps), ("TURNED_ROWS", OpenCLBackend.turnedRows),
      ]
    case .matmulTiles(let program, let transposeA, let transposeB):
      macros(program) + [("TRANSPOSE_A", transposeA ? 1 : 0), ("TRANSPOSE_B", transposeB ? 1 : 0)]
    case .convolveTiles(let program, let transposed): macros(program) + [("TRANSPOSED", transposed ? 1 : 0)]
    case .convolutionGradientTiles(let program): macros(program)
    case .gather, .corruption, .sampling: [("BLOCK_WORDS", OpenCLBackend.blockWords)]
    case .peak: [("CHAINS", OpenCLBackend.peakChains)]
    case .correlation(_, let pixels, let wide, let turnSteps, let losses, let window):
      [
        ("PHASE", PhaseField.allCases.count), ("PIXELS", pixels), ("WIDE", wide), ("TURN_STEPS", turnSteps),
        ("LOSSES", losses ? 1 : 0),
      ] + macros(window)
    case .correlationPlanes(let outputs, let block, let woven, let split):
      [
        ("PHASE", PhaseField.allCases.count), ("OUTPUTS", outputs), ("BLOCK", block), ("WOVEN", woven),
        ("SPLIT", split), ("LOSSES", 1),
      ]
    case .gradient(_, let wide, let length, let groups, let window):
      [("OUTPUTS", 0), ("WIDE", wide), ("GROUP_NEIGHBOURS", length), ("TILE_GROUPS", groups)] + macros(window)
    case .gradientOfFew(let outputs):
      [("OUTPUTS", outputs), ("WIDE", 1), ("GROUP_NEIGHBOURS", vectorWidth), ("TILE_GROUPS", fewGroups(outputs))]
        + macros(nil)
    case .weights: [("PHASE", PhaseField.allCases.count)]
    case .pooling(_, let height, let width): [("TILE_HEIGHT", height), ("TILE_WIDTH", width)]
    }
  }

  private func macros(_ program: TileProgram) -> [Macro] {
    program.macros + (program.tile.lanes > 0 ? [("EMULATES_SUBGROUPS", emulatesSubgroups ? 1 : 0)] : [])
  }

  private func macros(_ window: PooledWindow?) -> [Macro] {
    [("POOL_HEIGHT", window?.height ?? 0), ("POOL_WIDTH", window?.width ?? 0)]
  }

  /// What stands before a program's sources: the names of `kernelCodes`, and the macros of its module.
  func prefix(_ module: Module) -> String {
    kernelCodes.map { $0.declaration }.joined()
      + (commonMacros(module) + macros(module)).map { "#define \($0.name) \($0.value)\n" }.joined()
      + "#define LEAKY_SLOPE \(Float(Activation.leakySlope))f\n"
  }
}
