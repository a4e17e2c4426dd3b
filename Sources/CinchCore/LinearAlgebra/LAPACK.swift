import COpenBLAS
import CinchBackend
import CinchData

// LAPACK of OpenBLAS, where it is here; on one thread, so that any number of threads gives the same bits.
extension SymmetricEigen {
  /// The largest matrix: LAPACK counts its work space, 2·n², in 32 bits.
  static let largestOrder = 32_000

  /// Room that solving takes beside the matrix.
  static func bytes(order n: Int) -> Int { 3 * 8 * n * n }

  /// By LAPACK's `dsyevd`, six times as fast as the program's own method, which stands in for it.
  ///
  /// - Parameters:
  ///   - matrix: `[n, n]`, symmetric, of finite numbers.
  ///   - order: n.
  /// - Throws: as `init`.
  static func fastest(_ matrix: [Double], order n: Int) throws -> SymmetricEigen {
    try HostMemory.require(bytes(order: n), for: "the eigenvectors of a matrix of \(n) × \(n)")
    return try byLAPACK(matrix, order: n) ?? SymmetricEigen(matrix, order: n)
  }

  /// Nil where OpenBLAS is not here or finds no solution.
  static func byLAPACK(_ matrix: [Double], order: Int) -> SymmetricEigen? {
    let blas = cinch_blas_load().pointee
    guard let dsyevd = blas.dsyevd, (1...largestOrder).contains(order), hasRoom else { return nil }
    blas.set_num_threads?(1)
    var (n, leading, info) = (Int32(order), Int32(order), Int32(0))
    var vectors = matrix
    var values = [Double](repeating: 0, count: order)
    var (workCount, integerCount) = (Int32(1 + 6 * order + 2 * order * order), Int32(3 + 5 * order))
    var work = [Double](repeating: 0, count: Int(workCount))
    var integers = [Int32](repeating: 0, count: Int(integerCount))
    // Columns of Fortran are rows here.
    dsyevd("V", "L", &n, &vectors, &leading, &values, &work, &workCount, &integers, &integerCount, &info, 1, 1)
    guard info == 0, values.allSatisfy(\.isFinite) else { return nil }
    // The smallest comes first.
    let rows = stride(from: order - 1, through: 0, by: -1).flatMap { vectors[$0 * order..<($0 + 1) * order] }
    return SymmetricEigen(values: values.reversed(), vectors: rows)
  }

  /// OpenBLAS asks for a work area of 128 MiB again and again, for ever, where the process's limit has no room for it.
  private static var hasRoom: Bool { HostMemory.addressSpaceLeft.map { $0 > 192 << 20 } ?? true }
}
