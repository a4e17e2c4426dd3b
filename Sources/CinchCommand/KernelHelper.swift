import CPUBackend
import Cinch
import CinchBackend
import FoundationEssentials
import Glibc
import OpenCLBackend

/// A second process that compiles a run's kernels from the last to the first, while this one compiles them from the first to
/// the last: PoCL compiles one at a time in each. It is started where PoCL turns out to lack one, on a machine with a
/// processor to spare, and hears on its standard input of what is taken, a byte a kernel.
enum KernelHelper {
  /// What the second process is told, right behind the subcommand's name.
  static let option = "compile-ahead"

  /// Of loading the data, which the second process does again before it can help.
  static let mostLoading = Duration.seconds(1)

  /// - Parameters:
  ///   - recipe: of one network and in epochs: others are not rehearsed.
  ///   - dataBytes: what it would hold of the data, as this process does.
  ///   - loading: how long that took.
  static func install(for recipe: Recipe, dataBytes: Int, loading: Duration) {
    guard recipe.closedForm == nil, recipe.training.pretraining == nil, keepsKernels, loading < mostLoading,
      CPUBackend.processors > 1, HostMemory.fits(8 * dataBytes + compilerBytes)
    else { return }
    EmptyKernelCache.onNotice { hasIdleProcessor ? start() : nil }
  }

  /// What LLVM takes.
  private static let compilerBytes = 512 << 20

  /// Without a cache PoCL keeps nothing for others.
  private static var keepsKernels: Bool { ProcessInfo.processInfo.environment["POCL_KERNEL_CACHE"] != "0" }

  /// Whether fewer threads run now than there are processors: the first number of `/proc/loadavg` that has a slash counts
  /// them, this one included.
  private static var hasIdleProcessor: Bool {
    guard let text = try? String(contentsOfFile: "/proc/loadavg", encoding: .utf8),
      let running = text.split(separator: " ").first(where: { $0.contains("/") })?.prefix(while: \.isNumber)
    else { return false }
    return Int(running).map { $0 < sysconf(Int32(_SC_NPROCESSORS_ONLN)) } ?? false
  }

  /// The same command once more, without a word to anybody.
  private static func start() -> EmptyKernelCache.Listener? {
    var ends: [Int32] = [-1, -1]
    let type = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue)
    guard socketpair(AF_UNIX, type, 0, &ends) == 0 else { return nil }
    defer { close(ends[0]) }
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_adddup2(&actions, ends[0], STDIN_FILENO)
    for descriptor in [STDOUT_FILENO, STDERR_FILENO] {
      posix_spawn_file_actions_addopen(&actions, descriptor, "/dev/null", O_WRONLY, 0)
    }
    let given = CommandLine.arguments
    let words = given.prefix(2) + ["--\(option)"] + given.dropFirst(2)
    let pointers: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) }
    defer { pointers.forEach { free($0) } }
    var pid: pid_t = 0
    guard posix_spawn(&pid, "/proc/self/exe", &actions, nil, pointers + [nil], environ) == 0 else {
      // Then this process compiles everything.
      close(ends[1])
      return nil
    }
    // Before it has threads, which inherit that: the process that trains comes first.
    setpriority(__priority_which_t(PRIO_PROCESS.rawValue), id_t(pid), 10)
    collect(pid)
    // Open as long as this process lives.
    let socket = ends[1]
    return { count in
      // Where that process has ended or is late, nobody needs to know.
      send(socket, [UInt8](repeating: 1, count: count), count, Int32(MSG_NOSIGNAL | MSG_DONTWAIT))
    }
  }

  /// Waits for its end in a thread, so that none is left to the system's table of processes.
  private static func collect(_ pid: pid_t) {
    var thread = pthread_t()
    let body: @convention(c) (UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? = { pid in
      waitpid(pid_t(Int(bitPattern: pid)), nil, 0)
      return nil
    }
    guard pthread_create(&thread, nil, body, UnsafeMutableRawPointer(bitPattern: Int(pid))) == 0 else { return }
    pthread_detach(thread)
  }

  /// What the second process hears.
  final class Progress {
    private var count = 0

    /// How many kernels the first has begun with; nil where it has ended.
    var taken: Int? {
      var bytes = [UInt8](repeating: 0, count: 256)
      var input = pollfd(fd: STDIN_FILENO, events: Int16(POLLIN), revents: 0)
      while poll(&input, 1, 0) > 0 {
        let size = read(STDIN_FILENO, &bytes, bytes.count)
        guard size > 0 else { return nil }
        count += size
      }
      return count
    }
  }
}
