import CinchBackend
import CinchData

// What layers that are no longer trained make of the samples: computed once, and then the samples of another network.
extension Network {
  /// The outputs of some layers for every sample of a feed: on the device, where they take no more than `memoryLimit`
  /// bytes, or else on the host, from where they are streamed.
  ///
  /// - Parameter layers: the first of them takes what the feed has.
  /// - Throws: `CinchError.unavailable` where there is no room on the host, either; `.diverged` where an output is no
  ///   finite number.
  func outputs(of layers: Range<Int>, from feed: Feed<B>, memoryLimit: Int) throws -> FeedSource<B> {
    let rows = min(resolved.evaluationRows, feed.count)
    try reserve(rows: rows)
    let frozen = try FrozenLayers(self, layers, rows: rows)
    let feed = try Feed(sharing: feed, batchSize: rows)
    let features = frozen.output.count
    let (bytes, overflow) = (feed.count * features).multipliedReportingOverflow(by: MemoryLayout<B.Scalar>.size)
    guard !overflow, bytes <= memoryLimit else { return .samples(try hosted(frozen, feed, rows: rows)) }
    let outputs = try backend.tensor([feed.count, features])
    for start in stride(from: 0, to: feed.count, by: rows) {
      let n = min(rows, feed.count - start)
      try frozen.run(
        try frozen.load(feed, start, n),
        into: outputs.slice(at: start * features, shape: frozen.output.shape(rows: n)))
    }
    return .rows(outputs, labels: feed.labelValues)
  }

  private func hosted(_ frozen: FrozenLayers<B>, _ feed: Feed<B>, rows: Int) throws -> Dataset {
    let features = frozen.output.count
    let (bytes, overflow) = feed.count.multipliedReportingOverflow(by: 4 * features)
    try HostMemory.require(overflow ? .max : bytes, for: "what frozen layers make of \(feed.count) samples")
    var values: [Float] = []
    values.reserveCapacity(feed.count * features)
    let room = try backend.tensor(frozen.output.shape(rows: rows))
    for start in stride(from: 0, to: feed.count, by: rows) {
      let n = min(rows, feed.count - start)
      let output = room.prefix(rows: n)
      try frozen.run(try frozen.load(feed, start, n), into: output)
      values += Scalars.floats(try backend.read(output))
    }
    return try Dataset(
      values: values, count: feed.count, sampleShape: [features], labels: feed.labelValues, name: "frozen outputs")
  }
}

/// Some layers of a network, as they are computed, with room for what passes between them.
private struct FrozenLayers<B: Backend> {
  private let layers: [any Layer<B>]
  private let between: [Tensor<B.Buffer>]
  private let seed: UInt64

  init(_ network: Network<B>, _ range: Range<Int>, rows: Int) throws {
    layers = try network.stages(of: range).map(\.layer)
    between = try layers.dropLast().map { try network.backend.tensor($0.resolved.output.shape(rows: rows)) }
    seed = network.recipe.seed
  }

  /// Of one sample.
  var output: FeatureShape { layers[layers.count - 1].resolved.output }

  func load(_ feed: Feed<B>, _ start: Int, _ rows: Int) throws -> Batch<B.Buffer> {
    try feed.load(
      SampleOrder(start: start), rows: rows, Pass(.inference, step: 0, seed: seed, batchRows: rows))
  }

  func run(_ batch: Batch<B.Buffer>, into output: Tensor<B.Buffer>) throws {
    var h = batch.input
    for (index, layer) in layers.enumerated() {
      let place = index == layers.count - 1 ? output : between[index].prefix(rows: h.rows)
      try layer.forward(h, into: place, batch.pass)
      h = place
    }
  }
}

extension ParameterList {
  /// Copies parameters from one arena to another, element by element as files order them, so that a tied decoder's weight
  /// can become a weight of its own.
  ///
  /// - Parameters:
  ///   - arena: of this list.
  ///   - names: in files, from this list's to the other's; what is not named stays as it is.
  func copy<Scalar>(_ arena: [Scalar], to target: inout [Scalar], of other: ParameterList, names: [String: String]) {
    for use in uses {
      guard let name = names[use.name], let place = other.use(named: name), !place.isShared else { continue }
      for (from, to) in zip(offsets(use), other.offsets(place)) { target[to] = arena[from] }
    }
  }
}

// A run's memory as part of the checkpoint of the run around it.
extension Dictionary where Key == String {
  /// Each under its name behind another.
  func nested(in outer: String) -> [String: Value] {
    Dictionary(uniqueKeysWithValues: map { ("\(outer).\($0.key)", $0.value) })
  }

  /// What `nested` made.
  func nest(_ outer: String) -> [String: Value] {
    Dictionary(
      uniqueKeysWithValues: compactMap { name, value in
        name.hasPrefix(outer + ".") ? (String(name.dropFirst(outer.count + 1)), value) : nil
      })
  }
}
