// What of the kernels may be chosen by measuring: how work is dealt out, and blocks of the GPU family's products. Where a
// sum is cut, and how many rows of a product share a partial loss, is no part of it, so no choice changes a bit.

/// Ops whose shapes are alike: what is quickest for one is taken for all of them. The shapes in the comments are those of
/// the workloads of `cinch bench`.
package enum ShapeClass: String, Sendable, CaseIterable {
  /// Products of 512 cells of 32 × 32 elements and more: weight gradients of wide layers, 1024 × 784.
  case largeProducts = "large-products"
  /// Of 64 cells and more: outputs of wide layers for a batch, 256 × 1024.
  case middleProducts = "middle-products"
  /// Of fewer: outputs of small layers, 256 × 196.
  case smallProducts = "small-products"
  /// With no more than 32 rows or columns: codes, 256 × 30.
  case narrowProducts = "narrow-products"
  /// Convolutions, and transposed ones; of the GPU family those with more than 32 channels in the result.
  case images
  /// Of the GPU family those with fewer: each layer of `conv` and `conv-pool`.
  case narrowImages = "narrow-images"
  case imageGradients = "image-gradients"
  /// Passes over elements or rows: activations, corruption, updates.
  case elements

  /// The class of an m × n product.
  static func product(_ m: Int, _ n: Int) -> ShapeClass {
    if min(m, n) <= OpenCLBackend.lossCell { return .narrowProducts }
    let cells = OpenCLBackend.cells(m, n)
    return cells >= 512 ? .largeProducts : cells >= 64 ? .middleProducts : .smallProducts
  }
}

/// How work is dealt out: so many pieces for each compute unit, and no smaller than so many elements.
package struct WorkShare: Hashable, Sendable {
  var pieces: Int
  var least = 0
}

/// One choice that a device has.
package struct Tunable: Hashable, Sendable {
  package let shapes: ShapeClass
  /// Floats of the global loads of a tile, 4 or 1; nil where work is dealt out by a `WorkShare`.
  package let loadWidth: Int?

  /// What files call it: `middle-products-float4`.
  package var name: String { shapes.rawValue + (loadWidth.map { "-float\($0)" } ?? "") }

  /// Every choice that a family of kernels leaves.
  package static func all(of family: KernelFamily) -> [Tunable] {
    switch family {
    case .cpu: ShapeClass.allCases.filter { $0 != .narrowImages }.map { Tunable(shapes: $0, loadWidth: nil) }
    case .gpu:
      ShapeClass.allCases.filter { $0 != .elements }.flatMap { shapes in
        [4, 1].map { Tunable(shapes: shapes, loadWidth: $0) }
      } + [Tunable(shapes: .elements, loadWidth: nil)]
    }
  }

  /// What may be chosen on a device with such sub-groups: at most 16.
  package func candidates(of family: KernelFamily, _ subgroups: Subgroups?) -> [TuningValue] {
    if let loadWidth {
      let tiles = shapes == .imageGradients ? GPUChoice.candidates : GPUChoice.candidates(subgroups)
      return tiles.filter { $0.suits(loadWidth: loadWidth) }.map { .tile($0) }
    }
    switch (family, shapes) {
    case (.gpu, _): return [8, 16, 32, 64, 128].map { .share(WorkShare(pieces: $0)) }
    case (.cpu, .elements):
      return [1, 2, 4, 8, 16].flatMap { pieces in
        [1024, 4096, 16384].map { .share(WorkShare(pieces: pieces, least: $0)) }
      }
    case (.cpu, _): return [1, 2, 4, 8, 16, 32, 64].map { .share(WorkShare(pieces: $0)) }
    }
  }
}

/// A candidate.
package enum TuningValue: Hashable, Sendable {
  case tile(GPUTile)
  case share(WorkShare)

  /// What files and reports call it: `128x64x8-8x8-4` (block and steps, an item's own part, steps written out),
  /// `64x64x8-8x4-sub8` (lanes of its sub-groups), or `4` and `4-4096` (pieces, the least elements).
  package var name: String {
    switch self {
    case .tile(let t):
      "\(t.rows)x\(t.columns)x\(t.steps)-\(t.ownRows)x\(t.ownColumns)-"
        + (t.lanes > 0 ? "sub\(t.lanes)" : "\(t.unroll)")
    case .share(let share): "\(share.pieces)" + (share.least > 0 ? "-\(share.least)" : "")
    }
  }
}

