import Glibc
import Synchronization

/// How often the user or the system has asked the program to stop.
private let requests = Atomic<Int>(0)

/// SIGINT, SIGTERM and SIGHUP as a flag that training looks at between two updates; the second one ends the program.
enum Interruption {
  static func install() {
    // The first use of a global runs its initialiser, which a signal handler must not.
    _ = requests.load(ordering: .relaxed)
    var action = sigaction()
    action.__sigaction_handler.sa_handler = { _ in
      if requests.add(1, ordering: .relaxed).newValue > 1 { _exit(130) }
    }
    // A write that a signal interrupts goes on by itself.
    action.sa_flags = SA_RESTART
    var signals = sigset_t()
    sigemptyset(&signals)
    for signal in [SIGINT, SIGTERM, SIGHUP] {
      // Who starts it under nohup wants it to outlive the terminal.
      var inherited = sigaction()
      if signal == SIGHUP, sigaction(signal, nil, &inherited) == 0, Self.isIgnored(inherited) { continue }
      sigaction(signal, &action, nil)
      sigaddset(&signals, signal)
    }
    // Whoever started the program may have had them blocked, which is inherited.
    pthread_sigmask(SIG_UNBLOCK, &signals, nil)
  }

  private static func isIgnored(_ action: sigaction) -> Bool {
    unsafeBitCast(action.__sigaction_handler.sa_handler, to: Int.self) == unsafeBitCast(SIG_IGN, to: Int.self)
  }

  static var isRequested: Bool { requests.load(ordering: .relaxed) > 0 }
}
