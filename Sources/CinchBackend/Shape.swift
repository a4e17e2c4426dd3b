/// The extents of a tensor, outermost first, stored contiguously in row-major (C) order.
///
/// Dense ops use `[rows, columns]`, where a row is one sample; images are `[samples, height, width, channels]`.
public struct Shape: Hashable, Sendable, ExpressibleByArrayLiteral, CustomStringConvertible {
  public let dimensions: [Int]
  /// The product of all extents.
  public let count: Int
  /// The elements of one row: the product of every extent but the first.
  public let columns: Int

  public init(_ dimensions: [Int]) {
    precondition(dimensions.allSatisfy { $0 >= 0 }, "extents cannot be negative: \(dimensions)")
    self.dimensions = dimensions
    columns = dimensions.dropFirst().reduce(1, *)
    count = dimensions.reduce(1, *)
  }

  public init(arrayLiteral elements: Int...) { self.init(elements) }

  /// The first extent: for a batch, the number of samples.
  public var rows: Int { dimensions.first ?? 1 }

  public var description: String {
    dimensions.isEmpty ? "scalar" : dimensions.map(String.init).joined(separator: " × ")
  }
}
