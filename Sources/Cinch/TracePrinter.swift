import CinchBackend
import Glibc

/// Prints every op of a device as it runs, where `CINCH_TRACE=1` is in the environment: op, tensors and settings; then
/// each kernel with its grid; then the time.
///
/// ```
/// matmul a=A[256×784] b=B[196×784] bias=B+153664[196] → c=C[256×196] | bᵀ forward sigmoid   matmul 22   412.3 µs
/// ```
///
/// Times are the device's own, and the host's clock on `reference`. To be timed, ops run one by one, so a traced run is slower
/// than the sum of its times. Buffers are named in the order in which they are met.
enum TracePrinter {
  static var isWanted: Bool {
    guard let value = getenv("CINCH_TRACE") else { return false }
    return !["", "0"].contains(String(cString: value))
  }

  static func tracing(_ backend: any Backend) -> any Backend { wrap(backend) }

  private static func wrap<B: Backend>(_ backend: B) -> any Backend {
    var format = TraceFormat()
    return TracingBackend(backend) { op in
      let time = op.launches.isEmpty ? op.seconds * 1e6 : op.launches.reduce(0) { $0 + $1.microseconds }
      let kernels = op.launches.map { launch in
        let grid = launch.global.map(String.init).joined(separator: "×")
        let group =
          launch.local.allSatisfy { $0 == 1 } ? "" : "/" + launch.local.map(String.init).joined(separator: "×")
        let pieces = launch.pieces > 0 ? " of \(launch.pieces) pieces" : ""
        return launch.kernel + (grid.isEmpty ? "" : " \(grid)\(group)\(pieces)")
      }
      let parts = [format.line(op)] + kernels + ["\((time * 10).rounded() / 10) µs"]
      let line = Array((parts.joined(separator: "   ") + "\n").utf8)
      // A trace that nobody can read is no reason to stop.
      _ = write(STDERR_FILENO, line, line.count)
    }
  }
}
