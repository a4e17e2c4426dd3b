import CinchBackend
import CinchData
import Foundation
import Testing

@testable import Cinch
@testable import CinchCore

/// A run that is stopped after any update and gone on with is the run that was never stopped.
@Suite struct ResumeTests {
  /// A checkpoint without what the clock makes of it.
  private func timeless(_ checkpoint: Checkpoint) -> Checkpoint {
    var checkpoint = checkpoint
    checkpoint.state.seconds = 0
    for index in checkpoint.state.history.indices {
      checkpoint.state.history[index].seconds = 0
      checkpoint.state.history[index].samplesPerSecond = 0
    }
    return checkpoint
  }

  private func trainer(_ recipe: Recipe, _ data: Dataset, from checkpoint: Checkpoint?) throws -> Trainer {
    let trainer = try Trainer(recipe, on: .reference)
    try trainer.prepare(data)
    if let checkpoint { try trainer.model.withSession { try $0.restore(checkpoint) } }
    return trainer
  }

  /// As damaged checkpoints may have one.
  @Test func aMetricThatComesTwiceIsRefused() throws {
    let metrics: Metrics = ["kl": 1, "prior": 2]
    let text = String(decoding: try JSONCoding.encoder.encode(metrics), as: UTF8.self)
    #expect(try JSONCoding.decoder.decode(Metrics.self, from: Data(text.utf8)) == metrics)
    let twice = Data(text.replacing("prior", with: "kl").utf8)
    #expect(throws: DecodingError.self) { try JSONCoding.decoder.decode(Metrics.self, from: twice) }
  }

  private func finish(_ trainer: Trainer) throws -> Checkpoint {
    while true {
      if case .complete = try trainer.trainEpoch(epochs: 2) { break }
    }
    return timeless(try trainer.model.withSession { try $0.checkpoint() })
  }

  /// Two epochs of two updates (of one that takes all samples), stopped after each, go on from there alone and end with the same checkpoint.
  @Test(arguments: LaunchLogTests.recipes)
  func everyUpdateIsAPlaceToStop(_ recipe: Recipe) throws {
    let data = try Variants.data(count: 13, features: recipe.input)
    let end = try finish(try trainer(recipe, data, from: nil))
    var checkpoint: Checkpoint?
    var stops = 0
    while true {
      // A trainer's first chunk is one update.
      let stopped = try trainer(recipe, data, from: checkpoint)
      let outcome = try stopped.trainEpoch(epochs: 2) { _ in false }
      let next = try stopped.model.withSession { try $0.checkpoint() }
      if case .complete = outcome { break }
      stops += 1
      #expect(next.state.step == stops)
      let whole = try finish(try trainer(recipe, data, from: next))
      #expect(whole == end, "stopped after update \(stops)")
      checkpoint = next
    }
    #expect(stops == (recipe.optimizer.isFullBatch ? 2 : 4) || recipe.validationSplit > 0)
    #expect(timeless(try #require(checkpoint)).arenas == end.arenas)
  }
}
