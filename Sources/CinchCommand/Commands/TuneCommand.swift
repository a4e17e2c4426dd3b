import ArgumentParser
import Cinch
import CinchBackend
import Conformance
import FoundationEssentials
import Glibc
import OpenCLBackend

struct TuneCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "tune", abstract: "Finds the quickest kernel parameters for an OpenCL device, and keeps them.",
    discussion: """
      No choice changes a bit of any result. Each candidate is checked against the reference, runs in a process of its \
      own, and is chosen where it beats what is shipped by 3 % in two measurements. One that hangs or crashes is left \
      out from then on.

      What is chosen lies in ~/.cache/cinch, for this device, driver and version of the kernels, and later commands take \
      it; CINCH_TUNING=off has them do without. Run it with nothing else going on.
      """)

  @Option(help: "An OpenCL device, as 'cinch train' names it.")
  var device = OpenCLDevice(.opencl())

  @Option(help: ArgumentHelp("One class of shapes alone; may be repeated. (default: every class)", valueName: "class"))
  var shapes: [String] = []

  @Option(
    parsing: .unconditional, help: ArgumentHelp("Seconds after which no candidate is begun.", valueName: "s"))
  var limit = 120

  @Flag(help: "Prints one JSON object per line and choice.")
  var json = false

  /// Answers requests for measurements: the child process of this command.
  @Flag(help: .hidden)
  var worker = false

  func validate() throws {
    guard (1...86_400).contains(limit) else {
      throw ValidationError("--limit must lie between 1 and 86400 seconds, not be \(limit).")
    }
  }

  func run() throws {
    let classes = ShapeClass.allCases.map(\.rawValue)
    if let unknown = shapes.first(where: { !classes.contains($0) }) {
      throw CinchError.usage(
        "There is no class of shapes '\(unknown)': choose among \(classes.joined(separator: ", ")).")
    }
    if worker { return try serve(open()) }
    guard let folder = TuningFile.folder() else {
      throw CinchError.unavailable("There is no folder to keep results in: set HOME or XDG_CACHE_HOME.")
    }
    try makeFolder(folder)
    let backend = try open()
    // Two at once would measure each other.
    let lock = try FolderLock(folder)
    RunFolder(folder).removeLeftovers()
    try withExtendedLifetime(lock) { try tune(backend, folder) }
  }

  private func open() throws -> OpenCLBackend {
    guard let backend = try device.value.openPlain(profiling: false).backend as? OpenCLBackend else {
      throw CinchError.usage("The device \(device.value) has nothing to tune: name an OpenCL device, such as opencl.")
    }
    return backend
  }

  /// A candidate's time, after which the parent ends this process. Without a parent the system does.
  private static let limit = 60

  private func serve(_ backend: OpenCLBackend) throws {
    var bench = TuningBench(backend)
    try bench.serve(family: backend.family, begin: { alarm(UInt32(Self.limit + 15)) }) {
      try Output.result($0)
      // Until the next request the time is the parent's.
      alarm(0)
    }
  }

  private func makeFolder(_ folder: String) throws {
    do { try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true) } catch {
      throw CinchError.inputOutput(
        "Cannot make the folder '\(folder)': name another by XDG_CACHE_HOME, or change its permissions.")
    }
  }

  private static let table = Table([
    .text("choice", width: 24), .number("candidates", width: 10), .text("chosen", width: 22),
    .text("of the shipped time", width: 20),
  ])

  private func tune(_ backend: OpenCLBackend, _ folder: String) throws {
    let identity = TuningIdentity(backend), family = backend.family, subgroups = backend.device.subgroups
    let path = TuningFile.journalPath(identity, in: folder)
    let journal = TuningJournal(path, for: identity)
    var (isLeftOut, isCut, measured) = (false, false, 0)
    let own = Set(Tunable.all(of: family).map(\.shapes.rawValue))
    if let other = shapes.first(where: { !own.contains($0) }) {
      throw CinchError.usage(
        "\(family.rawValue) kernels have nothing to choose for '\(other)': choose among \(own.sorted().joined(separator: ", "))."
      )
    }
    var tuning = TuningFile.load(identity, from: folder) ?? Tuning()
    if let notice = journal.notice { Output.note(notice) }
    Interruption.install()
    var tuner = Tuner(
      program: "/proc/self/exe", arguments: ["tune", "--worker", "--device", backend.info.identifier],
      journal: journal, limit: .seconds(Self.limit), total: .seconds(limit), isInterrupted: { Interruption.isRequested }
    )
    if !json {
      var facts = Facts()
      facts.add("device", "\(backend.info.identifier)  \(backend.info.name) (\(backend.info.detail))")
      try Output.result("\(facts.text)\n\n\(Self.table.header)")
    }
    let progress = TuningProgress(.standardError)
    let chosen = Tunable.all(of: family).filter { shapes.isEmpty || shapes.contains($0.shapes.rawValue) }
    var done = 0
    do {
      for (index, tunable) in chosen.enumerated() {
        let outcome = try tuner.tune(tunable, of: family, subgroups, left: chosen.count - index) { candidate, number in
          progress.draw(
            "\(tunable.name)  \(number)/\(tunable.candidates(of: family, subgroups).count)  \(candidate.name)")
        }
        progress.clear()
        let kept = outcome.kept(tuning[tunable])
        // Without a measurement there may be another driver's file, which is not replaced by nothing.
        if outcome.measured > 0 || kept != tuning[tunable] {
          tuning[tunable] = kept
          try TuningFile.save(tuning, for: identity, in: folder)
        }
        try tell(outcome, of: backend.info)
        isLeftOut = isLeftOut || outcome.failures.contains(where: \.isLeftOut)
        isCut = isCut || outcome.isCut
        measured += outcome.measured
        done += 1
      }
    } catch CinchError.interrupted {
      progress.clear()
      var left: [String] = []
      for shapes in chosen.dropFirst(done).map(\.shapes.rawValue) where !left.contains(shapes) { left.append(shapes) }
      Output.note(
        "cinch: Interrupted: what was chosen so far is kept; choose the rest with "
          + left.map { "--shapes \($0)" }.joined(separator: " ") + ".")
      throw ExitCode(CinchError.interrupted.exitCode)
    }
    if isLeftOut { Output.note("remove '\(path)' to have what was left out tried again") }
    guard measured > 0 else {
      throw CinchError.unavailable(
        "Nothing could be measured on \(backend.info.identifier), and what was chosen before stays: "
          + (isCut ? "give it more time by --limit." : "do away with what kept it from that, and tune again."))
    }
    if !json { try Output.result("\nkept in \(TuningFile.path(identity, in: folder))") }
  }

  private func tell(_ outcome: Tuner.Outcome, of device: DeviceInfo) throws {
    if json {
      return try Output.result(
        JSON.record([
          "device": .string(device.identifier), "choice": .string(outcome.tunable.name),
          "candidates": .integer(outcome.candidates),
          "measured": .integer(outcome.measured), "chosen": outcome.chosen.map { .string($0.name) },
          "time_ratio": .optional(outcome.ratio), "out_of_time": .boolean(outcome.isCut),
          "failures": .array(
            outcome.failures.map { .object([("candidate", .string($0.candidate)), ("reason", .string($0.reason))]) }),
        ]).description)
    }
    try Output.result(
      Self.table.line([
        outcome.tunable.name, "\(outcome.measured)/\(outcome.candidates)", outcome.chosen?.name ?? "as shipped",
        outcome.ratio.map { String(format: "%.0f %%", 100 * $0) } ?? "–",
      ]))
    for failure in outcome.failures { Output.note("  left out \(failure.candidate): \(failure.reason)") }
    if outcome.isCut { Output.note("  no time was left for all candidates: give more by --limit") }
  }
}

/// Which candidate runs: a line that is drawn again and again on a terminal.
private struct TuningProgress {
  private let terminal: Terminal

  init(_ terminal: Terminal) { self.terminal = terminal }

  func draw(_ text: String) {
    if terminal.isInteractive { Output.note("\r\u{1B}[K" + text.prefix(terminal.columns - 1), terminator: "") }
  }

  func clear() { if terminal.isInteractive { Output.note("\r\u{1B}[K", terminator: "") } }
}
