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

  /// - Throws: `CinchError.unavailable` where there is no room for it.
  mutating func append(_ name: some Collection<UInt8>, path: String) throws {
    let needed = bytes.count + name.count
    if needed > bytes.capacity || ends.count == ends.capacity {
      let (texts, places) = (Swift.max(1 << 12, 2 * needed), Swift.max(1 << 9, 2 * ends.count))
      try HostMemory.require(texts + 8 * places, for: "the names of the rows of '\(path)'")
      bytes.reserveCapacity(texts)
      ends.reserveCapacity(places)
    }
    bytes += name
    ends.append(bytes.count)
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
