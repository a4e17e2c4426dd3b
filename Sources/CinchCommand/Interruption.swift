import Glibc
import Synchronization

/// How often the user or the system has asked the program to stop.
private let requests = Atomic<Int>(0)

/// SIGINT, SIGTERM and SIGHUP as a flag that training looks at between two updates; a second SIGINT or SIGTERM ends the program.
enum Interruption {
  static func install() {
    // The first use of a global runs its initialiser, which a signal handler must not.
    _ = requests.load(ordering: .relaxed)
    var signals = sigset_t()
    sigemptyset(&signals)
    func handle(_ signal: Int32, _ handler: @escaping @convention(c) (Int32) -> Void) {
      var action = sigaction()
      action.__sigaction_handler.sa_handler = handler
      // A write that a signal interrupts goes on by itself.
      action.sa_flags = SA_RESTART
      sigaction(signal, &action, nil)
      sigaddset(&signals, signal)
    }
    for signal in [SIGINT, SIGTERM] {
      handle(signal) { _ in
        if requests.add(1, ordering: .relaxed).newValue > 1 { _exit(130) }
      }
    }
    // A terminal that closes tells it twice, by the kernel and by the shell: that is one request. Whoever starts the
    // program under nohup wants it to outlive the terminal.
    if !isIgnored(SIGHUP) {
      handle(SIGHUP) { _ in _ = requests.compareExchange(expected: 0, desired: 1, ordering: .relaxed) }
    }
    // Whoever started the program may have had them blocked, which is inherited.
    pthread_sigmask(SIG_UNBLOCK, &signals, nil)
  }

  private static func isIgnored(_ signal: Int32) -> Bool {
    var action = sigaction()
    guard sigaction(signal, nil, &action) == 0 else { return false }
    return unsafeBitCast(action.__sigaction_handler.sa_handler, to: Int.self) == unsafeBitCast(SIG_IGN, to: Int.self)
  }

  static var isRequested: Bool { requests.load(ordering: .relaxed) > 0 }
}
