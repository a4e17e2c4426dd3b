import CinchBackend

/// One name per sample: a cell of its table's id column, or the path of its file.
///
/// They are kept as bytes, one after the other: a table may have ten million rows.
package struct SampleNames: Sendable, Hashable {
  /// The table's column; nil where they are paths of files.
  package private(set) var column: String?
  private var bytes: [UInt8] = []
  /// Where in `bytes` each ends.
  private var ends: [Int] = []

  /// What they are called in a table that is written.
  package var title: String { column ?? "name" }

  init(column: String? = nil) { self.column = column }

  /// Names one after the other, each up to one of `ends`.
  mutating func append(_ names: UnsafeBufferPointer<UInt8>, ends more: UnsafeBufferPointer<Int64>) {
    let before = bytes.count
    bytes += names
    ends += more.lazy.map { before + Int($0) }
  }

  mutating func reserve(names: Int, bytes count: Int, path: String) throws {
    try HostMemory.require(count + 8 * names, for: "the names of the rows of '\(path)'")
    bytes.reserveCapacity(count)
    ends.reserveCapacity(names)
  }

  private mutating func append(_ name: ArraySlice<UInt8>) {
    bytes += name
    ends.append(bytes.count)
  }

  private func utf8(_ index: Int) -> ArraySlice<UInt8> { bytes[(index == 0 ? 0 : ends[index - 1])..<ends[index]] }

  func gather(_ order: some Sequence<Int>) -> SampleNames {
    var names = SampleNames(column: column)
    for index in order { names.append(utf8(index)) }
    return names
  }
}

extension SampleNames: RandomAccessCollection {
  package var startIndex: Int { 0 }
  package var endIndex: Int { ends.count }
  package subscript(index: Int) -> String { String(decoding: utf8(index), as: UTF8.self) }
}

extension SampleNames: ExpressibleByArrayLiteral {
  /// Paths of files.
  package init(_ paths: some Sequence<String>) {
    for path in paths { append(Array(path.utf8)[...]) }
  }

  package init(arrayLiteral paths: String...) { self.init(paths) }
}
