/// The extents of a tensor, outermost first, stored contiguously in row-major (C) order.
///
/// Dense ops use `[rows, columns]`, where a row is one sample; images are `[samples, height, width, channels]`.
public struct Shape: Hashable, Sendable, ExpressibleByArrayLiteral, CustomStringConvertible {
  public let dimensions: [Int]
  /// The first extent: for a batch, the number of samples.
  public let rows: Int
  /// The product of all extents: 0 where one is not positive, and `Int.max` where it does not fit an Int. No device
  /// allocates that many, and no data set has them, so what cannot be is refused where it is used.
  public let count: Int
  /// The elements of one row: the product of every extent but the first.
  public let columns: Int

  public init(_ dimensions: [Int]) {
    self.dimensions = dimensions
    rows = dimensions.first ?? 1
    columns = Self.product(dimensions.dropFirst())
    count = Self.product(dimensions[...])
  }

  private static func product(_ extents: ArraySlice<Int>) -> Int {
    if extents.contains(where: { $0 <= 0 }) { return 0 }
    return extents.reduce(1) { product, extent in
      let (result, overflow) = product.multipliedReportingOverflow(by: extent)
      return overflow ? .max : result
    }
  }

  public init(arrayLiteral elements: Int...) { self.init(elements) }

  public var description: String {
    dimensions.isEmpty ? "scalar" : dimensions.map(String.init).joined(separator: " × ")
  }
}
