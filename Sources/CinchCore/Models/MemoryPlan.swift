import CinchBackend

/// A tensor that a pass over the network needs for a while.
struct PlannedTensor {
  var shape: Shape
  /// The first and last step of the pass that touch it.
  var life: ClosedRange<Int>
}

/// Places tensors in one buffer so that those which live at the same time do not overlap. What a pass touches is then
/// little more than what it must hold at once, and stays in the caches longer.
///
/// The largest come first, each at the lowest place that is free all its life.
/// Source: Pisarchyk and Lee, "Efficient Memory Management for Deep Neural Net Inference", 2020, greedy by size.
struct MemoryPlan {
  /// Tensors start at multiples of this many elements: whole cache lines.
  static let alignment = 64

  /// Where each tensor starts, in elements.
  let offsets: [Int]
  /// The elements of the buffer.
  let count: Int

  init(_ tensors: [PlannedTensor]) {
    var offsets = Array(repeating: 0, count: tensors.count)
    var placed: [(range: Range<Int>, life: ClosedRange<Int>)] = []
    for index in tensors.indices.sorted(by: { (tensors[$0].shape.count, $1) > (tensors[$1].shape.count, $0) }) {
      let tensor = tensors[index]
      let size = (tensor.shape.count + Self.alignment - 1) / Self.alignment * Self.alignment
      var start = 0
      for other in placed where other.life.overlaps(tensor.life) && other.range.lowerBound < start + size {
        start = max(start, other.range.upperBound)
      }
      offsets[index] = start
      placed.append((start..<start + size, tensor.life))
      placed.sort { $0.range.lowerBound < $1.range.lowerBound }
    }
    self.offsets = offsets
    count = placed.map(\.range.upperBound).max() ?? 0
  }
}

extension Backend {
  /// Memory for the tensors of a pass: one buffer, or one each where the device has none so large.
  func tensors(_ planned: [PlannedTensor]) throws -> [Tensor<Buffer>] {
    let plan = MemoryPlan(planned)
    guard plan.count > 0, plan.count * MemoryLayout<Scalar>.stride <= info.largestBuffer else {
      return try planned.map { try tensor($0.shape) }
    }
    let arena = try tensor([plan.count])
    return zip(planned, plan.offsets).map { arena.slice(at: $1, shape: $0.shape) }
  }
}
