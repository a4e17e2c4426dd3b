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
    seconds(ProcessInfo.processInfo.environment).map { .milliseconds(Int64(min($0, 1e9) * 1000)) } ?? .seconds(300)
  }

  /// The seconds that the environment gives; nil where it gives none that can be.
  private static func seconds(_ environment: [String: String]) -> Double? {
    environment["CINCH_COMPILE_LIMIT"].flatMap(Double.init).flatMap { $0 > 0 ? $0 : nil }
  }

  /// That the environment gives a limit which is none: a sentence.
  package static func fault(_ environment: [String: String]) -> String? {
    guard let text = environment["CINCH_COMPILE_LIMIT"], !text.isEmpty, seconds(environment) == nil else { return nil }
    return "ignoring CINCH_COMPILE_LIMIT=\(text): give seconds above 0"
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
  /// Read and written under the lock.
  private var result: Result?
  private let lock = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
  private let done = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)

  init(_ body: @escaping @Sendable () -> Result) {
    self.body = body
    pthread_mutex_init(lock, nil)
    var attributes = pthread_condattr_t()
    pthread_condattr_init(&attributes)
    // Somebody may set the other clock meanwhile.
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
    pthread_cond_init(done, &attributes)
    pthread_condattr_destroy(&attributes)
  }

  deinit {
    pthread_cond_destroy(done)
    done.deallocate()
    pthread_mutex_destroy(lock)
    lock.deallocate()
  }

  override func run() {
    let value = body()
    pthread_mutex_lock(lock)
    result = value
    pthread_cond_signal(done)
    pthread_mutex_unlock(lock)
  }

  /// The result, where it comes in time.
  func wait(_ time: Duration) -> Result? {
    var until = timespec()
    clock_gettime(CLOCK_MONOTONIC, &until)
    let nanoseconds =
      max(0, Int(time.components.seconds)) * 1_000_000_000 + Int(time.components.attoseconds / 1_000_000_000)
    until.tv_sec += (until.tv_nsec + nanoseconds) / 1_000_000_000
    until.tv_nsec = (until.tv_nsec + nanoseconds) % 1_000_000_000
    pthread_mutex_lock(lock)
    defer { pthread_mutex_unlock(lock) }
    while result == nil && pthread_cond_timedwait(done, lock, &until) == 0 {}
    return result
  }
}
