import ArgumentParser
import Cinch
import Conformance

struct SelfTestCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "selftest", abstract: "Checks every op of every device against the reference.",
    discussion: """
      The worst error is a share of what rounding allows: up to 1 passes. An OpenCL device that is a processor is \
      checked with both families of kernels. Every candidate of 'cinch tune' must give the same bits (tuning; not with \
      --op or --small). Exits with 1 where a case failed.

      With --perf, each op is timed on tensors of a training step's size instead. Run it with nothing else going on.
      """)

  @Option(help: "One device alone, as 'cinch train' names it. (default: every device here; with --perf, the fast ones)")
  var device: Device?

  @Option(help: ArgumentHelp("One op alone; may be repeated. (default: every op)", valueName: "op"))
  var op: [String] = []

  @Flag(help: "Leaves out cases with more than \(Conformance.smallElements) elements per tensor, for slow devices.")
  var small = false

  @Flag(help: "Times ops: the median of a call, and GFLOP/s or GB/s.")
  var perf = false

  @Flag(help: "Prints one JSON object per line and op, or with --perf per line and case.")
  var json = false

  func run() throws {
    if let unknown = op.first(where: { !Conformance.ops.contains($0) }) {
      throw CinchError.usage("There is no op '\(unknown)': choose among \(Conformance.ops.joined(separator: ", ")).")
    }
    if perf { return try time() }
    var failed = 0
    for device in try device.map({ [$0] }) ?? Device.everyVariant() { failed += try check(device.open().backend) }
    guard failed == 0 else {
      if !json { try Output.result("\(failed) case\(failed == 1 ? "" : "s") failed") }
      throw ExitCode(1)
    }
    if !json { try Output.result("all passed") }
  }

  /// Failures of an op that are printed.
  private static let mostFailures = 20

  private var chosen: Set<String>? { op.isEmpty ? nil : Set(op) }

  private func check(_ backend: some Backend) throws -> Int {
    if !json { try Output.result(title(backend.info)) }
    var reports = Conformance.run(backend, ops: chosen, small: small)
    if op.isEmpty && !small, let tuning = try Conformance.checkTuning(of: backend) { reports.append(tuning) }
    for report in reports { try tell(report, of: backend.info) }
    return reports.reduce(0) { $0 + $1.failed }
  }

  private func tell(_ report: OpReport, of device: DeviceInfo) throws {
    if json {
      return try Output.result(
        JSON.record([
          "device": .string(device.identifier), "op": .string(report.op), "cases": .integer(report.cases),
          "failed": .integer(report.failed), "worst_error": .number(report.worstError),
          "failures": report.failures.isEmpty ? nil : .array(report.failures.map { .string($0) }),
        ]).description)
    }
    let op = report.op.padding(toLength: 28, withPad: " ", startingAt: 0)
    let verdict = report.failed == 0 ? "ok" : "\(report.failed) FAILED"
    try Output.result(
      "  \(op) \(report.cases) cases   worst error \(NumberText.short(report.worstError))   \(verdict)")
    for failure in report.failures.prefix(Self.mostFailures) { Output.note("  \(failure)") }
    let more = report.failures.count - Self.mostFailures
    if more > 0 { Output.note("  and \(NumberText.counted(more, "other"))") }
  }

  private func title(_ info: DeviceInfo) -> String { "\(info.identifier)   \(info.name) (\(info.detail))" }
}

// --perf
extension SelfTestCommand {
  private static let table = Table([
    .text("op", width: 20), .text("case", width: 52), .number("µs", width: 9), .number("rate", width: 13),
    .text("of peak", width: 12),
  ])

  private func time() throws {
    guard !small else { throw CinchError.usage("--small cases are over too soon to be timed: leave it out.") }
    let timed = try Conformance.timedOps()
    for op in op where !timed.contains(op) {
      throw CinchError.usage(
        "'\(op)' has no case to time: choose among \(timed.joined(separator: ", ")).")
    }
    // The reference is made to be read, not to be fast.
    let devices = try device.map { [$0] } ?? Device.everyVariant().filter { $0 != .reference }
    for device in devices { try time(device.open().backend) }
  }

  private func time(_ backend: some Backend) throws {
    let peak = try (backend as? any MeasuresPeak)?.measurePeakGFLOPS()
    if !json { try Output.result("\(title(backend.info))\n\(Self.table.header)") }
    try Conformance.time(backend, ops: chosen) { timing in
      let flops = timing.work.operations.map { $0 / timing.seconds / 1e9 }
      let bytes = timing.work.bytes.map { $0 / timing.seconds / 1e9 }
      let fraction = flops.flatMap { flops in peak.map { flops / $0 } }
      if json {
        try Output.result(
          JSON.record([
            "device": .string(backend.info.identifier), "op": .string(timing.op), "case": .string(timing.name),
            "microseconds": .number(timing.seconds * 1e6), "gflops": .optional(flops),
            "gigabytes_per_second": .optional(bytes), "peak_gflops": flops == nil ? nil : .optional(peak),
            "roofline_fraction": .optional(fraction),
          ]).description)
      } else {
        let rate = flops.map { String(format: "%.1f GFLOP/s", $0) } ?? bytes.map { String(format: "%.1f GB/s", $0) }
        try Output.result(
          Self.table.line([
            timing.op, timing.name, String(format: "%.1f", timing.seconds * 1e6), rate ?? "",
            NumberText.share(fraction, of: peak),
          ]))
      }
    }
  }
}
