import Cinch

/// One workload's figures.
struct BenchRow: Encodable {
  var workload: String
  var device: String
  var deviceName: String
  var batch: Int
  /// Samples/s.
  var median: Double
  var min: Double
  var max: Double
  var gflops: Double
  var peakGflops: Double?
  /// Of the median repeat, and of the fastest: the peak is the best of its own repeats, too, and where others use the
  /// machine only like can be compared with like.
  var rooflineFraction: Double?
  var bestRooflineFraction: Double?
  /// The processor time of the thread that trains over the time that passed: what it takes to queue the kernels, on a
  /// device that has threads or hardware of its own.
  var hostFraction: Double

  /// - Parameter rates: samples/s of every repeat, sorted.
  init(
    workload: String, device: String, deviceName: String, batch: Int, rates: [Double], flopsPerSample: Double,
    peak: Double?, hostFraction: Double
  ) {
    self.workload = workload
    self.device = device
    self.deviceName = deviceName
    self.batch = batch
    self.hostFraction = hostFraction
    median = rates.count % 2 == 1 ? rates[rates.count / 2] : (rates[rates.count / 2 - 1] + rates[rates.count / 2]) / 2
    min = rates[0]
    max = rates[rates.count - 1]
    gflops = median * flopsPerSample / 1e9
    peakGflops = peak
    rooflineFraction = peak.map { gflops / $0 }
    bestRooflineFraction = peak.map { max * flopsPerSample / 1e9 / $0 }
  }
}

/// Prints workloads as they are measured, as a table or as JSON lines.
struct BenchReport {
  let json: Bool

  private static let table = Table([
    .text("workload", width: 11), .number("batch", width: 5), .number("samples/s", width: 10),
    .text("min – max", width: 23), .number("GFLOP/s", width: 8), .text("of peak", width: 10),
    .text("at best", width: 7),
  ])

  func start(_ device: DeviceInfo, _ data: Dataset) throws {
    guard !json else { return }
    var facts = Facts()
    facts.add("device", "\(device.identifier)  \(device.name) (\(device.detail))")
    facts.add("data", "\(data.name) \(NumberText.grouped(data.count)) × \(data.features)")
    try Output.result("\(facts.text)\n\n\(Self.table.header)")
  }

  func add(_ profile: ProfileReport, of workload: String) throws {
    if json { return try Output.result(profile.record("profile", workload).description) }
    try Output.result(([""] + profile.lines + [""]).joined(separator: "\n"))
  }

  func add(_ row: BenchRow) throws {
    if json { return try Output.result(JSONCoding.line(row)) }
    func grouped(_ value: Double) -> String { NumberText.grouped(Int(value.rounded())) }
    try Output.result(
      Self.table.line([
        row.workload, "\(row.batch)", grouped(row.median), "\(grouped(row.min)) – \(grouped(row.max))",
        String(format: "%.1f", row.gflops), NumberText.share(row.rooflineFraction, of: row.peakGflops),
        row.bestRooflineFraction.map { String(format: "%.0f %%", 100 * $0) } ?? "–",
      ]))
  }
}
