/// Named numbers, in the order in which they are reported.
public struct Metrics: Sendable, Hashable, Sequence, ExpressibleByDictionaryLiteral {
  private var pairs: [Pair] = []

  /// One of them.
  public struct Pair: Sendable, Hashable, Codable {
    public let name: String
    public var value: Double
  }

  public init(dictionaryLiteral elements: (String, Double)...) {
    for (name, value) in elements { self[name] = value }
  }

  public subscript(name: String) -> Double? {
    get { pairs.first { $0.name == name }?.value }
    set {
      let index = pairs.firstIndex { $0.name == name }
      switch (index, newValue) {
      case (let index?, let value?): pairs[index].value = value
      case (let index?, nil): pairs.remove(at: index)
      case (nil, let value?): pairs.append(Pair(name: name, value: value))
      case (nil, nil): break
      }
    }
  }

  /// Without their order.
  public var byName: [String: Double] { Dictionary(uniqueKeysWithValues: pairs.map { ($0.name, $0.value) }) }
  public var names: [String] { pairs.map(\.name) }
  public func makeIterator() -> IndexingIterator<[Pair]> { pairs.makeIterator() }
}

extension Metrics: Codable {
  /// - Throws: `DecodingError` where a name comes twice.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    pairs = try container.decode([Pair].self)
    var names: Set<String> = []
    if let twice = pairs.first(where: { !names.insert($0.name).inserted }) {
      throw DecodingError.dataCorruptedError(
        in: container, debugDescription: "There are two metrics '\(twice.name)'")
    }
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(pairs)
  }
}
