import Foundation
import Synchronization
import TestSupport
import Testing

@testable import Cinch
@testable import CinchCore
@testable import CinchData

/// Runs that differ in settings, in one folder.
@Suite struct SweepTests {
  private final class Folder {
    let path = FileManager.default.temporaryDirectory.appendingPathComponent("cinch-\(UUID().uuidString)").path
    deinit { try? FileManager.default.removeItem(atPath: path) }
  }

  private static func entry(lr: Double, code: Int = 6, epochs: Int = 3) throws -> Sweep.Entry {
    var recipe = Recipe.undercomplete(layers: [16, 6])
    recipe.optimizer.learningRate = lr
    (recipe.epochs, recipe.batchSize, recipe.validationSplit) = (epochs, 16, 0.25)
    return Sweep.Entry(
      settings: [.init("lr", "\(lr)"), .init("code", "\(code)")], recipe: try recipe.giving(codeUnits: code))
  }

  private static func data() throws -> Dataset {
    let values: [Float] = (0..<1024).map { index in Float(index * 37 % 101) / 101 }
    return try Dataset(values: values, count: 64, features: 16, name: "numbers")
  }

  private static func models(_ sweep: Sweep) throws -> [Data] {
    try sweep.paths.map { try Data(contentsOf: URL(fileURLWithPath: $0 + "/model.safetensors")) }
  }

  /// Its table says of every run what the run's folder says.
  private func requireTable(of sweep: Sweep) throws {
    let text = try String(contentsOfFile: sweep.folder.path + "/sweep.csv", encoding: .utf8)
    let rows = text.split(separator: "\n").map { $0.split(separator: ",", omittingEmptySubsequences: false) }
    let state = try #require(rows[0].firstIndex(of: "state"))
    let epoch = try #require(rows[0].firstIndex(of: "epoch"))
    let results = try sweep.results
    #expect(rows.dropFirst().map { String($0[state]) } == results.map(\.state.rawValue))
    #expect(rows.dropFirst().map { String($0[epoch]) } == results.map { $0.epoch.map { "\($0.number)" } ?? "" })
  }

  private func refused(_ part: String, _ code: Int32, _ body: () throws -> Void) {
    let error = #expect(throws: CinchError.self) { try body() }
    let text = error?.description ?? ""
    #expect(text.contains(part) && isSentence(text) && error?.exitCode == code, "\(text)")
  }

  /// Each run is what it would be alone, one at a time or several.
  @Test func runsAreTheirOwn() throws {
    let (one, two, alone) = (Folder(), Folder(), Folder())
    let entries = [try Self.entry(lr: 0.01), try Self.entry(lr: 0.001), try Self.entry(lr: 0.01, code: 3)]
    let first = try Sweep.create(entries, data: try Self.data(), in: one.path, on: .reference)
    #expect(try first.results.allSatisfy { $0.state == .waiting && $0.score == nil })
    #expect(try first.train())
    let second = try Sweep.create(entries, data: try Self.data(), in: two.path, on: .reference)
    #expect(try second.train(jobs: 2))
    let run = try Run.create(entries[1].recipe, data: try Self.data(), in: alone.path, on: .reference)
    try run.train()
    let models = try Self.models(first)
    #expect(try models == Self.models(second) && Set(models).count == 3)
    #expect(try models[1] == Data(contentsOf: URL(fileURLWithPath: alone.path + "/model.safetensors")))
    let results = try first.results
    #expect(results.allSatisfy { $0.state == .ended && $0.epoch?.number == 3 })
    #expect(results[1].score == (try run.state.history.last?.validation?.perSample))
    #expect(first.paths.map { $0.split(separator: "/").last ?? "" }[2] == "3-lr=0.01-code=3")
    let ranked = results.ranked.compactMap(\.score)
    #expect(ranked.count == 3 && ranked == ranked.sorted())
    let table = try String(contentsOfFile: one.path + "/sweep.csv", encoding: .utf8).split(separator: "\n")
    #expect(table.count == 4 && table[0].hasPrefix("run,setting_lr,setting_code,state,epoch,loss,"))
    #expect(table[3].hasPrefix("3-lr=0.01-code=3,0.01,3,ended,3,"))
  }

