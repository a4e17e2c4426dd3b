import Glibc

/// Overlapping tiles along one axis of an image, and weights that add up to 1 at every place.
///
/// Tiles of length t begin at 0, s, 2s, …, the last one at the end. At place x the i-th one, which begins at pᵢ, weighs
///
///     wᵢ(x) = v(x − pᵢ) / Σⱼ v(x − pⱼ),  v(y) = sin²(π (y + ½) / t)
///
/// which goes to 0 at a tile's ends unless no other tile reaches there. With s = t/2 the sum is 1 but for rounding.
struct TileGrid {
  /// Where tiles begin.
  let starts: [Int]
  /// Each tile's weights.
  let weights: [[Double]]

  /// - Parameters:
  ///   - extent: of the image, at least that of a tile.
  ///   - tile: t.
  ///   - stride: s, 1 to t.
  init(extent: Int, tile: Int, stride: Int) {
    let starts = Array(Swift.stride(from: 0, to: extent - tile, by: stride)) + [extent - tile]
    let window = (0..<tile).map { place in
      let sine = sin(Double.pi * (Double(place) + 0.5) / Double(tile))
      return sine * sine
    }
    var sums = [Double](repeating: 0, count: extent)
    for start in starts {
      for place in 0..<tile { sums[start + place] += window[place] }
    }
    self.starts = starts
    weights = starts.map { start in (0..<tile).map { window[$0] / sums[start + $0] } }
  }
}
