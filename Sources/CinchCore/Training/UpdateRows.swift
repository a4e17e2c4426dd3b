import CinchBackend
import CinchData

/// How many samples an update takes, and how many of them pass through the network at a time.
package struct UpdateRows: Sendable, Hashable {
  package var whole: Int
  package var pass: Int

  /// How often samples pass in an update.
  package var parts: Int { parts(of: whole) }
  /// How often those of a batch of so many samples do, such as the last one of an epoch.
  package func parts(of rows: Int) -> Int { (rows + pass - 1) / pass }

  /// The sizes of passes over so many samples, the largest first.
  package func sizes(of count: Int) -> [Int] {
    let rest = count % whole
    return Set([min(pass, count), whole % pass, min(pass, rest), rest % pass]).subtracting([0]).sorted(by: >)
  }
}

extension Recipe {
  /// Those of a run over so many samples.
  ///
  /// An update that takes the whole set passes it in batches. A batch whose activations would leave a CPU's caches passes in
  /// equal parts, too, where its gradient is the sum of theirs. They depend on shapes alone.
  ///
  /// - Parameter bytes: what passes between the layers may take; nil where smaller passes gain nothing.
  package func updateRows(of count: Int, _ network: ResolvedNetwork, passBytes bytes: Int?) -> UpdateRows {
    // Parts of a batch begin at a multiple of 4 rows, where draws may begin.
    func wholeBlocks(_ rows: Int) -> Int { (rows + 3) / 4 * 4 }
    guard !optimizer.isFullBatch else {
      return UpdateRows(whole: count, pass: min(wholeBlocks(training.batchSize), count))
    }
    let whole = min(training.batchSize, count)
    guard let bytes, objective.chain == nil, closedForm == nil,
      !penalties.active.contains(where: \.averagesOverBatch)
    else { return UpdateRows(whole: whole, pass: whole) }
    let row = Double(passingPerSample(network))
    // A part costs passes over the gradients, and packs the weights anew.
    let elements = max(Double(bytes) / 4, 8 * Double(network.parameters.count))
    let parts = (Double(whole) * row / elements).rounded(.up)
    let pass = parts <= 1 ? whole : Int((Double(whole) / parts).rounded(.up))
    return UpdateRows(whole: whole, pass: min(wholeBlocks(pass), whole))
  }

  /// Numbers that a sample takes on its way: itself, its corrupted copy, and what passes between the layers.
  func passingPerSample(_ network: ResolvedNetwork) -> Int {
    let sites = penalties.active.map { $0.sites(encoderCount: network.encoderCount) }
    let stages = network.stages(of: network.layers.indices, keeping: Set(sites.joined()))
    let schedule = StepSchedule(stages: stages.map(\.layers), sites: sites, mode: .training)
    return (corruption == nil ? 1 : 2) * input
      + MemoryPlan(schedule.planned(network.layers.map(\.output), rows: 1)).count
  }
}
