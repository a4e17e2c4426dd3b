/// How a work-group of the GPU family makes a product: by a block of it, of which a work-item has a part in registers.
/// See `Kernels/gpu/tile.cl`.
package struct GPUTile: Hashable, Sendable {
  /// A block.
  var rows: Int
  var columns: Int
  /// A work-item's own part of a block.
  var ownRows: Int
  var ownColumns: Int
  /// Products between two copies to local memory.
  var steps: Int
  /// How many of them are written out.
  var unroll: Int
  /// Work-items of the sub-groups whose registers hold operands; 0 where local memory does.
  var lanes = 0

  var items: Int { rows * columns / (ownRows * ownColumns) }

  /// Whether its items copy whole loads of so many floats.
  func suits(loadWidth: Int) -> Bool {
    if lanes > 0 { return ownRows * steps % (loadWidth * lanes) == 0 && columns * steps % (loadWidth * items) == 0 }
    return [rows, columns].allSatisfy { $0 * steps % (loadWidth * items) == 0 }
  }

  /// Whether a device has the sub-groups that it asks for.
  func suits(_ subgroups: Subgroups?) -> Bool { lanes == 0 || subgroups?.have(lanes) == true }

  /// How many blocks an m × n product has.
  func blocks(_ m: Int, _ n: Int) -> Int { ((m + rows - 1) / rows) * ((n + columns - 1) / columns) }
}

/// What of the GPU family's kernels a device gets. No choice changes a bit of any result, so it may be made by the device,
/// by measuring, or at random.
struct GPUChoice: Hashable {
  /// Blocks for one width of global loads.
  struct Tiles: Hashable {
    /// Of products of matrices, the largest first: the first of which there are enough for every compute unit is taken.
    var products: [GPUTile]
    /// Of convolutions.
    var images: GPUTile
    /// Of convolutions with no more channels than this has columns.
    var narrowImages: GPUTile?
    /// Of their gradients, where these need another.
    var imageGradients: GPUTile?
    /// What was chosen for a class of shapes by measuring comes before these.
    var tuned: [ShapeClass: GPUTile] = [:]

    /// The tile of so many layers of an m × n product.
    func product(_ m: Int, _ n: Int, layers: Int, computeUnits: Int) -> GPUTile {
      tuned[.product(m, n)] ?? products.first { $0.blocks(m, n) * layers >= computeUnits }
        ?? products[products.count - 1]
    }

    /// The tile of a convolution whose result has so many channels, or of its gradient.
    func image(channels: Int, isGradient: Bool) -> GPUTile {
      let shapes: ShapeClass =
        isGradient ? .imageGradients : channels <= OpenCLBackend.lossCell ? .narrowImages : .images
      if let tile = tuned[shapes] { return tile }
      if isGradient, let imageGradients { return imageGradients }
      if let narrowImages, channels <= narrowImages.columns { return narrowImages }
      return images
    }
  }

  /// Where every row begins at a multiple of four elements: global memory is read by four.
  var aligned: Tiles
  var unaligned: Tiles

  func tiles(loadWidth: Int) -> Tiles { loadWidth == 4 ? aligned : unaligned }
}

// Bounds, registers and groups are those of `make gpu-isa`, in Benchmarks/results/gpu-isa.md.
extension GPUTile {
  /// 64 sums an item need the fewest reads of local memory. With two steps written out they take 128 registers, which
  /// leaves NVIDIA's multiprocessors two groups and AMD's SIMDs two waves; with all eight, 146 and one.
  static let large = GPUTile(rows: 128, columns: 128, ownRows: 8, ownColumns: 8, steps: 8, unroll: 2)

  /// 32 sums an item take 96 registers, five groups of NVIDIA's multiprocessors. Written out wholly, sm_90's assembler
  /// makes some addresses anew at every read.
  static let middle = GPUTile(rows: 64, columns: 64, ownRows: 8, ownColumns: 4, steps: 16, unroll: 8)

  /// All steps written out, which AMD's compiler wants: of a shorter loop it reads ahead, and takes 170 registers
  /// instead of 104. So does address arithmetic want it that is made once a step, as a convolution's and unaligned
  /// loads'.
  static let middleInFull = GPUTile(rows: 64, columns: 64, ownRows: 8, ownColumns: 4, steps: 16, unroll: 16)

  /// For products too small to give every compute unit a larger block.
  static let small = GPUTile(rows: 32, columns: 32, ownRows: 4, ownColumns: 4, steps: 16, unroll: 16)

  /// A convolution's, of no more than 32 channels: of a block of 64 columns half would be thrown away.
  static let narrow = GPUTile(rows: 128, columns: 32, ownRows: 8, ownColumns: 4, steps: 16, unroll: 16)

  /// 16 sums an item: Intel's threads have 128 registers of 8 lanes, in which 32 sums spill 0.3 to 4 KB.
  static let frugal = GPUTile(rows: 64, columns: 64, ownRows: 4, ownColumns: 4, steps: 16, unroll: 16)

