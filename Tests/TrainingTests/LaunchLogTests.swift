import CinchBackend
import CinchData
import Foundation
import TestSupport
import Testing

@testable import Cinch
@testable import CinchCore

/// What an update does, op by op: the order, the scalars, the shapes and which tensor is which.
@Suite struct LaunchLogTests {
  /// Every variant, and one whose epoch ends with validation.
  static let recipes: [Recipe] = {
    var held = Variants.all.first { $0.name == "every penalty at once" }!
    held.name = "validation"
    held.corruption = .masking(0.3)
    held.validationSplit = 0.25
    held.patience = 3
    return Variants.all + [held]
  }()

  /// One epoch of each variant, with a full and a partial batch, is the committed log. After a change that is meant to
  /// change it, `CINCH_UPDATE_SNAPSHOTS=1 swift test --filter LaunchLog` writes it anew; the commit says why.
  @Test(arguments: recipes)
  func anEpochIsItsLog(_ recipe: Recipe) throws {
    var format = TraceFormat()
    let log = try TracedRun(recipe).epoch().map { format.line($0) + "\n" }.joined()
    let difference = try Snapshot("Tests/TrainingTests/Launches", "\(recipe.testDescription).txt").difference(from: log)
    #expect(difference == nil)
  }

  /// What an update reads before it has written it is what a checkpoint holds, or the data.
  @Test(arguments: recipes)
  func noUpdateReadsWhatIsNotKept(_ recipe: Recipe) throws {
    let run = try TracedRun(recipe)
    _ = try run.epoch(of: 2)
    let kept = try run.kept
    var known = kept
    var previous = ""
    for op in try run.epoch(of: 2) {
      if op.name == "gather" {
        // Another update, or a batch of held-out samples: the first gather loads it, a second one its labels. A rule that
        // takes the whole set loads it several times, part by part, for the one update of an epoch.
        if previous != op.name, !recipe.optimizer.isFullBatch { known = kept }
        known.insert(op.operands[0].tensor)
      }
      previous = op.name
      for operand in op.operands where operand.access != .write && op.name != "read" {
        let isKnown = known.contains(operand.tensor)
        #expect(isKnown, "\(op.name) reads a stale \(operand.role)")
      }
      for operand in op.operands where operand.access != .read { known.insert(operand.tensor) }
    }
  }

  /// A tensor filled with NaN outside its life changes nothing: after every op, all that no later op reads before it is
  /// written is poisoned.
  @Test(arguments: recipes)
  func poisonOutsideLivesChangesNothing(_ recipe: Recipe) throws {
    let clean = try TracedRun(recipe)
    let ops = try clean.epoch(of: 2) + clean.epoch(of: 2)
    // Backwards from the end: what is still read after each op, and what its operands hold besides. When the host reads
    // the record of an update follows the clock, so the record is left alone, and reads are not counted.
    // Those of a line search follow from its numbers.
    let readsCount = recipe.optimizer.isFullBatch
    var needed = try clean.kept
    var dead: [(op: Op, tensors: [Tensor<ReferenceBuffer>])] = []
    for op in ops.reversed() {
      if op.name != "read" || readsCount {
        dead.append((op, op.operands.filter { $0.role != "result" }.flatMap { needed.gaps(in: $0.tensor) }))
      }
      for operand in op.operands where operand.access == .write { needed.remove(operand.tensor) }
      for operand in op.operands where operand.access != .write { needed.insert(operand.tensor) }
    }
    dead.reverse()
    #expect(dead.contains { !$0.tensors.isEmpty })

    // The same ops again, on buffers of their own that match those of the first run in order.
    let backend = ReferenceBackend()
    let other = try TracedRun(recipe)
    var partners: [ObjectIdentifier: ReferenceBuffer] = [:]
    func poison(after index: Int, _ op: Op) throws {
      for (mine, its) in zip(op.operands, dead[index].op.operands) {
        partners[ObjectIdentifier(its.tensor.buffer)] = mine.tensor.buffer
      }
      for tensor in dead[index].tensors {
        let buffer = try #require(partners[ObjectIdentifier(tensor.buffer)])
        try backend.fill(Tensor(buffer, offset: tensor.offset, shape: tensor.shape), with: .nan)
      }
    }
    var count = 0
    for _ in 0..<2 {
      try other.epoch(of: 2) { op in
        guard op.name != "read" || readsCount else { return }
        try poison(after: count, op)
        count += 1
      }
    }
    #expect(count == dead.count)
    let losses = other.session.stepLosses
    #expect(try other.session.parameters() == clean.session.parameters())
    #expect(losses == clean.session.stepLosses && !losses.isEmpty)
    #expect(losses.allSatisfy { $0.isFinite })
  }

  /// The ops, on `cpu` and `reference`, or kernels that one update queues: more of them is a cost that a change must name.
  @Test func launchesPerUpdate() throws {
    let devices: [Device] = [.reference, .cpu, .opencl(family: .cpu), .opencl(family: .gpu)]
    func launches(_ recipe: Recipe, _ device: Device, samples: Int) throws -> Int {
      let trainer = try Trainer(recipe, on: device)
      try trainer.prepare(try Variants.data(count: samples, features: recipe.input))
      _ = try trainer.trainEpoch(epochs: 2)
      let before = try trainer.model.withSession { $0.counters.launches }
      _ = try trainer.trainEpoch(epochs: 2)
      return try trainer.model.withSession { $0.counters.launches } - before
    }
    var table = "| recipe | \(devices.map(\.description).joined(separator: " | ")) |\n|---|---|---|---|\n"
    for recipe in Variants.all {
      let counts = try devices.map { device in
        // An epoch of two updates has one more than an epoch of one.
        try launches(recipe, device, samples: 16) - launches(recipe, device, samples: 8)
      }
      table += "| \(recipe.testDescription) | \(counts.map(String.init).joined(separator: " | ")) |\n"
    }
    let difference = try Snapshot("Tests/TrainingTests/Launches", "per-update.md").difference(from: table)
    #expect(difference == nil)
  }
}
