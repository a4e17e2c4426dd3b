import ArgumentParser
import Cinch
import FoundationEssentials
import Glibc

/// Times whole training steps: drawing the batch, corruption, forward, loss, backward, update.
struct BenchCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bench",
    abstract: "Measures training throughput, beside the device's own peak.",
    discussion: """
      Each repeat is one pass over the samples after a warm-up pass. Workloads: \
      \(Workload.all.map(\.name).joined(separator: ", ")). The peak is the rate of a multiply-add loop in registers, \
      measured in the same run; 'at best' is the share of it in the fastest repeat. Run it with nothing else going on; \
      'cinch selftest --perf' times single ops.
      """)

  @Argument(help: ArgumentHelp("What to measure. (default: all)", valueName: "workload"))
  var workloads: [String] = []

  @OptionGroup(title: "Device") var deviceOptions: RunlessDeviceOptions

  @Option(help: ArgumentHelp("Timed passes of each workload.", valueName: "n"))
  var repeats = 5

  @Option(help: ArgumentHelp("Samples in a pass. (default: 15360)", valueName: "n"))
  var samples: Int?

  @Option(help: ArgumentHelp("Samples in a mini-batch. (default: the workload's, 256 or 128)", valueName: "n"))
  var batchSize: Int?

  @Option(
    help: ArgumentHelp(
      "Measures how fast this file is read, --repeats times, and nothing else. (default: none)", valueName: "file"))
  var read: String?

  @Flag(help: "After each workload, what each op of a training step takes, in a pass that is not among the timed ones.")
  var profile = false

  @Option(
    help: ArgumentHelp(
      "With --profile: writes each workload's timeline here, as WORKLOAD.json, which ui.perfetto.dev opens. (default: none)",
      valueName: "folder"))
  var traces: String?

  @OptionGroup var overwriting: OverwriteOptions

  @Flag(help: "Prints one JSON object per line and workload.")
  var json = false

  func validate() throws {
    let most = 1_000_000
    for (name, value) in [("--repeats", repeats), ("--samples", samples ?? 1), ("--batch-size", batchSize ?? 1)]
    where !(1...most).contains(value) {
      throw ValidationError("\(name) must lie between 1 and \(most), not be \(value).")
    }
  }

  /// What is given of that which reading has nothing to do with, as it was typed.
  private var trainingOptions: [String] {
    let options = [
      ("--device", deviceOptions.device != nil), ("--samples", samples != nil), ("--batch-size", batchSize != nil),
      ("--profile", profile), ("--traces", traces != nil), ("--overwrite", overwriting.overwrite),
    ]
    return workloads.map { "'\($0)'" } + options.filter { $0.1 }.map { $0.0 }
  }

  func run() throws {
    if let read {
      if let option = trainingOptions.first {
        throw CinchError.usage("--read measures reading alone: leave \(option) out.")
      }
      return try ReadingBench(path: read, repeats: repeats).run(json: json)
    }
    guard profile || traces == nil else {
      throw CinchError.usage("--traces writes what --profile finds: give both, or neither.")
    }
    let chosen = workloads.isEmpty ? Workload.all : try workloads.map(Workload.named)
    if let traces {
      var isFolder = false
      guard FileManager.default.fileExists(atPath: traces, isDirectory: &isFolder), isFolder else {
        throw CinchError.inputOutput("There is no folder '\(traces)' for --traces: make it first, or name another.")
      }
      try overwriting.requireFree(chosen.map { Self.path(of: $0, in: traces) })
    }
    let data = try benchData()
    let device = deviceOptions.device ?? .automatic
    let backend = try device.open().backend
    let report = BenchReport(json: json)
    try report.start(backend.info, data)
    let ceilings = profile ? try (backend as? any MeasuresPeak).map { try Ceilings(of: $0) } : nil
    for workload in chosen {
      try report.add(try measure(workload, data, on: backend))
      guard profile else { continue }
      let profile = try profile(workload, data, on: device)
      try report.add(ProfileReport(profile: profile, ceilings: ceilings), of: workload.name)
      if let traces {
        try AtomicFile.write(profile.trace(of: backend.info), to: Self.path(of: workload, in: traces))
      }
    }
  }

  /// Where a workload's timeline goes.
  private static func path(of workload: Workload, in traces: String) -> String { "\(traces)/\(workload.name).json" }

  /// Fashion-MNIST, or uniform noise of the same shape where it is not installed or has fewer samples.
  private func benchData() throws -> Dataset {
    let samples = samples ?? 15_360
    if let images = try? Dataset.fashionMNIST(), images.count >= samples { return try images.prefix(samples) }
    try HostMemory.require(
      samples * 784 * MemoryLayout<Float>.size, for: "a pass of \(NumberText.counted(samples, "sample"))")
    let philox = Philox(seed: 1, stream: .test)
    let values = (0..<samples * 784).map { Philox.uniform(philox.word(element: $0, step: 0)) }
    return try Dataset(values: values, count: samples, features: 784, name: "uniform noise")
  }

  private func recipe(_ workload: Workload, _ data: Dataset, epochs: Int) -> Recipe {
    var recipe = workload.recipe
    recipe.batchSize = min(batchSize ?? workload.batch, data.count)
    recipe.epochs = epochs
    return recipe
  }

  /// The ops of one pass after a warm-up pass, on a backend that is asked for the time of each.
  private func profile(_ workload: Workload, _ data: Dataset, on device: Device) throws -> Profile {
    let profiler = Profiler()
    let session = try openSession(
      recipe(workload, data, epochs: 2), on: try device.open(profiler: profiler).backend)
    try session.prepare(training: data, validation: nil, options: TrainingOptions())
    _ = try session.trainEpoch(epochs: 2) { _ in true }
    profiler.reset()
    _ = try session.trainEpoch(epochs: 2) { _ in true }
    return profiler.profile
  }

  private func peak(of backend: some Backend) throws -> Double? {
    try (backend as? any MeasuresPeak)?.measurePeakGFLOPS()
  }

  /// The processor time that this thread has taken, in seconds.
  private func processorSeconds() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return Double(time.tv_sec) + 1e-9 * Double(time.tv_nsec)
  }

  private func measure<B: Backend>(_ workload: Workload, _ data: Dataset, on backend: B) throws -> BenchRow {
    // Before and after: another program may take a core for a while.
    let before = try peak(of: backend)
    let recipe = recipe(workload, data, epochs: repeats + 1)
    let session = try openSession(recipe, on: backend)
    try session.prepare(training: data, validation: nil, options: TrainingOptions())
    var rates: [Double] = []
    _ = try session.trainEpoch(epochs: repeats + 1) { _ in true }
    let start = ContinuousClock.now
    let startOfThread = processorSeconds()
    while case .finished(let epoch) = try session.trainEpoch(epochs: repeats + 1, { _ in true }) {
      rates.append(epoch.samplesPerSecond)
    }
    let host = (processorSeconds() - startOfThread) / ((ContinuousClock.now - start) / .seconds(1))
    let peaks = [before, try peak(of: backend)].compactMap(\.self)
    return BenchRow(
      workload: workload.name, device: backend.info.identifier, deviceName: backend.info.name,
      batch: recipe.batchSize, rates: rates.sorted(), flopsPerSample: try recipe.resolved().stepFlops,
      peak: peaks.max(), hostFraction: host)
  }
}
