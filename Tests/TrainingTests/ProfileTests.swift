import CPUBackend
import CinchBackend
import CinchData
import Foundation
import OpenCLBackend
import Testing

@testable import Cinch
@testable import CinchCore

/// What a profile adds up, on every kind of device.
@Suite struct ProfileTests {
  /// 13 samples in batches of 8, two epochs, and the profile of the second.
  private func profile<B: Backend>(_ recipe: Recipe, on backend: B) throws -> Profile {
    let profiler = Profiler()
    let session = try ModelSession(recipe, on: profiler.profiling(backend))
    let data = try Variants.data(count: 13, features: recipe.input)
    try session.prepare(training: data, validation: nil, options: TrainingOptions())
    _ = try session.trainEpoch(epochs: 2) { _ in true }
    profiler.reset()
    _ = try session.trainEpoch(epochs: 2) { _ in true }
    return profiler.profile
  }

  private func backends() throws -> [any Backend] {
    [
      ReferenceBackend(), try CPUBackend(profiling: true), try OpenCLBackend(platform: 0, device: 0, profiling: true),
      try OpenCLBackend(platform: 0, device: 0, family: .gpu, profiling: true),
    ]
  }

  /// Products and convolutions of an epoch's updates are what the layers cost as they are computed: 13 samples forward and
  /// back. The batch that passes forward when the epoch ends is no part of them.
  @Test(arguments: [
    Recipe.deep(layers: [13, 7, 3]), .sparse(layers: [13, 9]), .vae(layers: [13, 9, 4]), .convPool(),
  ])
  func operationsAreTheRecipesCost(_ recipe: Recipe) throws {
    var recipe = recipe
    recipe.batchSize = 8
    let network = try recipe.resolved()
    let stages = network.stages(of: network.layers.indices).map(\.layer.flops)
    let forward = stages.reduce(0, +)
    #expect(3 * forward - stages[0] <= network.stepFlops)
    let profile = try profile(recipe, on: try CPUBackend(profiling: true))
    #expect(profile.rows.reduce(0) { $0 + $1.operations } == 13 * (3 * forward - stages[0]))
    #expect(profile.updates == 2 && profile.seconds < profile.wholeSeconds)
  }

  @Test func partsMakeTheWhole() throws {
    var recipe = Recipe.denoising(layers: [13, 17], corruption: .masking(0.3))
    recipe.batchSize = 8
    for backend in try backends() {
      let profile = try profile(recipe, on: backend)
      let name = backend.info.identifier
      // 8 and 5 samples have rows of their own: shapes differ.
      let products = profile.rows.filter { $0.op == "matmul" }
      #expect(products.count == 6 && products.allSatisfy { $0.calls > 0 && $0.seconds > 0 }, "\(name)")
      #expect(products.contains { $0.text.hasPrefix("8×13 · 17×13 → 8×17") && $0.text.contains("sigmoid") }, "\(name)")
      let kernels = Set(profile.rows.flatMap(\.kernels))
      #expect(kernels.isEmpty == (name == "reference"), "\(name) \(kernels)")
      // Clocks tick in microseconds on some devices.
      let parts = profile.busy + profile.launching + profile.idle
      #expect(abs(parts - profile.seconds) < 1e-4 + 0.01 * profile.seconds, "\(name)")
      #expect(profile.launching >= 0 && profile.queueing <= profile.seconds, "\(name)")
      #expect((profile.queueing > 0) == name.hasPrefix("opencl"), "\(name)")
      let kinds: Double = Profile.Kind.allCases.filter { $0 != .wait }.reduce(0) { $0 + profile.seconds(of: $1) }
      #expect(abs(kinds - profile.busy) < 1e-9, "\(name)")
    }
  }

  /// What is read and written once: of a 2 × 3 by 3 × 4 product 6 + 12 + 8 numbers; of a gather the drawn rows alone.
  @Test func bytesAreThoseOfTheTensors() throws {
    let profiler = Profiler()
    let backend = profiler.profiling(try CPUBackend(profiling: true))
    let (a, b, c) = (try backend.tensor([2, 3]), try backend.tensor([3, 4]), try backend.tensor([2, 4]))
    for _ in 0..<3 { try backend.matmul(a, transposeA: false, b, transposeB: false, into: c, epilogue: .none) }
    try backend.matmul(a, transposeA: false, b, transposeB: false, into: c, epilogue: .accumulate)
    let source = try backend.tensor([100, 3])
    try backend.gather(source, SampleOrder(start: 4), into: a)
    let rows = profiler.profile.rows
    #expect(rows.map(\.op) == ["matmul", "gather"])
    #expect(rows[0].calls == 4 && rows[0].operations == 4 * 2 * 24)
    // What is added to is read, too.
    #expect(rows[0].bytes == Double(4 * (3 * 26 + 34)))
    #expect(rows[1].bytes == Double(4 * 12))
  }