  /// Stopped anywhere it goes on to the same bits, and trains nothing twice.
  @Test(arguments: [1, 2]) func aSweepGoesOn(jobs: Int) throws {
    let (whole, stopped) = (Folder(), Folder())
    let entries = try [0.01, 0.003, 0.001].map { try Self.entry(lr: $0) }
    let reference = try Sweep.create(entries, data: try Self.data(), in: whole.path, on: .reference)
    try reference.train()
    do {
      let sweep = try Sweep.create(entries, data: try Self.data(), in: stopped.path, on: .reference)
      var epochs = 0
      let isComplete = try sweep.train(jobs: jobs) { event in
        if case .run(_, .epoch) = event { epochs += 1 }
        return epochs < 5
      }
      #expect(!isComplete && epochs >= 5)
      try requireTable(of: sweep)
      refused("is in use by", 69) { _ = try Sweep.resume(stopped.path) }
    }
    let sweep = try Sweep.resume(stopped.path, data: try Self.data())
    let left = try sweep.results.filter { $0.state != .ended }.count
    #expect(left > 0 && (jobs > 1 || left < 3))
    var started = 0
    #expect(
      try sweep.train(jobs: jobs) { event in
        if case .started = event { started += 1 }
        return true
      })
    #expect(started == left)
    #expect(try Self.models(sweep) == Self.models(reference))
    #expect(
      try sweep.train { _ in
        Issue.record("nothing is left to train"); return true
      })
  }

  /// One that diverges is told of, and is not tried again.
  @Test func aRunThatFailsStopsNoOther() throws {
    let folder = Folder()
    var entries = [try Self.entry(lr: 1e30), try Self.entry(lr: 0.001)]
    // Squares of such weights are beyond 32 bits.
    entries[0].recipe.penalties.weightDecay = 0.001
    do {
      let sweep = try Sweep.create(entries, data: try Self.data(), in: folder.path, on: .cpu)
      var failures: [Int] = []
      #expect(
        try sweep.train { event in
          if case .failed(let index, let error) = event, error.exitCode == 65 { failures.append(index) }
          return true
        })
      #expect(failures == [0])
      // Its files are not read each time.
      let (checkpoint, away) = (sweep.paths[0] + "/checkpoint.safetensors", folder.path + "/away")
      try FileManager.default.moveItem(atPath: checkpoint, toPath: away)
      #expect(try sweep.results.map(\.state) == [.failed, .ended])
      try FileManager.default.moveItem(atPath: away, toPath: checkpoint)
    }
    let sweep = try Sweep.resume(folder.path)
    let results = try sweep.results
    #expect(results.map(\.state) == [.failed, .ended])
    #expect(results[0].entry.failure.map(isSentence) == true && results.ranked.map(\.path) == [sweep.paths[1]])
    #expect(
      try sweep.train { _ in
        Issue.record("nothing is left to train"); return true
      })
  }

  /// Nor does one whose samples do not go with its settings.
  @Test func aRunThatCannotBeginStopsNoOther() throws {
    let folder = Folder()
    var entries = [try Self.entry(lr: 0.01), try Self.entry(lr: 0.001)]
    (entries[0].recipe.loss, entries[0].scaling) = (.bce, .standard)
    let sweep = try Sweep.create(entries, data: try Self.data(), in: folder.path, on: .reference)
    #expect(try sweep.train())
    let results = try sweep.results
    #expect(results.map(\.state) == [.failed, .ended])
    #expect(results[0].entry.failure.map { isSentence($0) && $0.contains("[0, 1]") } == true)
  }

  /// Neither an observer's error nor what can be mended is taken for a run's own.
  @Test func errorsOfOthersAreNotARunsOwn() throws {
    let folder = Folder()
    do {
      let sweep = try Sweep.create([try Self.entry(lr: 0.01)], data: try Self.data(), in: folder.path, on: .reference)
      refused("is an observer's", 64) {
        try sweep.train { event in
          if case .run(_, .epoch) = event { throw CinchError.usage("This is an observer's: try again.") }
          return true
        }
      }
      #expect(try sweep.results.map(\.state) == [.stopped])
    }
    let other = try Dataset(values: (0..<1024).map { Float($0 % 7) / 7 }, count: 64, features: 16, name: "others")
    do {
      let sweep = try Sweep.resume(folder.path, data: other)
      #expect(throws: CinchError.self) { try sweep.train() }
      #expect(try sweep.results.map(\.state) == [.stopped])
    }
    #expect(try Sweep.resume(folder.path, data: try Self.data()).train())
  }

  /// As many train at a time as was asked for, however few processors there are.
  @Test func jobsAreAsManyAsAskedFor() throws {
    let folder = Folder()
    let entries = try (1...6).map { try Self.entry(lr: 0.001 * Double($0), epochs: 2) }
    let sweep = try Sweep.create(entries, data: try Self.data(), in: folder.path, on: .reference)
    var (open, most) = (0, 0)
    try sweep.train(jobs: 6) { event in
      switch event {
      case .started:
        open += 1
        most = max(most, open)
        // The others wait to be heard; each run has more to tell before it ends.
        Thread.sleep(forTimeInterval: 0.05)
      case .ended: open -= 1
      default: break
      }
      return true
    }
    #expect(most > ProcessInfo.processInfo.activeProcessorCount || most == 6)
  }

  /// A folder whose files are damaged says what to do.
  @Test func aDamagedRunIsNamed() throws {
    let folder = Folder()
    do {
      let sweep = try Sweep.create([try Self.entry(lr: 0.01)], data: try Self.data(), in: folder.path, on: .reference)
      try sweep.train()
      try FileManager.default.removeItem(atPath: sweep.paths[0] + "/checkpoint.safetensors")
    }
    refused("remove the folder", 65) { try Sweep.resume(folder.path).train() }
  }

  /// What an observer throws comes out, and every run is saved.
  @Test func errorsOfTheObserverComeOut() throws {
    struct Stop: Error {}
    let folder = Folder()
    let sweep = try Sweep.create(
      [try Self.entry(lr: 0.01), try Self.entry(lr: 0.1)], data: try Self.data(), in: folder.path, on: .reference)
    #expect(throws: Stop.self) {
      try sweep.train { event in
        if case .run(_, .epoch) = event { throw Stop() }
        return true
      }
    }
    #expect(try sweep.results.map(\.state) == [.stopped, .waiting])
    try requireTable(of: sweep)
    #expect(try sweep.train() && sweep.results.allSatisfy { $0.state == .ended })
  }

  /// Losses that have no common scale give no order.
  @Test func differentLossesAreNotRanked() throws {
    let folder = Folder()
    var entries = [try Self.entry(lr: 0.01), try Self.entry(lr: 0.02)]
    (entries[0].recipe.loss, entries[1].recipe.loss) = (.bce, .mse)
    let sweep = try Sweep.create(entries, data: try Self.data(), in: folder.path, on: .reference)
    try sweep.train()
    let results = try sweep.results
    #expect(try #require(results[0].score) > #require(results[1].score))
    #expect(!results.areComparable && results.ranked.map(\.path) == sweep.paths)
    #expect([results[1]].ranked.count == 1)
  }

  /// A run without an epoch has ended, and comes behind those that have a score.
  @Test func runsWithoutAScoreAreLast() throws {
    let folder = Folder()
    let entries = [try Self.entry(lr: 0.01, epochs: 0), try Self.entry(lr: 0.02)]
    let sweep = try Sweep.create(entries, data: try Self.data(), in: folder.path, on: .reference)
    #expect(try sweep.train())
    let results = try sweep.results
    #expect(results.map(\.state) == [.ended, .ended] && results[0].score == nil && results[1].score != nil)
    #expect(results.areComparable && results.ranked.map(\.path) == [sweep.paths[1], sweep.paths[0]])
  }

  /// A stack's last epoch is of one layer, as sweeps that were begun before stacks were refused may have it.
  @Test func aStackHasNoScore() throws {
    let (folder, run) = (Folder(), Folder())
    let sweep = try Sweep.create([try Self.entry(lr: 0.01)], data: try Self.data(), in: folder.path, on: .reference)
    try sweep.train()
    var epoch = try #require(try sweep.results[0].epoch)
    epoch.layer = 2
    let stack = try Recipe.stack(layers: [16, 8, 4], of: [.denoising()])
    let result = Sweep.Result(
      entry: Sweep.Entry(settings: [], recipe: stack), path: run.path, state: .ended, epoch: epoch)
    #expect(result.score == nil && [result].ranked.count == 1)
  }

  /// Without early stopping a run keeps its last weights, whichever were best of the samples held out.
  @Test func scoresAreOfTheWeightsThatARunHas() throws {
    for patience in [nil, 6] as [Int?] {
      let folder = Folder()
      let entries = try [0.3, 1].map { lr in
        var entry = try Self.entry(lr: lr, epochs: 12)
        entry.recipe.patience = patience
        return entry
      }
      let sweep = try Sweep.create(entries, data: try Self.data(), in: folder.path, on: .reference)
      try sweep.train()
      var areOthersBest = false
      for result in try sweep.results {
        let run = try Run.resume(result.path, data: try Self.data())
        let state = try run.state
        let held = try run.model.evaluate(
          try Self.data().split(validation: 0.25, seed: result.entry.recipe.seed).validation)
        #expect(result.epoch?.number == (patience == nil ? state.epoch : state.bestEpoch))
        let score = try #require(result.score)
        #expect(abs(score - held.reconstruction.perSample) < 1e-6 * score)
        areOthersBest = areOthersBest || state.bestEpoch != state.epoch
      }
      #expect(areOthersBest)
    }
  }

  /// Without held-out samples a score is that of corrupted ones.
  @Test func corruptionsDoNotCompare() throws {
    for split in [0, 0.25] {
      let folder = Folder()
      let entries = try [0.1, 0.5].map { level in
        var recipe = try Self.entry(lr: 0.01).recipe
        (recipe.corruption, recipe.validationSplit) = (.masking(level), split)
        return Sweep.Entry(settings: [.init("corruption-level", "\(level)")], recipe: recipe)
      }
      let sweep = try Sweep.create(entries, data: try Self.data(), in: folder.path, on: .reference)
      try sweep.train()
      #expect(try sweep.results.areComparable == (split > 0))
    }
  }

  /// A split is drawn with the run's seed, so each would be scored on other samples.
  @Test func splitsOfOtherSeedsAreNotRanked() throws {
    for (split, isComparable) in [(0.25, false), (0, true)] {
      let folder = Folder()
      let entries = try (UInt64(1)...3).map { seed in
        var recipe = try Self.entry(lr: 0.01).recipe
        (recipe.seed, recipe.validationSplit) = (seed, split)
        return Sweep.Entry(settings: [.init("seed", "\(seed)")], recipe: recipe)
      }
      let sweep = try Sweep.create(entries, data: try Self.data(), in: folder.path, on: .reference)
      try sweep.train()
      let results = try sweep.results
      #expect(results.areComparable == isComparable)
      let scores = try results.ranked.map { try #require($0.score) }
      #expect(isComparable ? scores == scores.sorted() : results.ranked.map(\.path) == sweep.paths)
    }
  }

  @Test func whatCannotBeTrainedIsRefusedBefore() throws {
    let folder = Folder()
    let data = try Self.data()
    refused("1 to 1000 runs, not 0", 64) { _ = try Sweep.create([], data: data, in: folder.path) }
    let entry = try Self.entry(lr: 0.01)
    refused("the same settings", 64) { _ = try Sweep.create([entry, entry], data: data, in: folder.path) }
    refused("cannot be trained", 64) {
      _ = try Sweep.create([entry, try Self.entry(lr: -1)], data: data, in: folder.path)
    }
    let stack = try Recipe.stack(layers: [16, 8, 4], of: [.denoising()])
    refused("trained one by one", 64) {
      _ = try Sweep.create([entry, Sweep.Entry(settings: [], recipe: stack)], data: data, in: folder.path)
    }
    refused("pass held-out samples of as many", 65) {
      _ = try Sweep.create(
        [entry], data: data, validation: try Dataset(values: [1, 2], count: 1, features: 2), in: folder.path)
    }
    #expect(!FileManager.default.fileExists(atPath: folder.path))
    refused("no sweep.json", 74) { _ = try Sweep.resume(folder.path) }
    let sweep = try Sweep.create([entry], data: data, in: folder.path, on: .reference)
    refused("0 runs at a time", 64) { try sweep.train(jobs: 0) }
    var settings = Run.Settings()
    settings.profiler = Profiler()
    refused("train one at a time", 64) { try sweep.train(jobs: 2, settings: settings) }
    refused("already holds a sweep", 64) { _ = try Sweep.create([entry], data: data, in: folder.path) }
  }

  @Test(arguments: [
    ("{", "not valid JSON"), ("{}", "no format"), (#"{"format": 9}"#, "use a newer Cinch"),
    (#"{"format": 1, "jobs": 3}"#, "Unknown setting 'jobs'"),
  ])
  func aDamagedFileIsRefused(text: String, part: String) throws {
    let folder = Folder()
    try FileManager.default.createDirectory(atPath: folder.path, withIntermediateDirectories: true)
    try text.write(toFile: folder.path + "/sweep.json", atomically: true, encoding: .utf8)
    let error = #expect(throws: CinchError.self) { _ = try Sweep.resume(folder.path) }
    #expect(error.map { isSentence($0.description) && $0.exitCode == 65 } == true, "\(error?.description ?? "")")
  }

  /// The samples of a program's own are asked for again.
  @Test func samplesAreAskedFor() throws {
    let folder = Folder()
    do {
      _ = try Sweep.create(
        [try Self.entry(lr: 0.01)], data: try Self.data(), validation: try Self.data(), in: folder.path, on: .reference)
    }
    refused("does not say which data", 64) { try Sweep.resume(folder.path).train() }
    refused("held-out samples", 64) { try Sweep.resume(folder.path, data: try Self.data()).train() }
    #expect(try Sweep.resume(folder.path, data: try Self.data(), validation: try Self.data()).train())
  }

  /// Every named recipe whose code has a width takes another.
  @Test(arguments: Recipe.all) func codesHaveOtherWidths(recipe: Recipe) throws {
    guard recipe.autoencoder != nil else {
      refused("has no code to make wider", 64) { _ = try recipe.giving(codeUnits: 3) }
      return
    }
    let units = recipe.autoencoder?.constraint == .overcomplete ? recipe.input + 7 : 3
    let given = try recipe.giving(codeUnits: units)
    #expect(try given.resolved().codeShape.units == units)
    #expect(try given.resolved().layers.last?.output.count == recipe.input)
    refused("is not possible", 64) { _ = try recipe.giving(codeUnits: 0) }
  }
}