  /// Half the steps, so that an item's share of a step fits the registers beside it when it is read one by one.
  static let frugalUnaligned = GPUTile(rows: 64, columns: 64, ownRows: 4, ownColumns: 4, steps: 8, unroll: 8)

  /// By sub-groups, 32 sums an item fit Intel's registers, as operands take few: of A each lane holds two loads.
  /// With more steps, the compiler reads ahead and spills.
  static func subgroups(_ lanes: Int) -> GPUTile { bySubgroups(lanes, rows: 64, columns: 64) }

  /// A convolution's, of no more channels than a row of sub-groups has.
  static func narrowSubgroups(_ lanes: Int) -> GPUTile { bySubgroups(lanes, rows: 64, columns: 4 * lanes) }

  /// Four sub-groups, for products too small to give every compute unit a larger block.
  static func fewSubgroups(_ lanes: Int) -> GPUTile { bySubgroups(lanes, rows: 32, columns: 4 * lanes) }

  private static func bySubgroups(_ lanes: Int, rows: Int, columns: Int) -> GPUTile {
    GPUTile(rows: rows, columns: columns, ownRows: 8, ownColumns: 4, steps: 8, unroll: 8, lanes: lanes)
  }
}

extension GPUChoice {
  static let nvidia = GPUChoice(
    aligned: Tiles(products: [.large, .middle, .small], images: .middleInFull, narrowImages: .narrow),
    unaligned: Tiles(products: [.large, .middleInFull, .small], images: .middleInFull))

  static let amd = GPUChoice(
    aligned: Tiles(products: [.large, .middleInFull, .small], images: .middleInFull, narrowImages: .narrow),
    unaligned: Tiles(products: [.large, .middleInFull, .small], images: .middleInFull))

  /// For few registers, as Intel's and phones' GPUs have.
  static let frugal = GPUChoice(
    aligned: Tiles(products: [.frugal, .small], images: .frugal),
    unaligned: Tiles(products: [.frugalUnaligned], images: .frugalUnaligned))

  /// For Intel's GPUs, whose registers hold so many floats: operands of products come by sub-groups of as many lanes.
  static func intel(_ lanes: Int) -> GPUChoice {
    var choice = frugal
    choice.aligned = Tiles(
      products: [.subgroups(lanes), .fewSubgroups(lanes)], images: .subgroups(lanes),
      narrowImages: .narrowSubgroups(lanes), imageGradients: .frugal)
    // Read one by one, a transposed convolution's operands do not fit the registers.
    choice.unaligned.products = choice.aligned.products
    return choice
  }

  /// Processors that run the GPU family, as tests do: every tile is programs to compile, which takes longer there than
  /// to run them, and no tile is faster than another.
  static let emulated = GPUChoice(
    aligned: Tiles(products: [.middleInFull], images: .middleInFull),
    unaligned: Tiles(products: [.middleInFull], images: .middleInFull))

  /// Every choice that is shipped, by name.
  static let all: [(name: String, choice: GPUChoice)] = [
    ("nvidia", nvidia), ("amd", amd), ("frugal", frugal), ("intel8", intel(8)), ("intel16", intel(16)),
  ]

  /// Every tile that a device with such sub-groups can run.
  static func candidates(_ subgroups: Subgroups?) -> [GPUTile] {
    let own: [GPUTile] = [
      .subgroups(8), .narrowSubgroups(8), .fewSubgroups(8), .subgroups(16), .fewSubgroups(16),
    ]
    return candidates + own.filter { $0.suits(subgroups) }
  }

  /// Every tile by local memory that a choice may have, for tests and for measuring.
  static let candidates: [GPUTile] = [
    .large, .middle, .middleInFull, .small, .narrow, .frugal, .frugalUnaligned,
    GPUTile(rows: 128, columns: 128, ownRows: 8, ownColumns: 8, steps: 8, unroll: 8),
    GPUTile(rows: 128, columns: 64, ownRows: 8, ownColumns: 8, steps: 8, unroll: 4),
  ]
}

/// What a program of a tile is compiled for.
struct TileProgram: Hashable {
  var tile: GPUTile
  /// Floats of a global load: 4 or 1.
  var loadWidth: Int
  var mode: EpilogueArguments.Mode

  /// The part of a source's prefix that is its own.
  var macros: [(name: String, value: Int)] {
    [
      ("TILE_ROWS", tile.rows), ("TILE_COLUMNS", tile.columns), ("OWN_ROWS", tile.ownRows),
      ("OWN_COLUMNS", tile.ownColumns), ("TILE_STEPS", tile.steps),
      tile.lanes > 0 ? ("SUBGROUP_LANES", tile.lanes) : ("TILE_UNROLL", tile.unroll),
      ("LOAD_WIDTH", loadWidth), ("MODE", Int(mode.code)), ("SUM_STEPS", OpenCLBackend.sumSteps),
      ("CELL", OpenCLBackend.lossCell),
    ]
  }
}
