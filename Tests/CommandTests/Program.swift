import Foundation
import Synchronization
import TestSupport
import Testing

/// What a run of the program came to.
struct Outcome {
  let status: Int32
  let output: String
  let errors: String

  var lines: [String] { output.split(separator: "\n").map(String.init) }

  /// Standard output as JSON objects, one a line.
  func objects() throws -> [[String: Any]] {
    try lines.map { try #require(try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any]) }
  }

  func object() throws -> [String: Any] {
    try #require(try JSONSerialization.jsonObject(with: Data(output.utf8)) as? [String: Any])
  }

  /// Whether the program refused with this status and one sentence on one line, and neither trapped nor printed results.
  func refused(_ expected: Int32) -> Bool {
    status == expected && output.isEmpty && errors.hasPrefix("cinch: ") && !errors.contains("Fatal error")
      && !errors.contains("Stack dump") && errors.count > 20 && errors.hasSuffix("\n")
      && errors.count(where: \.isNewline) == 1 && isSentence(String(errors.dropFirst("cinch: ".count).dropLast()))
  }
}

/// The built program in a temporary folder of its own.
final class Sandbox: Sendable {
  let folder: URL

  init() throws {
    folder = FileManager.default.temporaryDirectory.appendingPathComponent("cinch-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(at: folder) }

  /// `cinch` beside the test bundle.
  static let program: URL = {
    let places =
      [URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath(), Bundle.main.bundleURL]
      + CommandLine.arguments.filter { $0.contains(".xctest") || $0.hasPrefix("/") }.map { URL(fileURLWithPath: $0) }
    for place in places {
      var folder = place
      for _ in 0..<4 {
        folder.deleteLastPathComponent()
        let candidate = folder.appendingPathComponent("cinch")
        var isFolder: ObjCBool = false
        if FileManager.default.fileExists(atPath: candidate.path, isDirectory: &isFolder), !isFolder.boolValue {
          return candidate
        }
      }
    }
    return URL(fileURLWithPath: "cinch")
  }()

  /// Changes a safetensors file's JSON header, its length included.
  func editHeader(_ name: String, _ edit: (String) -> String) throws {
    let file = try bytes(name)
    let length = file.prefix(8).enumerated().reduce(0) { $0 | Int($1.element) << (8 * $1.offset) }
    let header = Data(edit(String(decoding: file.dropFirst(8).prefix(length), as: UTF8.self)).utf8)
    let size = Data((0..<8).map { UInt8(truncatingIfNeeded: header.count >> (8 * $0)) })
    try (size + header + file.dropFirst(8 + length)).write(to: folder.appendingPathComponent(name))
  }

  func path(_ name: String) -> String { folder.appendingPathComponent(name).path }
  func bytes(_ name: String) throws -> Data { try Data(contentsOf: folder.appendingPathComponent(name)) }
  func exists(_ name: String) -> Bool { FileManager.default.fileExists(atPath: path(name)) }
  func write(_ text: String, to name: String) throws {
    try Data(text.utf8).write(to: folder.appendingPathComponent(name))
  }

  /// Rows of values in [0, 1] that an autoencoder can compress: few sources behind many columns.
  func writeData(_ name: String = "data.csv", rows: Int = 120, columns: Int = 16, scale: Double = 1) throws {
    var state: UInt64 = 42
    func random() -> Double {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Double(state >> 40) / Double(1 << 24)
    }
    let text = (0..<rows).map { _ in
      let (a, b) = (random(), random())
      return (0..<columns).map { column in
        String(scale * (column % 2 == 0 ? 0.7 * a + 0.3 * b : 0.8 * b + 0.2 * random()))
      }.joined(separator: ",")
    }
    try write(text.joined(separator: "\n") + "\n", to: name)
  }

  /// Starts the program when it is its turn; what it prints goes to files, so that no pipe can fill up.
  ///
  /// - Parameter kibibytes: of address space that it may have; nil for no limit.
  func start(
    _ arguments: [String], input: FileHandle? = nil, output: FileHandle? = nil,
    environment additions: [String: String] = [:], kibibytes: Int? = nil
  ) async throws -> Running {
    await Turns.take()
    do {
      return try begin(arguments, input: input, output: output, environment: additions, kibibytes: kibibytes)
    } catch {
      Turns.give()
      throw error
    }
  }

  private func begin(
    _ arguments: [String], input: FileHandle?, output: FileHandle?, environment additions: [String: String],
    kibibytes: Int?
  ) throws -> Running {
    let process = Process()
    process.executableURL = kibibytes == nil ? Self.program : URL(filePath: "/bin/sh")
    process.arguments =
      kibibytes.map { ["-c", "ulimit -v \($0); exec \"$0\" \"$@\"", Self.program.path] + arguments } ?? arguments
    process.currentDirectoryURL = folder
    var environment = ProcessInfo.processInfo.environment
    environment["NO_COLOR"] = "1"
    // What somebody has tuned on this machine is none of a test's business.
    environment["CINCH_TUNING"] = "off"
    environment.merge(additions) { $1 }
    process.environment = environment
    let name = UUID().uuidString
    let (out, errors) = (path(name + ".out"), path(name + ".err"))
    for file in [out, errors] { try Data().write(to: URL(fileURLWithPath: file)) }
    let written = try [out, errors].map { try FileHandle(forWritingTo: URL(fileURLWithPath: $0)) }
    // The program has its own of them; what ended processes hold stays open.
    defer { for file in written { try? file.close() } }
    process.standardOutput = output ?? written[0]
    process.standardError = written[1]
    process.standardInput = input ?? FileHandle.nullDevice
    let (stream, continuation) = AsyncStream.makeStream(of: Void.self)
    process.terminationHandler = { _ in
      continuation.finish()
      Turns.give()
    }
    try process.run()
    return Running(process: process, ended: stream, output: out, errors: errors)
  }

  @discardableResult
  func run(_ arguments: String..., output: FileHandle? = nil) async throws -> Outcome {
    try await start(arguments, output: output).wait()
  }

  /// Runs a line of words; none of them may hold a space.
  @discardableResult
  func run(
    line: String, input: FileHandle? = nil, environment: [String: String] = [:]
  ) async throws -> Outcome {
    try await start(line.split(separator: " ").map(String.init), input: input, environment: environment).wait()
  }
}

/// How many programs run at a time. Each holds open files of this process; where these are more than a thousand,
/// Foundation's `Process` reads beyond its list of them (Swift 6.3, `findMaximumOpenFromProcSelfFD`).
///
/// A test may start programs beside one that waits for them, so there are more turns than such tests have programs.
private enum Turns {
  private static let state = Mutex((free: 8, waiting: [CheckedContinuation<Void, Never>]()))

  static func take() async {
    await withCheckedContinuation { turn in
      let begins = state.withLock { state in
        if state.free == 0 {
          state.waiting.append(turn)
          return false
        }
        state.free -= 1
        return true
      }
      if begins { turn.resume() }
    }
  }

  static func give() {
    let next = state.withLock { state -> CheckedContinuation<Void, Never>? in
      if !state.waiting.isEmpty { return state.waiting.removeFirst() }
      state.free += 1
      return nil
    }
    next?.resume()
  }
}

/// A program that has been started.
struct Running {
  let process: Process
  let ended: AsyncStream<Void>
  let output: String
  let errors: String

  // Tests that compute keep every thread of the pool for half a minute at a time, so what waits here may wake long
  // after its time: it looks at the program before it judges.

  /// - Parameter limit: seconds after which the program is killed, and the test with it.
  func wait(limit: Double = 300) async throws -> Outcome {
    let pid = process.processIdentifier
    let watchdog = Task { [process] in
      try await Task.sleep(for: .seconds(limit))
      guard process.isRunning else { return }
      Issue.record("the program ran for more than \(limit) s")
      kill(pid, SIGKILL)
    }
    for await _ in ended {}
    watchdog.cancel()
    func text(_ path: String) throws -> String {
      String(decoding: try Data(contentsOf: URL(fileURLWithPath: path)), as: UTF8.self)
    }
    let killed = process.terminationReason == .uncaughtSignal
    return Outcome(
      status: killed ? 128 + process.terminationStatus : process.terminationStatus, output: try text(output),
      errors: try text(errors))
  }

  /// Waits until `count` lines have been printed, and then sends `signal` at once.
  ///
  /// The wait has a thread of its own, for the pool's may all be busy with tests that compute. Without a signal the
  /// program is halted until this test wakes, so that neither its work ends meanwhile nor others' is held up.
  func waitForLines(_ count: Int, thenSend signal: Int32? = nil) async throws {
    let (process, output) = (process, output)
    let printed = await withCheckedContinuation { continuation in
      Thread.detachNewThread {
        let deadline = ContinuousClock.now + .seconds(300)
        while true {
          let goesOn = process.isRunning && ContinuousClock.now < deadline
          let lines = (try? Data(contentsOf: URL(fileURLWithPath: output)))?.count { $0 == 10 } ?? 0
          if lines >= count { kill(process.processIdentifier, signal ?? SIGSTOP) }
          guard lines < count && goesOn else { return continuation.resume(returning: lines) }
          usleep(5000)
        }
      }
    }
    if signal == nil { kill(process.processIdentifier, SIGCONT) }
    if printed < count {
      Issue.record("the program ended, or printed \(printed) of \(count) lines in 300 s: \(try errorText())")
    }
  }

  private func errorText() throws -> String {
    String(decoding: try Data(contentsOf: URL(fileURLWithPath: errors)), as: UTF8.self)
  }
}
