import Glibc
import Synchronization

/// How often the user or the system has asked the program to stop.
private let requests = Atomic<Int>(0)

/// SIGINT and SIGTERM as a flag that training looks at between two updates; the second one ends the program.
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
    sigaction(SIGINT, &action, nil)
    sigaction(SIGTERM, &action, nil)
    // Whoever started the program may have had them blocked, which is inherited.
    var signals = sigset_t()
    sigemptyset(&signals)
    sigaddset(&signals, SIGINT)
    sigaddset(&signals, SIGTERM)
    pthread_sigmask(SIG_UNBLOCK, &signals, nil)
  }

  static var isRequested: Bool { requests.load(ordering: .relaxed) > 0 }
}
