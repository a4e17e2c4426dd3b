import CinchBackend

/// The safetensors format: named arrays and a map of strings, in a file that can be validated before it is used.
///
/// Layout: the header's length as a little-endian 64-bit integer; the header, JSON padded with spaces to a multiple
/// of 8; the arrays, little-endian, without gaps.
public struct Safetensors: Sendable, Hashable {
  /// An array's elements.
  public enum Storage: Sendable, Hashable {
    case float32([Float])
    case float64([Double])
    case uint64([UInt64])
    case int64([Int64])

    public var count: Int {
      switch self {
      case .float32(let values): values.count
      case .float64(let values): values.count
      case .uint64(let values): values.count
      case .int64(let values): values.count
      }
    }
  }

  /// A named array in row-major order.
  public struct Entry: Sendable, Hashable {
    public let name: String
    public let shape: Shape
    public let storage: Storage
  }

  /// The arrays, in the order they were added or lie in the file.
  public private(set) var entries: [Entry] = []
  /// Free text, the format's `__metadata__`.
  public var metadata: [String: String] = [:]
  private var indices: [String: Int] = [:]

  public init() {}

  public subscript(name: String) -> Entry? { indices[name].map { entries[$0] } }

  /// Adds an array.
  ///
  /// - Throws: `CinchError.usage` if the name is taken or reserved, or the elements do not fill the shape.
  public mutating func add(_ name: String, shape: Shape, _ storage: Storage) throws {
    guard name != Self.metadataKey, indices[name] == nil else {
      throw CinchError.usage("The array name '\(name)' is taken: choose another.")
    }
    guard storage.count == shape.count else {
      throw CinchError.usage("\(storage.count) elements do not fill '\(name)' of shape \(shape): pass one per element.")
    }
    indices[name] = entries.count
    entries.append(Entry(name: name, shape: shape, storage: storage))
  }

  /// The values of an array of 32-bit floats that must have this shape.
  ///
  /// - Throws: `CinchError.badData` if it is missing or is of another type or shape.
  public func float32(_ name: String, shape: Shape) throws -> [Float] {
    guard let entry = self[name] else {
      throw CinchError.badData("The file holds no array named '\(name)': check that it belongs to this model.")
    }
    guard case .float32(let values) = entry.storage, entry.shape == shape else {
      throw CinchError.badData(
        "'\(name)' is \(entry.storage.typeName) of shape \(entry.shape), not F32 of shape \(shape): "
          + "check that the file belongs to this model.")
    }
    return values
  }

  static let metadataKey = "__metadata__"
}

extension Safetensors {
  /// Writes the file, atomically. The same contents give the same bytes.
  ///
  /// - Throws: `CinchError.inputOutput`.
  public func write(to path: String) throws {
    // Wide elements first, so that each array is aligned to its elements.
    let ordered = entries.filter { $0.storage.elementSize == 8 } + entries.filter { $0.storage.elementSize < 8 }
    var members: [(key: String, value: JSON)] = []
    if !metadata.isEmpty {
      let pairs = metadata.sorted { $0.key < $1.key }.map { (key: $0.key, value: JSON.string($0.value)) }
      members.append((Self.metadataKey, .object(pairs)))
    }
    var offset = 0
    for entry in ordered {
      let end = offset + entry.storage.count * entry.storage.elementSize
      let placement = JSON.record([
        "dtype": .string(entry.storage.typeName), "shape": .array(entry.shape.dimensions.map(JSON.integer)),
        "data_offsets": .array([.integer(offset), .integer(end)]),
      ])
      members.append((entry.name, placement))
      offset = end
    }
    var header = Array(JSON.object(members).description.utf8)
    while header.count % 8 != 0 { header.append(UInt8(ascii: " ")) }
    try AtomicFile.write(to: path) { file in
      try withUnsafeBytes(of: UInt64(header.count).littleEndian, file.write)
      try file.write(header)
      for entry in ordered { try entry.storage.withUnsafeBytes(file.write) }
    }
  }

  /// Reads and validates a file.
  ///
  /// - Throws: `CinchError.inputOutput` if it cannot be read; `.badData` if the header is longer than the file or not
  ///   valid JSON, a name appears twice, a type is not F32, F64, U64 or I64, a shape does not match its bytes, or
  ///   arrays overlap, leave gaps or reach outside the file.
  public init(contentsOf path: String) throws {
    let file = try OpenFile(path)
    // The file's bytes, and its arrays.
    try HostMemory.require(2 * min(file.size, .max / 2), for: "the file '\(path)'")
    try self.init(try file.read(), path: path)
  }

