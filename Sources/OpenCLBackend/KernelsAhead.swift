import COpenCL
import CinchBackend
import Synchronization

// PoCL compiles a kernel when it is first launched, one at a time under a lock of its process, and keeps it for every
// process of the user. Where it has nothing yet, a second process can compile the last kernels of a run while the run's own
// compiles the first ones.

/// A kernel as one module has it.
struct KernelKey: Hashable {
  var id: KernelID
  var module: Module
}

/// What a backend does that compiles kernels for others, and computes nothing.
struct KernelsAhead {
  /// All that were asked for, in order.
  private(set) var order: [KernelKey] = []
  private var known: Set<KernelKey> = []
  /// The one to make and to launch, once: all others are left out.
  private var next: KernelKey?
  private var made: cl_kernel?

  mutating func choose(_ kernel: KernelKey) { (next, made) = (kernel, nil) }

  /// Whether to make one that is asked for.
  mutating func makes(_ kernel: KernelKey) -> Bool {
    if known.insert(kernel).inserted { order.append(kernel) }
    return kernel == next
  }

  /// The chosen one is there.
  mutating func add(_ kernel: cl_kernel) { made = kernel }

  mutating func launches(_ kernel: cl_kernel) -> Bool {
    defer { if kernel == made { made = nil } }
    return kernel == made
  }
}

extension OpenCLBackend {
  /// Compiles the kernels that `walk` launches, from the last to the first. It is called again and again, and each time
  /// another kernel is launched once: those before and after it do nothing, and what they would compute is 0 or as it was. So
  /// what `walk` comes to means nothing, nor what it throws.
  ///
  /// - Parameter taken: asked before each kernel: how many of the first ones another process has begun with; nil where nobody
  ///   needs them any more.
  package func compileBackwards(until taken: () -> Int?, _ walk: () throws -> Void) {
    if ahead == nil { ahead = KernelsAhead() }
    func pass() {
      // Which modules a plan takes depends on those before it.
      modules = []
      plans = [:]
      convolutions = ConvolutionState()
      try? walk()
      try? synchronize()
    }
    let known = ahead?.order.count ?? 0
    guard taken() != nil else { return }
    pass()
    for (index, kernel) in (ahead?.order ?? []).enumerated().dropFirst(known).reversed() {
      guard let taken = taken(), index >= taken else { return }
      ahead?.choose(kernel)
      pass()
    }
  }
}

/// Notices that PoCL has yet to compile what a run needs.
package enum EmptyKernelCache {
  /// Finding a program in its cache takes 10 ms where it was measured, compiling one 85 and more. A slow disk is taken for
  /// the latter: then the second process finds what it looks for, and ends.
  static let notice = Duration.milliseconds(45)

  /// Told how many kernels were begun with since it was told last.
  package typealias Listener = @Sendable (Int) -> Void

  private static let observer = Mutex<(@Sendable () -> Listener?)?>(nil)

  /// Has `body` called at each program that is not in the cache, until it returns somebody: who hears of that device's
  /// kernels, beginning with those before.
  package static func onNotice(_ body: @escaping @Sendable () -> Listener?) { observer.withLock { $0 = body } }

  static func listener() -> Listener? {
    let body = observer.withLock { observer in
      defer { observer = nil }
      return observer
    }
    guard let body else { return nil }
    let listener = body()
    if listener == nil { onNotice(body) }
    return listener
  }
}
