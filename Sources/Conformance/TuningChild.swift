import Glibc

/// A process that answers lines by lines, on a socket that is its standard input and output. It can be ended whatever it
/// hangs in.
final class TuningChild {
  enum Answer: Equatable {
    case line(String)
    /// It ended without an answer: how, as a part of a sentence.
    case ended(String)
    /// It did not answer in time.
    case late
    case interrupted
  }

  private let pid: pid_t
  private let socket: Int32
  private var received: [UInt8] = []
  private var isOver = false

  /// - Returns: nil where the system starts no process.
  init?(_ program: String, _ arguments: [String]) {
    var ends: [Int32] = [-1, -1]
    let type = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
    guard socketpair(AF_UNIX, type, 0, &ends) == 0 else { return nil }
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    for descriptor in [STDIN_FILENO, STDOUT_FILENO] {
      posix_spawn_file_actions_adddup2(&actions, ends[1], descriptor)
    }
    // What a driver says while it crashes is no use to anybody.
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0)
    let words: [UnsafeMutablePointer<CChar>?] = ([program] + arguments).map { strdup($0) }
    defer { words.forEach { free($0) } }
    var pid: pid_t = 0
    let status = posix_spawn(&pid, program, &actions, nil, words + [nil], environ)
    close(ends[1])
    guard status == 0 else {
      close(ends[0])
      return nil
    }
    self.pid = pid
    socket = ends[0]
  }

  deinit { end() }

  /// Sends a line. Where the process has gone, `answer` tells.
  func send(_ text: String) {
    var rest = Array((text + "\n").utf8)[...]
    while !rest.isEmpty {
      let sent = rest.withUnsafeBytes { Glibc.send(socket, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
      if sent > 0 { rest = rest.dropFirst(sent) } else if errno != EINTR { return }
    }
  }

  /// The next line. A process that is late, or whose answer nobody waits for any more, is ended.
  func answer(within limit: Duration, isInterrupted: () -> Bool) -> Answer {
    // Of this clock a machine that sleeps takes no time.
    let deadline = SuspendingClock.now + limit
    while true {
      if isInterrupted() {
        end()
        return .interrupted
      }
      if let newline = received.firstIndex(of: UInt8(ascii: "\n")) {
        let line = String(decoding: received[..<newline], as: UTF8.self)
        received.removeSubrange(...newline)
        return .line(line)
      }
      if SuspendingClock.now >= deadline {
        end()
        return .late
      }
      var waiting = pollfd(fd: socket, events: Int16(POLLIN), revents: 0)
      guard poll(&waiting, 1, 100) > 0 else { continue }
      var bytes = [UInt8](repeating: 0, count: 4096)
      let count = recv(socket, &bytes, bytes.count, 0)
      if count > 0 { received += bytes.prefix(count) } else if count == 0 || errno != EINTR { return .ended(end()) }
    }
  }

  /// Kills it where it still runs.
  @discardableResult
  func end() -> String {
    guard !isOver else { return "it has ended" }
    isOver = true
    // One that has ended by itself is not harmed: it waits to be asked how.
    var status: Int32 = 0
    var ended = waitpid(pid, &status, WNOHANG)
    for _ in 0..<20 where ended == 0 && received.isEmpty {
      usleep(5000)
      ended = waitpid(pid, &status, WNOHANG)
    }
    if ended == 0 {
      kill(pid, SIGKILL)
      while waitpid(pid, &status, 0) < 0 && errno == EINTR {}
    }
    close(socket)
    let signal = status & 0x7F
    return signal != 0 ? "it crashed (signal \(signal))" : "it ended with status \(status >> 8 & 0xFF)"
  }
}