  init(_ bytes: [UInt8], path: String) throws {
    func damaged(_ what: String) -> CinchError {
      .badData("'\(path)' is not a valid safetensors file: \(what); use an intact copy.")
    }
    guard bytes.count >= 8 else { throw damaged("it is shorter than 8 bytes") }
    let length = bytes[..<8].reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    guard length <= UInt64(bytes.count - 8) else {
      throw damaged("its header should have \(length) bytes but only \(bytes.count - 8) follow")
    }
    let dataStart = 8 + Int(length)
    let members: [(key: String, value: JSON)]
    do throws(JSON.Malformed) {
      guard case .object(let object) = try JSON(bytes[8..<dataStart]) else { throw JSON.Malformed(reason: "no object") }
      members = object
    } catch {
      throw damaged("its header is malformed JSON, with \(error.reason)")
    }
    if let twice = Self.duplicate(members.map(\.key)) { throw damaged("the name \(excerpt(twice.utf8)) appears twice") }

    var placed: [Placement] = []
    for (key, value) in members {
      if key == Self.metadataKey {
        guard case .object(let pairs) = value, Self.duplicate(pairs.map(\.key)) == nil else {
          throw damaged("its __metadata__ is not a map of unique names to strings")
        }
        for (name, text) in pairs {
          guard let text = text.text else { throw damaged("the metadata \(excerpt(name.utf8)) is not a string") }
          metadata[name] = text
        }
      } else {
        placed.append(try Placement(key, value, dataBytes: bytes.count - dataStart, of: path, damaged))
      }
    }

    placed.sort { ($0.offsets.lowerBound, $0.offsets.upperBound) < ($1.offsets.lowerBound, $1.offsets.upperBound) }
    var end = 0
    for array in placed {
      guard array.offsets.lowerBound == end else {
        let fault = array.offsets.lowerBound < end ? "overlaps the array before it" : "leaves a gap before it"
        throw damaged("\(excerpt(array.name.utf8)) \(fault)")
      }
      end = array.offsets.upperBound
      let range = (dataStart + array.offsets.lowerBound)..<(dataStart + end)
      try add(array.name, shape: Shape(array.extents), array.storage(bytes[range]))
    }
    guard dataStart + end == bytes.count else {
      throw damaged("\(bytes.count - dataStart - end) bytes follow its last array")
    }
  }

  private static func duplicate(_ names: [String]) -> String? {
    var seen: Set<String> = []
    return names.first { !seen.insert($0).inserted }
  }

  /// Where the header says an array lies, checked as far as one array alone can be.
  private struct Placement {
    let name: String
    let type: String
    let extents: [Int]
    let offsets: Range<Int>

    init(_ name: String, _ value: JSON, dataBytes: Int, of path: String, _ damaged: (String) -> CinchError) throws {
      let quoted = excerpt(name.utf8)
      guard case .object(let members) = value, Safetensors.duplicate(members.map(\.key)) == nil else {
        throw damaged("\(quoted) is not described by an object of unique members")
      }
      var type: String?
      var shape: [Int]?
      var offsets: [Int]?
      for (key, member) in members {
        switch key {
        case "dtype": type = member.text
        case "shape": shape = Self.sizes(member)
        case "data_offsets": offsets = Self.sizes(member)
        default: throw damaged("\(quoted) has the unknown member \(excerpt(key.utf8))")
        }
      }
      guard let type, let shape, let offsets, offsets.count == 2 else {
        throw damaged("\(quoted) lacks a dtype, a shape or two data_offsets that are non-negative integers")
      }
      guard let elementSize = ["F32": 4, "F64": 8, "U64": 8, "I64": 8][type] else {
        throw CinchError.badData(
          "\(quoted) in '\(path)' has the type \(excerpt(type.utf8)), and only F32, F64, U64 and I64 are read: save it as one of "
            + "these, as module.float() does in PyTorch.")
      }
      guard offsets[0] <= offsets[1], offsets[1] <= dataBytes else {
        throw damaged("\(quoted) lies at bytes \(offsets[0]) to \(offsets[1]) of \(dataBytes)")
      }
      // An empty array's other extents must be sane too: shapes are multiplied in part elsewhere.
      guard checkedProduct(shape.map { max($0, 1) } + [elementSize]) != nil,
        checkedProduct(shape + [elementSize]) == offsets[1] - offsets[0]
      else {
        throw damaged(
          "\(quoted) of shape \(Shape.text(shape)) and type \(type) does not fill its \(offsets[1] - offsets[0]) bytes")
      }
      self.name = name
      self.type = type
      self.extents = shape
      self.offsets = offsets[0]..<offsets[1]
    }

    private static func sizes(_ value: JSON) -> [Int]? {
      guard case .array(let elements) = value else { return nil }
      let sizes = elements.compactMap(\.size)
      return sizes.count == elements.count ? sizes : nil
    }

    func storage(_ bytes: ArraySlice<UInt8>) -> Storage {
      switch type {
      case "F32": .float32(Self.elements(bytes))
      case "F64": .float64(Self.elements(bytes))
      case "U64": .uint64(Self.elements(bytes))
      default: .int64(Self.elements(bytes))
      }
    }

    /// x86-64 and arm64 are little-endian, as the file is.
    private static func elements<Element: BitwiseCopyable>(_ bytes: ArraySlice<UInt8>) -> [Element] {
      let count = bytes.count / MemoryLayout<Element>.size
      return [Element](unsafeUninitializedCapacity: count) { target, initialised in
        if count > 0 { bytes.withUnsafeBytes { UnsafeMutableRawBufferPointer(target).copyMemory(from: $0) } }
        initialised = count
      }
    }
  }
}

extension Safetensors.Storage {
  var typeName: String {
    switch self {
    case .float32: "F32"
    case .float64: "F64"
    case .uint64: "U64"
    case .int64: "I64"
    }
  }

  var elementSize: Int {
    if case .float32 = self { 4 } else { 8 }
  }

  func withUnsafeBytes(_ body: (UnsafeRawBufferPointer) throws -> Void) rethrows {
    switch self {
    case .float32(let values): try values.withUnsafeBytes(body)
    case .float64(let values): try values.withUnsafeBytes(body)
    case .uint64(let values): try values.withUnsafeBytes(body)
    case .int64(let values): try values.withUnsafeBytes(body)
    }
  }
}
