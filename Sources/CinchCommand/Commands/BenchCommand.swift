import ArgumentParser
import Cinch
import CinchBackend
import FoundationEssentials
import Glibc

/// Times whole training steps: drawing the batch, corruption, forward, loss, backward, update.
struct BenchCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bench",
    abstract: "Measure training throughput, beside the device's own peak.",
    discussion: """
      Each repeat is one pass over the samples after a warm-up pass; the figures are samples a second. Workloads: \
      \(Workload.all.map(\.name).joined(separator: ", ")). --ops looks into the convolutions of those that have \
      some. Run it with nothing else going on.
      """)

  @Argument(help: "What to measure (default: all).")
  var workloads: [String] = []

  @Option(help: "auto, reference, cpu, opencl, opencl:P or opencl:P:D.")
  var device = "auto"

  @Option(help: "Timed passes of each workload.")
  var repeats = 5

  @Option(help: "Samples in a pass.")
  var samples = 15_360

  @Option(help: "Samples in a mini-batch. (default: the workload's, 256 or 128)")
  var batchSize: Int?

  @Flag(help: "Measures each convolution of the workloads by itself: forward, input gradient, weight gradient.")
  var ops = false

  @Flag(help: "Print one JSON object a line.")
  var json = false

  func validate() throws {
    let most = 1_000_000
    for (name, value) in [("--repeats", repeats), ("--samples", samples), ("--batch-size", batchSize ?? 1)]
    where !(1...most).contains(value) {
      throw ValidationError("\(name) must lie between 1 and \(most), not be \(value).")
    }
  }

  func run() throws {
    let chosen = workloads.isEmpty ? Workload.all : try workloads.map(Workload.named)
    if ops { return try measureOps(of: chosen) }
    let data = try benchData()
    var table = BenchTable(json: json)
    for workload in chosen {
      let opened = try Device(device).open()
      table.add(try measure(workload, data, on: opened.backend))
    }
    table.finish()
  }

  private func measureOps(of chosen: [Workload]) throws {
    let convolutional = try chosen.filter { try !$0.recipe.resolved().convolutions.isEmpty }
    guard !convolutional.isEmpty else {
      throw CinchError.usage(
        "--ops measures convolutions, and \(workloads.joined(separator: ", ")) has none: use conv.")
    }
    let opened = try Device(device).open()
    let peak = try peak(of: opened.backend)
    var table = OpsTable(device: opened.backend.info, json: json)
    for workload in convolutional {
      let bench = OpsBench(workload: workload.name, batch: batchSize ?? workload.batch, repeats: repeats, peak: peak)
      for convolution in try workload.recipe.resolved().convolutions {
        for row in try bench.measure(convolution, on: opened.backend) { try table.add(row) }
      }
    }
    try table.finish()
  }

  /// Fashion-MNIST, or uniform noise of the same shape where it is not installed.
  private func benchData() throws -> Dataset {
    if let images = try? Dataset.fashionMNIST(), images.count >= samples { return try images.prefix(samples) }
    let philox = Philox(seed: 1, stream: .test)
    let values = (0..<samples * 784).map { Philox.uniform(philox.word(element: $0, step: 0)) }
    return try Dataset(values: values, count: samples, features: 784, name: "uniform noise")
  }

  private func peak(of backend: some Backend) throws -> Double? {
    try (backend as? any MeasuresCeilings)?.measurePeakGFLOPS()
  }

  private func measure<B: Backend>(_ workload: Workload, _ data: Dataset, on backend: B) throws -> BenchRow {
    // Before and after: a neighbour of the machine may take a core for a while.
    let before = try peak(of: backend)
    var recipe = workload.recipe
    recipe.batchSize = min(batchSize ?? workload.batch, data.count)
    recipe.epochs = repeats + 1
    let session = try openSession(recipe, on: backend)
    try session.prepare(training: data, validation: nil, options: TrainingOptions())
    var rates: [Double] = []
    while case .finished(let epoch) = try session.trainEpoch(epochs: repeats + 1, { _ in true }) {
      if epoch.number > 1 { rates.append(epoch.samplesPerSecond) }
    }
    let peaks = [before, try peak(of: backend)].compactMap(\.self)
    return BenchRow(
      workload: workload.name, device: backend.info.identifier, deviceName: backend.info.name,
      batch: recipe.batchSize, rates: rates.sorted(), flopsPerSample: try recipe.resolved().stepFlops, peak: peaks.max()
    )
  }
}

/// One workload's figures.
struct BenchRow: Encodable {
  var workload: String
  var device: String
  var deviceName: String
  var batch: Int
  var median: Double
  var min: Double
  var max: Double
  var gflops: Double
  var peakGflops: Double?
  var rooflineFraction: Double?

  init(
    workload: String, device: String, deviceName: String, batch: Int, rates: [Double], flopsPerSample: Double,
    peak: Double?
  ) {
    self.workload = workload
    self.device = device
    self.deviceName = deviceName
    self.batch = batch
    median = rates.count % 2 == 1 ? rates[rates.count / 2] : (rates[rates.count / 2 - 1] + rates[rates.count / 2]) / 2
    min = rates[0]
    max = rates[rates.count - 1]
    gflops = median * flopsPerSample / 1e9
    peakGflops = peak
    rooflineFraction = peak.map { median * flopsPerSample / 1e9 / $0 }
  }
}

/// Prints rows as they come, as a table or as JSON lines.
struct BenchTable {
  let json: Bool
  private var isFirst = true

  init(json: Bool) { self.json = json }

  mutating func add(_ row: BenchRow) {
    if json {
      if let line = try? JSONValue.line(row) { print(line) }
    } else {
      if isFirst {
        print("\(row.device)  \(row.deviceName)\n")
        print("workload      batch   samples/s (median, min … max)          GFLOP/s   of peak")
      }
      let range = "\(grouped(row.min)) … \(grouped(row.max))"
      let share = row.rooflineFraction.map { "\(Int(($0 * 100).rounded())) % of \(Int(row.peakGflops ?? 0))" } ?? "–"
      print(
        row.workload.padding(toLength: 12, withPad: " ", startingAt: 0)
          + String(format: "%7d", row.batch) + "   " + leftPadded(grouped(row.median), 10) + "  ("
          + range + ")" + String(repeating: " ", count: max(1, 24 - range.count))
          + String(format: "%8.1f", row.gflops) + "   " + share)
    }
    isFirst = false
    fflush(nil)
  }

  func finish() {
    guard !json else { return }
    print("\nPeak is the rate of a multiply-add loop in registers, measured in this run.")
  }

  private func grouped(_ value: Double) -> String {
    let digits = String(Int(value.rounded()))
    var result = ""
    for (index, digit) in digits.enumerated() {
      if index > 0 && (digits.count - index) % 3 == 0 { result += " " }
      result.append(digit)
    }
    return result
  }

  private func leftPadded(_ text: String, _ width: Int) -> String {
    String(repeating: " ", count: max(0, width - text.count)) + text
  }
}
