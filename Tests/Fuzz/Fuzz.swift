import ArgumentParser
import Cinch
import Foundation
import TestSupport

/// Reads damaged files of every format, in processes of their own: none may trap, hang, take much memory, or end in an error
/// that is no sentence.
@main struct Fuzz: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "fuzz", abstract: "Reads damaged files of every format.",
    discussion: "Formats: \(Format.names.joined(separator: ", ")). The same seed and index give the same file.")

  @Option(help: "A format; give it again for others. (default: all)")
  var format: [String] = []

  @Option(help: "Files of each format.")
  var count = 100_000

  @Option(help: "The first file's number.")
  var first = 0

  @Option(help: "What the files are drawn by.")
  var seed: UInt64 = 1

  @Option(help: "Seconds that a file may take.")
  var seconds: UInt32 = 10

  @Option(help: "Megabytes that a file may take.")
  var megabytes = 256

  @Option(help: "Where files go that fail.")
  var keep = ".build/fuzz"

  @Flag(help: ArgumentHelp("Reads files in this process.", visibility: .hidden))
  var isWorker = false

  @Option(help: ArgumentHelp("Where a worker works.", visibility: .hidden))
  var folder: String?

  func run() throws {
    let names = format.isEmpty ? Format.names : format
    if let unknown = names.first(where: { !Format.names.contains($0) }) {
      throw ValidationError("There is no format '\(unknown)': choose from \(Format.names.joined(separator: ", ")).")
    }
    if isWorker, let folder { return try work(names[0], in: folder) }
    var failures = 0
    for name in names { failures += try watch(name) }
    if failures > 0 {
      print("\(failures) files failed: they are in \(keep).")
      throw ExitCode(1)
    }
  }

  // What the worker and who watches it know together: the file that is being read, its number, and why it failed.
  private static func input(_ folder: String, _ format: Format) -> String { "\(folder)/\(format.file)" }
  private static func number(_ folder: String) -> String { "\(folder)/number" }
  private static func reason(_ folder: String) -> String { "\(folder)/reason" }

  /// Reads all files of a format in workers, a new one after each failure.
  /// - Returns: how many files failed.
  private func watch(_ name: String) throws -> Int {
    let start = ContinuousClock.now
    var (next, failures) = (first, 0)
    while next < first + count, failures < 10 {
      let folder = FileManager.default.temporaryDirectory.appendingPathComponent("cinch-fuzz-\(UUID().uuidString)").path
      try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
      defer { try? FileManager.default.removeItem(atPath: folder) }
      let worker = Process()
      worker.executableURL = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
      worker.arguments = [
        "--is-worker", "--format", name, "--seed", "\(seed)", "--first", "\(next)", "--count",
        "\(first + count - next)",
        "--seconds", "\(seconds)", "--megabytes", "\(megabytes)", "--folder", folder,
      ]
      worker.standardError = FileHandle.nullDevice
      try worker.run()
      worker.waitUntilExit()
      if worker.terminationReason == .exit, worker.terminationStatus == 0 { break }
      let text = (try? String(contentsOfFile: Self.number(folder), encoding: .utf8)) ?? ""
      guard let failed = Int(text) else { throw ValidationError("The worker of '\(name)' did not begin.") }
      let why =
        worker.terminationReason == .exit
        ? (try? String(contentsOfFile: Self.reason(folder), encoding: .utf8)) ?? "exit \(worker.terminationStatus)"
        : worker.terminationStatus == SIGALRM ? "took longer than \(seconds) s" : "signal \(worker.terminationStatus)"
      try FileManager.default.createDirectory(atPath: keep, withIntermediateDirectories: true)
      let kept = "\(keep)/\(name)-\(seed)-\(failed)"
      let file = try Format.named(name, in: folder).input(seed: seed, index: failed)
      try Data(file).write(to: URL(fileURLWithPath: kept))
      print("\(name): seed \(seed), file \(failed): \(why); kept as \(kept)")
      failures += 1
      next = failed + 1
    }
    let read = failures < 10 ? count : next - first
    print("\(name): \(read) files, \(failures) failures, \((ContinuousClock.now - start).components.seconds) s")
    return failures
  }

  /// Reads files one after the other; ends at the first that fails.
  private func work(_ name: String, in folder: String) throws {
    let format = try Format.named(name, in: folder)
    var limit = rlimit(rlim_cur: 4 << 30, rlim_max: 4 << 30)
    setrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &limit)
    let path = Self.input(folder, format)
    let number = open(Self.number(folder), O_CREAT | O_RDWR, 0o600)
    let file = open(path, O_CREAT | O_RDWR, 0o600)
    guard number >= 0, file >= 0 else { throw ValidationError("Nothing can be written in '\(folder)'.") }
    for index in first..<first + count {
      let text = "\(index)"
      text.withCString { _ = pwrite(number, $0, text.utf8.count, 0) }
      let bytes = format.input(seed: seed, index: index)
      ftruncate(file, 0)
      _ = bytes.withUnsafeBytes { pwrite(file, $0.baseAddress, $0.count, 0) }
      let before = Self.peak
      alarm(seconds)
      let why = Self.failure { try format.read(path) }
      alarm(0)
      let taken = Self.peak - before
      if let why = why ?? (taken > megabytes << 10 ? "took \(taken >> 10) MB" : nil) {
        try Data(why.utf8).write(to: URL(fileURLWithPath: Self.reason(folder)))
        throw ExitCode(3)
      }
    }
  }

  /// Why an error is not what it should be.
  private static func failure(_ read: () throws -> Void) -> String? {
    do {
      try read()
      return nil
    } catch let error as CinchError {
      // Whoever shows it words settings.
      let text = error.message.worded { "'\($0.rawValue) \($1 ?? "")'" }
      return isSentence(text) ? nil : "no sentence: \(text)"
    } catch { return "\(type(of: error)), no CinchError: \(error)" }
  }

  /// Kilobytes that were resident at most.
  private static var peak: Int {
    var usage = rusage()
    getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
    return usage.ru_maxrss
  }
}
