import FoundationEssentials
import Glibc
import Synchronization

/// How long a driver may take to compile kernels. Its call cannot be interrupted, so it runs on a thread of its own, which
/// is left behind when its time is up. What PoCL still compiles when a kernel is queued is not covered: waiting for each of
/// them would empty the queue.
public enum BuildLimit {
  /// When somebody is told that it takes long.
  static let notice = Duration.seconds(1)

  /// `CINCH_COMPILE_LIMIT` in seconds, or else five minutes: most drivers take seconds, Mesa on a busy processor more than
  /// one minute.
  static var limit: Duration {
    ProcessInfo.processInfo.environment["CINCH_COMPILE_LIMIT"].flatMap(Double.init).filter { $0 > 0 }
      .map { .milliseconds(Int64(min($0, 1e9) * 1000)) } ?? .seconds(300)
  }

  private static let observers = Mutex<[@Sendable (String) -> Void]>([])

  /// Has `observer` told of compilations that take long, by the name of their device.
  public static func onNotice(_ observer: @escaping @Sendable (String) -> Void) {
    observers.withLock { $0.append(observer) }
  }

  static func tell(_ device: String) {
    for observer in observers.withLock({ $0 }) { observer(device) }
  }

  /// The result of `body`; nil where it takes longer than `limit`.
  static func run<Result: Sendable>(
    notice: Duration = notice, limit: Duration = limit, onNotice: () -> Void,
    _ body: @escaping @Sendable () -> Result
  ) -> Result? {
    let job = Job(body)
    // Compilers need a deep stack.
    var attributes = pthread_attr_t()
    pthread_attr_init(&attributes)
    defer { pthread_attr_destroy(&attributes) }
    pthread_attr_setstacksize(&attributes, 16 << 20)
    pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
    var thread = pthread_t()
    let held = Unmanaged.passRetained(job as AnyJob)
    let status = pthread_create(
      &thread, &attributes,
      { argument in
        guard let argument else { return nil }
        Unmanaged<AnyJob>.fromOpaque(argument).takeRetainedValue().run()
        return nil
      }, held.toOpaque())
    guard status == 0 else {
      held.release()
      return body()
    }
    if let result = job.wait(min(notice, limit)) { return result }
    guard notice < limit else { return nil }
    onNotice()
    return job.wait(limit - notice)
  }
}

/// What a thread is given: without a type parameter, which C functions cannot have.
private class AnyJob: @unchecked Sendable {
  func run() {}
}

private final class Job<Result: Sendable>: AnyJob, @unchecked Sendable {
  private let body: @Sendable () -> Result
  private let result = Mutex<Result?>(nil)
  private let done = UnsafeMutablePointer<sem_t>.allocate(capacity: 1)

  init(_ body: @escaping @Sendable () -> Result) {
    self.body = body
    sem_init(done, 0, 0)
  }

  deinit {
    sem_destroy(done)
    done.deallocate()
  }

  override func run() {
    let value = body()
    result.withLock { $0 = value }
    sem_post(done)
  }

  /// The result, where it comes in time.
  func wait(_ time: Duration) -> Result? {
    var until = timespec()
    clock_gettime(CLOCK_REALTIME, &until)
    let nanoseconds =
      max(0, Int(time.components.seconds)) * 1_000_000_000 + Int(time.components.attoseconds / 1_000_000_000)
    until.tv_sec += (until.tv_nsec + nanoseconds) / 1_000_000_000
    until.tv_nsec = (until.tv_nsec + nanoseconds) % 1_000_000_000
    while sem_timedwait(done, &until) != 0 {
      if errno != EINTR { return nil }
    }
    return result.withLock { $0 }
  }
}

extension Optional {
  fileprivate func filter(_ isWanted: (Wrapped) -> Bool) -> Wrapped? { flatMap { isWanted($0) ? $0 : nil } }
}
