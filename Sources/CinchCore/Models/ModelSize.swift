import CinchBackend
import CinchData

// What a model takes on a device. In floating point, so that no size overflows.
extension ResolvedNetwork {
  package static var mostEvaluated: Int { 1024 }

  /// The samples that pass at a time where nothing is trained: as many as a quarter of a gigabyte of float32 holds, at
  /// most `mostEvaluated`. From shapes alone, so that every device sums in the same groups.
  var evaluationRows: Int {
    let columns = layers.reduce(2 * Double(input.count)) { $0 + Double($1.output.count) }
    return Int(max(1, min(Double(Self.mostEvaluated), Double(1 << 26) / columns)))
  }
}

extension Recipe {
  /// Refuses a model that a device cannot hold, before anything of its size is allocated.
  ///
  /// - Parameter update: samples of an update; nil where nothing is known of the data yet.
  /// - Throws: `CinchError.usage`.
  package func requireFit<B: Backend>(_ network: ResolvedNetwork, on backend: B, _ update: UpdateRows? = nil) throws {
    let device = backend.info
    let scalar = Double(MemoryLayout<B.Scalar>.size)
    func refuse(_ what: String, _ elements: Double, advice: CinchError.Message) -> CinchError {
      .usage(
        "\(what) \(network.widths) takes about \(gigabytes(elements * scalar)) of memory to train, but \(device.identifier) has "
          + "\(gigabytes(Double(device.memory))) for a model: choose \(advice).")
    }
    // Parameters, gradients, the optimiser's moments and the best weights.
    let held =
      optimizer.rule == .lbfgs
      ? LBFGS<B>.arenaCount(historySize: optimizer.historySize) : optimizer.momentCount
    // Parts of a batch add up in gradients of their own.
    let copies = 2 + Double(held) + (patience == nil ? 0 : 1) + (update?.parts ?? 1 > 1 ? 1 : 0)
    let sites = penalties.active.map { $0.sites(encoderCount: network.encoderCount) }
    let stages = network.stages(of: network.layers.indices, keeping: Set(sites.joined()))
    let kept = stages.reduce(0) { $0 + Double($1.layer.kind.keptCount) }
    let arenas = copies * Double(network.parameters.count) + kept
    let smallest = arenas + network.widths.reduce(0) { $0 + Double($1) }
    // Parameters lie in one buffer, as do what L-BFGS keeps of its last updates.
    let longest =
      Double(network.parameters.count) * (optimizer.rule == .lbfgs ? 2 * Double(optimizer.historySize) + 1 : 1)
    guard smallest * scalar <= Double(device.memory), longest * scalar <= Double(device.largestBuffer)
    else {
      throw refuse(
        "A network of layers", smallest,
        advice: optimizer.rule == .lbfgs ? "a smaller \(.historySize), or narrower \(.layers)" : "narrower \(.layers)")
    }
    guard let batch = update?.pass else { return }
    let needed = arenas + Double(passingPerSample(network)) * Double(batch)
    let widest = Double(network.widths.max() ?? 0) * Double(batch)
    guard needed * scalar <= Double(device.memory), widest * scalar <= Double(device.largestBuffer) else {
      throw refuse("A batch of \(batch) samples through layers", needed, advice: "a smaller \(.batchSize)")
    }
  }

  private func gigabytes(_ bytes: Double) -> String {
    let tenths = (bytes / 1e8).rounded()
    return tenths < 1e15 ? "\(tenths / 10) GB" : "more than 1e14 GB"
  }
}