/// What was chosen for a device by measuring; what it does not hold stays as it is shipped.
package struct Tuning: Hashable, Sendable {
  private var values: [Tunable: TuningValue] = [:]

  package init() {}

  package subscript(tunable: Tunable) -> TuningValue? {
    get { values[tunable] }
    set { values[tunable] = newValue }
  }

  package var isEmpty: Bool { values.isEmpty }

  /// Choices and their values by name.
  package var names: [String: String] {
    Dictionary(uniqueKeysWithValues: values.map { ($0.key.name, $0.value.name) })
  }

  /// Nil where a name is none of a choice, or of a candidate for it.
  package init?(names: [String: String], family: KernelFamily) {
    let all = Dictionary(uniqueKeysWithValues: Tunable.all(of: family).map { ($0.name, $0) })
    for (name, value) in names {
      guard let tunable = all[name],
        let candidate = tunable.candidates(of: family, .any).first(where: { $0.name == value })
      else { return nil }
      values[tunable] = candidate
    }
  }

  /// How a class of ops is dealt out.
  func share(_ shapes: ShapeClass) -> WorkShare? {
    if case .share(let share)? = values[Tunable(shapes: shapes, loadWidth: nil)] { share } else { nil }
  }

  /// The blocks of classes of products, for one width of global loads.
  func tiles(loadWidth: Int) -> [ShapeClass: GPUTile] {
    var tiles: [ShapeClass: GPUTile] = [:]
    for case (let tunable, .tile(let tile)) in values where tunable.loadWidth == loadWidth {
      tiles[tunable.shapes] = tile
    }
    return tiles
  }
}

/// How a backend deals out work.
struct WorkShares {
  /// What the cost of packing decides where nothing was chosen.
  var products: [ShapeClass: WorkShare] = [:]
  var images = WorkShare(pieces: 32)
  var imageGradients = WorkShare(pieces: 4)
  var elements: WorkShare

  init(_ family: KernelFamily, _ tuning: Tuning) {
    elements =
      switch family {
      case .cpu: WorkShare(pieces: 4, least: OpenCLBackend.smallestChunk)
      case .gpu: WorkShare(pieces: 32)
      }
    for shapes in ShapeClass.allCases {
      guard let share = tuning.share(shapes) else { continue }
      switch shapes {
      case .largeProducts, .middleProducts, .smallProducts, .narrowProducts: products[shapes] = share
      case .images: images = share
      case .imageGradients: imageGradients = share
      case .elements: elements = share
      case .narrowImages: break
      }
    }
  }
}

extension OpenCLBackend {
  /// Takes what was chosen for the device; kernels that were made are kept. No result depends on it.
  package func adopt(_ tuning: Tuning) {
    guard tuning != self.tuning else { return }
    self.tuning = tuning
    choice = shippedChoice.with(tuning, device.subgroups)
    shares = WorkShares(family, tuning)
    plans = [:]
    convolutions.correlations = [:]
    convolutions.gradients = [:]
  }

  /// All that a measurement depends on in the program: the kernels, how they are compiled, and the candidates.
  package static var tunedSources: [String] {
    KernelTarget.sourceTexts + KernelFamily.allCases.map(KernelTarget.options)
      + KernelFamily.allCases.flatMap { family in
        Tunable.all(of: family).map { tunable in
          ([tunable.name] + tunable.candidates(of: family, .any).map(\.name)).joined(separator: " ")
        }
      }
  }
}

extension GPUChoice {
  /// With tiles that were chosen for classes of products, as far as a device with such sub-groups can run them.
  func with(_ tuning: Tuning, _ subgroups: Subgroups?) -> GPUChoice {
    var choice = self
    choice.aligned.tuned = tuning.tiles(loadWidth: 4).filter { $0.value.suits(subgroups) }
    choice.unaligned.tuned = tuning.tiles(loadWidth: 1).filter { $0.value.suits(subgroups) }
    return choice
  }
}
