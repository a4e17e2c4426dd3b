import CinchBackend
import CinchData

// What a model takes on a device. In floating point, so that no size overflows.
extension Recipe {
  /// Weights and biases of the network; nil where their number does not fit an Int.
  public var parameterCount: Int? { Int(exactly: layerSizes.reduce(0) { $0 + $1.parameters }) }

  /// Parameters and outputs of each layer; empty where the layers do not fit each other.
  private var layerSizes: [(parameters: Double, outputs: Double)] {
    guard let layers = try? shape().layers else { return [] }
    return layers.enumerated().map { index, layer in
      let weights: Double
      switch layer.kind {
      case .dense: weights = Double(layer.input.count) * Double(layer.output.count)
      case .convolution(let g), .transposedConvolution(let g):
        weights = Double(g.kernelHeight * g.kernelWidth) * Double(g.channels) * Double(g.outputChannels)
      case .maxPool, .averagePool, .unpool, .upsample: return (0, Double(layer.output.count))
      }
      let isShared = tied && index >= encoder.count
      return (Double(layer.output.units) + (isShared ? 0 : weights), Double(layer.output.count))
    }
  }

  /// The samples that pass at a time where nothing is trained: as many as a quarter of a gigabyte of float32 holds, at
  /// most 1024. From shapes alone, so that every device sums in the same groups.
  var evaluationRows: Int {
    let columns = layerSizes.reduce(2 * Double(input)) { $0 + $1.outputs }
    return Int(max(1, min(1024, Double(1 << 26) / max(columns, 1))))
  }

  /// Parameters, gradients, the optimiser's moments and the best weights.
  private var parameterElements: Double {
    let copies = 2 + Double(optimizer.momentCount) + (patience == nil ? 0 : 1)
    return copies * layerSizes.reduce(0) { $0 + $1.parameters }
  }

  /// What one sample of a mini-batch takes: itself, its corrupted copy, and what passes between the layers.
  private func elementsPerSample() throws -> Int {
    (corruption == nil ? 1 : 2) * input + MemoryPlan(Self.passing(try shape().layers, rows: 1)).count
  }

  /// The hidden layers' outputs, then all δs, with their lives in a step: layer i runs forward at i, and backward
  /// at 2n − 1 − i, where it reads the output of the layer below and makes that one's δ.
  static func passing(_ layers: [ResolvedLayer], rows: Int) -> [PlannedTensor] {
    let n = layers.count
    let shapes = layers.map { $0.output.shape(rows: rows) }
    let outputs = (0..<n - 1).map { PlannedTensor(shape: shapes[$0], life: $0...2 * n - 2 - $0) }
    let deltas = (0..<n).map {
      PlannedTensor(shape: shapes[$0], life: ($0 == n - 1 ? n - 1 : 2 * n - 2 - $0)...2 * n - 1 - $0)
    }
    return outputs + deltas
  }

  /// Refuses a model that a device cannot hold, before anything of its size is allocated.
  ///
  /// - Parameter batch: samples of a mini-batch; nil where nothing is known of the data yet.
  /// - Throws: `CinchError.usage`.
  func requireFit<B: Backend>(_ backend: B, batch: Int? = nil) throws {
    let device = backend.info
    let scalar = Double(MemoryLayout<B.Scalar>.size)
    func refuse(_ what: String, _ elements: Double, advice: CinchError.Message) -> CinchError {
      .usage(
        "\(what) \(widths) takes about \(gigabytes(elements * scalar)) of memory to train, but \(device.identifier) has "
          + "\(gigabytes(Double(device.memory))) for a model: choose \(advice).")
    }
    let columns = layerSizes.reduce(Double(input)) { $0 + $1.outputs }
    let smallest = parameterElements + columns
    // Parameters lie in one buffer.
    let arena = Double(parameterCount ?? 0)
    guard parameterCount != nil, smallest * scalar <= Double(device.memory),
      arena * scalar <= Double(device.largestBuffer)
    else {
      throw refuse("A network of layers", smallest, advice: "narrower \(.layers)")
    }
    guard let batch else { return }
    let needed = parameterElements + Double(try elementsPerSample()) * Double(batch)
    let widest = Double(widths.max() ?? 0) * Double(batch)
    guard needed * scalar <= Double(device.memory), widest * scalar <= Double(device.largestBuffer) else {
      throw refuse("A batch of \(batch) samples through layers", needed, advice: "a smaller \(.batchSize)")
    }
  }

  private func gigabytes(_ bytes: Double) -> String {
    let tenths = (bytes / 1e8).rounded()
    return tenths < 1e15 ? "\(tenths / 10) GB" : "more than 1e14 GB"
  }
}
