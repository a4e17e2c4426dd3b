/// Everything that, with the arenas, continues a run bit for bit: it goes into the checkpoint as JSON.
public struct TrainingState: Sendable, Hashable, Codable {
  /// Finished epochs.
  public var epoch = 0
  /// Updates done in the epoch under way.
  public var stepInEpoch = 0
  /// Updates done in all: the optimiser's and the corruption's counter.
  public var step = 0
  /// Samples seen in the epoch under way.
  public var samples = 0
  /// Σ over the epoch's samples of the reconstruction loss and each penalty.
  public var sums: [Double] = []
  /// Seconds spent training in the epoch under way.
  public var seconds = 0.0
  public var history: [Epoch] = []
  /// The best validation loss so far, and the epoch it came after.
  public var bestValidation: Double?
  public var bestEpoch: Int?
  public var ended: EndReason?
  /// Of a stack: the states of its layers' runs so far, of which the last one goes on.
  public var layers: [TrainingState]?

  public init() {}
}

extension TrainingState {
  /// The epochs of a stack's layers, counted over all of them.
  package static func history(of layers: [TrainingState]) -> [Epoch] {
    var before = 0
    var epochs: [Epoch] = []
    for (layer, state) in layers.enumerated() {
      epochs += state.history.map { $0.stacked(layer: layer, after: before) }
      // The sum of a damaged file's counters need not fit an Int; whoever goes on from one checks them.
      before = before &+ state.epoch
    }
    return epochs
  }
}

extension Epoch {
  /// As an epoch of a stack.
  ///
  /// - Parameters:
  ///   - layer: whose it is, counted from 0.
  ///   - before: how many epochs the layers below had.
  func stacked(layer: Int, after before: Int) -> Epoch {
    var epoch = self
    epoch.number = number &+ before
    epoch.layer = layer + 1
    return epoch
  }
}
