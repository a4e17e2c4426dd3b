import CSamples
import CinchBackend

/// A data set's values, row by row: some rows of a storage, which are scaled and put into another order of channels when
/// they are read and not before.
package struct SampleRows: Sendable {
  /// Scaled values are (value · raw − offset) / scale, column by column; 0 where the scale is 0.
  struct Affine: Sendable, Hashable {
    var offset: [Double]
    var scale: [Double]
    var raw: Double
  }

  /// How rows are scaled when they are read.
  enum Scaler: Sendable, Hashable {
    case affine(Affine)
    case whitening(LinearMap)

    func apply(to values: UnsafeMutablePointer<Float>, rows: Int, columns: Int) {
      switch self {
      case .affine(let affine):
        cinch_rescale(values, Int64(rows), Int64(columns), affine.offset, affine.scale, affine.raw)
      case .whitening(let map): map.apply(to: values, rows: rows, into: values)
      }
    }
  }

  /// Each row is `count` images of [rows, columns] that are read transposed.
  struct Transposition: Sendable, Hashable {
    var rows: Int
    var columns: Int
  }

  let storage: SampleStorage
  package let features: Int
  /// Where rows are parts of what the storage holds.
  let windows: Windows?
  /// Which rows of the storage, or of its windows; nil for all.
  private(set) var selection: Selection?
  /// In the order of the storage.
  var scaler: Scaler?
  var transposition: Transposition?

  enum Selection: Sendable {
    case range(Range<Int>)
    case list([Int32])
    /// Of more rows than 32 bits number.
    case farList([Int])

    func place(_ row: Int) -> Int {
      switch self {
      case .range(let range): range.lowerBound + row
      case .list(let rows): Int(rows[row])
      case .farList(let rows): rows[row]
      }
    }
  }

  init(_ storage: SampleStorage, features: Int) {
    self.storage = storage
    self.features = features
    windows = nil
  }

  init(_ windows: Windows, of storage: SampleStorage) {
    self.storage = storage
    self.windows = windows
    features = windows.features
  }

  /// A row for every label.
  package init(labels: [Int]) { self.init(SampleStorage(labels.map { Float($0) }), features: 1) }

  package var count: Int {
    switch selection {
    case nil: placeCount
    case .range(let range): range.count
    case .list(let rows): rows.count
    case .farList(let rows): rows.count
    }
  }

  /// Rows of the storage, or of its windows.
  private var placeCount: Int { windows?.count ?? storage.count / features }

  /// Whether rows lie where a list says.
  private var isListed: Bool {
    switch selection {
    case nil, .range: false
    case .list, .farList: true
    }
  }

  /// Whether the rows are bytes that only the storage's divisor makes floats of.
  package var areBytes: Bool { storage.isBytes && scaler == nil }
  package var divisor: Float { storage.divisor }

  func selecting(_ range: Range<Int>) -> SampleRows {
    var result = self
    switch selection {
    case nil: result.selection = .range(range)
    case .range(let own):
      result.selection = .range(own.lowerBound + range.lowerBound..<own.lowerBound + range.upperBound)
    case .list(let rows): result.selection = .list(Array(rows[range]))
    case .farList(let rows): result.selection = .farList(Array(rows[range]))
    }
    return result
  }

  /// No more rows than can be shuffled.
  func selecting(_ rows: some Sequence<Int>) -> SampleRows {
    var result = self
    result.selection =
      placeCount <= Int(Int32.max) ? .list(rows.map { Int32(place($0)) }) : .farList(rows.map { place($0) })
    return result
  }

  /// The same rows with the images of each read transposed.
  func transposed(_ way: Transposition) -> SampleRows {
    var result = self
    if transposition == Transposition(rows: way.columns, columns: way.rows) {
      result.transposition = nil
    } else {
      if transposition != nil { result = SampleRows(SampleStorage(values), features: features) }
      result.transposition = way
    }
    return result
  }

  /// Which row of the storage, or of its windows, a row is.
  private func place(_ row: Int) -> Int { selection?.place(row) ?? row }

  /// Whether rows lie as they are read.
  var isPlain: Bool { scaler == nil && transposition == nil }

  /// Rows as floats, one after the other.
  package func read(_ rows: Range<Int>, into values: UnsafeMutablePointer<Float>) {
    if isListed {
      for (index, row) in rows.enumerated() { read(row, into: values + index * features) }
      return
    }
    readTogether(place(rows.lowerBound), rows.count, into: values)
  }

  package func read(_ row: Int, into values: UnsafeMutablePointer<Float>) {
    readTogether(place(row), 1, into: values)
  }

  private func readTogether(_ start: Int, _ count: Int, into values: UnsafeMutablePointer<Float>) {
    guard let transposition else { return readUnordered(start, count, into: values) }
    withUnsafeTemporaryAllocation(of: Float.self, capacity: count * features) { scratch in
      readUnordered(start, count, into: scratch.baseAddress!)
      let matrices = count * features / (transposition.rows * transposition.columns)
      cinch_transpose(
        scratch.baseAddress, Int64(matrices), Int64(transposition.rows), Int64(transposition.columns), values)
    }
  }

  private func readUnordered(_ start: Int, _ count: Int, into values: UnsafeMutablePointer<Float>) {
    if let windows {
      for index in 0..<count {
        let part = windows.part(start + index)
        storage.widen(part.window, at: part.start, into: values + index * features)
      }
    } else {
      storage.widen(start * features..<(start + count) * features, into: values)
    }
    scaler?.apply(to: values, rows: count, columns: features)
  }

  /// Rows as bytes, where they are some.
  package func readBytes(_ rows: Range<Int>, into bytes: UnsafeMutablePointer<UInt8>) {
    if isListed {
      for (index, row) in rows.enumerated() { readBytes(at: place(row), 1, into: bytes + index * features) }
      return
    }
    readBytes(at: place(rows.lowerBound), rows.count, into: bytes)
  }

  private func readBytes(at start: Int, _ count: Int, into target: UnsafeMutablePointer<UInt8>) {
    if windows != nil { return readWindows(start, count, into: target) }
    storage.withBytes(start * features..<(start + count) * features) { source in
      let source = source.baseAddress!.assumingMemoryBound(to: UInt8.self)
      guard let transposition else { return target.update(from: source, count: count * features) }
      let (rows, columns) = (Int64(transposition.rows), Int64(transposition.columns))
      cinch_transpose_bytes(source, Int64(count * features) / (rows * columns), rows, columns, target)
    }
  }

  private func readWindows(_ start: Int, _ count: Int, into target: UnsafeMutablePointer<UInt8>) {
    guard let windows else { return }
    func read(into bytes: UnsafeMutablePointer<UInt8>) {
      for index in 0..<count {
        let part = windows.part(start + index)
        storage.copyBytes(part.window, at: part.start, into: bytes + index * features)
      }
    }
    guard let transposition else { return read(into: target) }
    let (rows, columns) = (Int64(transposition.rows), Int64(transposition.columns))
    withUnsafeTemporaryAllocation(of: UInt8.self, capacity: count * features) { scratch in
      read(into: scratch.baseAddress!)
      cinch_transpose_bytes(scratch.baseAddress, Int64(count * features) / (rows * columns), rows, columns, target)
    }
  }

  /// How many rows are read at a time where all are looked at.
  package var rowsAtOnce: Int { max(1, (1 << 18) / features) }

  /// Every row, some at a time, with the number of the first.
  package func forEachBlock(_ body: (_ first: Int, UnsafeBufferPointer<Float>) throws -> Void) rethrows {
    let (count, together) = (count, rowsAtOnce)
    if isPlain, windows == nil, !isListed {
      let done: Void? = try storage.withFloats(place(0) * features..<(place(0) + count) * features) { all in
        for first in stride(from: 0, to: count, by: together) {
          let end = min(first + together, count)
          try body(first, UnsafeBufferPointer(rebasing: all[first * features..<end * features]))
        }
      }
      if done != nil { return }
    }
    try withUnsafeTemporaryAllocation(of: Float.self, capacity: min(together, count) * features) { block in
      for first in stride(from: 0, to: count, by: together) {
        let end = min(first + together, count)
        read(first..<end, into: block.baseAddress!)
        try body(first, UnsafeBufferPointer(rebasing: block[..<((end - first) * features)]))
      }
    }
  }

  /// All values: free where they are floats that lie as they are read.
  package var values: [Float] {
    if isPlain, windows == nil, selection == nil, let floats = storage.floats { return floats }
    let (count, together) = (count, rowsAtOnce)
    return [Float](unsafeUninitializedCapacity: count * features) { values, initialised in
      // Some at a time, for what is put into another order passes through memory of its own.
      for first in stride(from: 0, to: count, by: together) {
        read(first..<min(first + together, count), into: values.baseAddress! + first * features)
      }
      initialised = count * features
    }
  }
}
