import ArgumentParser
import Cinch
import Conformance

struct SelfTestCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "selftest", abstract: "Checks every op of every device against the reference.",
    discussion: """
      The worst error is a share of what rounding allows: up to 1 passes. On OpenCL devices both families of kernels \
      are checked. Exits with 1 where a case failed.
      """)

  @Option(help: "One device alone, as 'cinch train' names it. (default: every device here)")
  var device: String?

  @Option(help: ArgumentHelp("One op alone; may be repeated. (default: every op)", valueName: "op"))
  var op: [String] = []

  @Flag(help: "Leaves out cases with more than \(Conformance.smallElements) elements a tensor, for slow devices.")
  var small = false

  @Flag(help: "Prints one JSON object a line for every op.")
  var json = false

  func run() throws {
    if let unknown = op.first(where: { !Conformance.ops.contains($0) }) {
      throw CinchError.usage("There is no op '\(unknown)'. Choose among \(Conformance.ops.joined(separator: ", ")).")
    }
    let devices = try device.map { [try Device($0)] } ?? Device.everyVariant()
    var failed = 0
    for device in devices {
      let backend = try device.open().backend
      failed += try check(backend, named: device == .automatic ? backend.info.identifier : device.description)
    }
    guard failed == 0 else {
      if !json { try Output.result("\(failed) case\(failed == 1 ? "" : "s") failed") }
      throw ExitCode(1)
    }
    if !json { try Output.result("all passed") }
  }

  private func check(_ backend: some Backend, named name: String) throws -> Int {
    if !json { try Output.result("\(name)   \(backend.info.name) (\(backend.info.detail))") }
    var failed = 0
    for report in Conformance.run(backend, ops: op.isEmpty ? nil : Set(op), small: small) {
      failed += report.failed
      if json {
        try Output.result(
          JSONValue.object([
            "device": .string(name), "op": .string(report.op), "cases": .integer(report.cases),
            "failed": .integer(report.failed), "worst_error": .number(report.worstError),
            "failures": report.failures.isEmpty ? .null : .array(report.failures.map { .string($0) }),
          ]).description)
      } else {
        let op = report.op.padding(toLength: 28, withPad: " ", startingAt: 0)
        let verdict = report.failed == 0 ? "ok" : "\(report.failed) FAILED"
        try Output.result(
          "  \(op) \(report.cases) cases   worst error \(Numbers.short(report.worstError))   \(verdict)")
        for failure in report.failures { Output.note("  \(failure)") }
      }
    }
    return failed
  }
}