  /// Devices that share a profiler count their commands each by itself.
  @Test func severalDevicesAreAddedUp() throws {
    let profiler = Profiler()
    let devices = try (0..<2).map { _ in
      profiler.profiling(try OpenCLBackend(platform: 0, device: 0, profiling: true))
    }
    for (device, copies) in zip(devices, [3, 1]) {
      let (a, b) = (try device.tensor([4]), try device.tensor([4]))
      for _ in 0..<copies { try device.copy(a, to: b) }
    }
    #expect(profiler.profile.rows.first { $0.op == "copy" }?.calls == 4)
    for device in devices { try device.synchronize() }
  }

  @Test func nothingIsWaitedForOrChanged() throws {
    var recipe = Recipe.sparse(layers: [13, 9])
    recipe.batchSize = 8
    let profiler = Profiler()
    let plain = try OpenCLBackend(platform: 0, device: 0)
    let profiled = try OpenCLBackend(platform: 0, device: 0, profiling: true)
    let (one, other) = (try ModelSession(recipe, on: plain), try ModelSession(recipe, on: profiler.profiling(profiled)))
    let data = try Variants.data(count: 13, features: 13)
    for session in [one, other] as [any Session] {
      try session.prepare(training: data, validation: nil, options: TrainingOptions())
      _ = try session.trainEpoch(epochs: 1) { _ in true }
    }
    #expect(plain.counters.waits == profiled.counters.waits && plain.counters.launches == profiled.counters.launches)
    for (a, b) in zip(try one.parameters(), try other.parameters()) { #expect(a.values == b.values, "\(a.name)") }
  }

  @Test func everyDeviceHasCeilings() throws {
    for backend in try backends() {
      guard let device = backend as? any MeasuresPeak else { continue }
      let name = backend.info.identifier
      #expect(try device.measurePeakGFLOPS() > 0, "\(name)")
      #expect(try device.measureBandwidth(bytes: 1 << 16) > 0, "\(name)")
    }
  }

  @Test func ceilingsBoundWhatRuns() throws {
    let ceilings = try Ceilings(of: try CPUBackend())
    #expect(ceilings.gflops > 0 && ceilings.bandwidths.count == 7)
    #expect(ceilings.bandwidths.allSatisfy { $0.bytesPerSecond > 0 })
    let sizes = ceilings.bandwidths.map(\.bytes)
    #expect(sizes == sizes.sorted())
    // Bound by arithmetic, then by memory.
    #expect(ceilings.seconds(operations: 1e12, bytes: 8) == 1e12 / (ceilings.gflops * 1e9))
    #expect(ceilings.seconds(operations: 1, bytes: 1e9) == 1e9 / ceilings.bandwidth(of: 1e9))
    #expect(ceilings.bandwidth(of: 1e12) == ceilings.bandwidths.last?.bytesPerSecond)
  }

  /// Viewers want an object with a list of slices, each with a name, a place and a length in microseconds.
  @Test func aTraceHasEveryKernel() throws {
    var recipe = Recipe.sparse(layers: [13, 9])
    recipe.batchSize = 8
    let backend = try OpenCLBackend(platform: 0, device: 0, profiling: true)
    let profile = try profile(recipe, on: backend)
    let text = profile.trace(of: backend.info)
    let object = try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
    let events = try #require(object["traceEvents"] as? [[String: Any]])
    let slices = events.filter { $0["ph"] as? String == "X" }
    #expect(slices.count == profile.timeline.count)
    // The first op was called long after the device was opened.
    #expect(slices.compactMap { $0["ts"] as? Double }.min() == 0)
    for track in [1, 2] {
      let own = slices.filter { $0["tid"] as? Int == track }
      #expect(own.count > 10)
      let spans = own.map { ($0["ts"] as? Double ?? .nan, $0["dur"] as? Double ?? .nan) }
      // One after the other: neither the host nor an in-order queue does two things at once.
      for (before, after) in zip(spans, spans.dropFirst()) { #expect(after.0 >= before.0 + before.1 - 1) }
    }
    #expect(slices.contains { $0["name"] as? String == "optimizerStep" && $0["tid"] as? Int == 2 })
  }
}
