import CinchBackend

/// One class per sample: whole numbers, or places in a list of names.
package struct Labels: Sendable, Hashable {
  package var values: [Int]
  /// What the values stand for; nil where they are the labels themselves.
  package var names: [String]?

  package init(_ values: [Int], names: [String]? = nil) {
    self.values = values
    self.names = names
  }

  /// As a file spells them: whole numbers where all of them are some, and else names, which are put in order.
  init(_ builder: Builder) {
    let texts = builder.texts
    let numbers = texts.map { text in Int(text) ?? Double(text).flatMap { Int(exactly: $0) } }
    if numbers.allSatisfy({ $0 != nil }) {
      self.init(builder.values.map { numbers[$0] ?? 0 })
      return
    }
    let order = texts.indices.sorted { texts[$0] < texts[$1] }
    var place = [Int](repeating: 0, count: texts.count)
    for (new, old) in order.enumerated() { place[old] = new }
    self.init(builder.values.map { place[$0] }, names: order.map { texts[$0] })
  }

  /// Collects labels as they are read.
  struct Builder {
    fileprivate var values: [Int] = []
    fileprivate var texts: [String] = []
    /// Unicode has several spellings of some texts, which are equal as strings.
    private var places: [String: Int] = [:]
    private var spellings: [[UInt8]: Int] = [:]

    /// - Returns: whether the text is UTF-8.
    mutating func append(_ text: [UInt8]) -> Bool {
      if let value = spellings[text] {
        values.append(value)
        return true
      }
      guard let string = String(validating: text, as: UTF8.self) else { return false }
      let value = place(of: string)
      spellings[text] = value
      values.append(value)
      return true
    }

    mutating func append(_ text: String) { values.append(place(of: text)) }

    /// - Parameter codes: places in `texts`.
    mutating func append(_ codes: UnsafeBufferPointer<Int32>, of texts: [String]) {
      let places = texts.map { place(of: $0) }
      values += codes.lazy.map { places[Int($0)] }
    }

    private mutating func place(of text: String) -> Int {
      if let value = places[text] { return value }
      places[text] = texts.count
      texts.append(text)
      return texts.count - 1
    }
  }

  package var count: Int { values.count }

  subscript(range: Range<Int>) -> Labels { Labels(Array(values[range]), names: names) }

  func gather(_ order: some Sequence<Int>) -> Labels { Labels(order.map { values[$0] }, names: names) }

  /// As text.
  package func text(_ value: Int) -> String { names.map { $0[value] } ?? "\(value)" }
}

extension Dataset {
  /// One class per sample, where known: a whole number, or its place among the names that the file has. Only a classifier
  /// is trained with them.
  public var labels: [Int]? { classLabels?.values }

  /// The labels there are, each once: numbers by size, names by alphabet. Nil where samples have none.
  public var classNames: [String]? {
    classLabels.map { labels in Set(labels.values).sorted().map(labels.text) }
  }

  /// The same samples, each with the place of its label among `classes`.
  ///
  /// - Parameter classes: labels as text, as `classNames` gives them.
  /// - Throws: `CinchError.badData` where a label is none of them.
  public func labelled(by classes: [String]) throws -> Dataset {
    guard let classLabels else { return self }
    let place = Dictionary(zip(classes, classes.indices)) { first, _ in first }
    var places: [Int: Int] = [:]
    for value in Set(classLabels.values) { places[value] = place[classLabels.text(value)] }
    if let unknown = classLabels.values.firstIndex(where: { places[$0] == nil }) {
      let (row, value) = (unknown + 1, classLabels.values[unknown])
      let known = classes.count <= 12 ? classes.joined(separator: ", ") : "the \(classes.count) of the run"
      throw CinchError.badData(
        "Row \(row) of '\(name)' has the label '\(classLabels.text(value))', but the classes are \(known): correct the "
          + "label, or train a new classifier with it.")
    }
    return replacingLabels(Labels(classLabels.values.map { places[$0] ?? 0 }))
  }

  /// The same samples with labels of their own.
  /// - Throws: `CinchError.badData` unless there is one per sample.
  func labelled(_ labels: Labels, from path: String) throws -> Dataset {
    guard labels.count == count else {
      throw CinchError.badData(
        "'\(path)' holds \(labels.count) labels, but '\(name)' has \(count) samples: name the file that fits.")
    }
    return replacingLabels(labels)
  }

  private func replacingLabels(_ labels: Labels) -> Dataset {
    var other = self
    other.classLabels = labels
    return other
  }
}

extension Labels {
  /// Reads a file of labels: IDX of unsigned bytes, .npy or .npz of whole numbers, or text with one label on each line.
  /// - Throws: `CinchError.badData` where it is none of these, `.inputOutput` where it cannot be read.
  static func read(_ path: String) throws -> Labels {
    let file = try FileContents(contentsOf: path)
    let start = Gzip.isGzip(file) ? try Gzip.prefix(of: file, count: 16, path: path) : file.prefix(16)
    if IDX.isIDX(start) { return Labels(try IDX.readLabels(path)) }
    let contents = Gzip.isGzip(file) ? FileContents(try Gzip.inflate(file, limit: .max, path: path)) : file
    if Zip.isZip(start) { return try Labels(NPZ(contents, path: path).labels(), path: path) }
    if NPY.isNPY(start) { return try Labels(NPY.read(contents, scalesBytes: false, path: path), path: path) }
    return try contents.withUnsafeBytes {
      try Labels(text: $0.assumingMemoryBound(to: UInt8.self), path: path)
    }
  }

  private init(_ array: NumericArray, path: String) throws {
    guard array.shape.columns == 1 else {
      throw CinchError.badData("'\(path)' is \(array.shape), but labels are one whole number per sample: name another.")
    }
    let values = SampleRows(array.storage, features: 1).values
    self.init(
      try values.enumerated().map { row, value in
        guard let label = Self.whole(value) else {
          throw CinchError.badData(
            "Label \(row + 1) of '\(path)' is \(value), which is no whole number below 2²⁴: number the classes.")
        }
        return label
      })
  }

  /// A label that a 32-bit float tells from its neighbours, or nil.
  static func whole(_ value: Float) -> Int? { abs(value) < 0x1p24 ? Int(exactly: value) : nil }
}
