/// A program of the GPU family, as a device's compiler gets it.
package struct GPUProgram {
  /// What it is, such as `matmul-nt-128x128x8-float4-loss`; a file's name.
  package let name: String
  package let source: String

  /// How it is compiled.
  package static let options = KernelTarget.options(.gpu)

  /// Every program that a device may ask for with the choice of kernels that is shipped under a name.
  private static func programs(_ choice: GPUChoice) -> [GPUProgram] {
    let target = KernelTarget(family: .gpu, nativeWidth: 1, isProcessor: false)
    let single: [(String, Module)] = [
      ("elementwise", .elementwise), ("losses", .losses), ("reduction", .reduction), ("gather", .gather),
      ("corruption", .corruption), ("sampling", .sampling), ("mixed", .mixed), ("peak", .peak), ("slices", .slices),
      ("taps", .taps),
      ("pooling", .pooling(width: 1, tileHeight: 0, tileWidth: 0)),
    ]
    var modules = single + OptimizerCode.allCases.map { ("optimizer-\($0)", .optimizer($0)) }
    for loadWidth in [4, 1] {
      let tiles = choice.tiles(loadWidth: loadWidth)
      func add(_ kernel: String, _ tile: GPUTile, _ mode: EpilogueArguments.Mode, _ module: (TileProgram) -> Module) {
        let lanes = tile.lanes > 0 ? "-sub\(tile.lanes)" : ""
        modules.append(
          (
            "\(kernel)-\(tile.rows)x\(tile.columns)x\(tile.steps)\(lanes)-float\(loadWidth)-\(mode)",
            module(TileProgram(tile: tile, loadWidth: loadWidth, mode: mode))
          ))
      }
      for tile in tiles.products {
        // What a layer asks for: forward, through its weights, and its gradient. A tied layer, and a Boltzmann machine down
        // from its code, have weights the other way round. And the slices of each.
        for (a, b, modes) in [
          (false, true, [EpilogueArguments.Mode.forward, .loss, .backward, .none]),
          (false, false, [.forward, .loss, .backward, .none]), (true, false, [.denseGradient, .none]),
        ] {
          let way = (a ? "t" : "n") + (b ? "t" : "n")
          for mode in modes { add("matmul-\(way)", tile, mode) { .matmulTiles($0, transposeA: a, transposeB: b) } }
        }
      }
      let images = tiles.narrowImages.map { [tiles.images, $0] } ?? [tiles.images]
      for tile in images.first == images.last ? [tiles.images] : images {
        for mode in [EpilogueArguments.Mode.forward, .backward, .loss] {
          add("convolve", tile, mode) { .convolveTiles($0, transposed: false) }
          add("convolveTransposed", tile, mode) { .convolveTiles($0, transposed: true) }
        }
      }
      for tile in tiles.imageGradients.map({ [$0] }) ?? images {
        add("convolutionGradient", tile, .none) { .convolutionGradientTiles($0) }
      }
    }
    return modules.map { GPUProgram(name: $0, source: target.text($1)) }
  }

  /// Every program of each choice that is shipped, by its name.
  package static var all: [(choice: String, programs: [GPUProgram])] {
    GPUChoice.all.map { ($0.name, programs($0.choice)) }
  }
}
