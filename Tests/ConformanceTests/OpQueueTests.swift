import CinchBackend
import Testing

@testable import CPUBackend

/// Ops that wait for the threads of the `cpu` device.
@Suite struct OpQueueTests {
  private let elements = 200_000

  /// Three times as many as the queue holds, each of which overwrites what the one before it reads. Small ones may be run by
  /// the thread that queues them.
  @Test(arguments: [1, 2, 3, 8], [16, 200_000]) func opsRunInOrder(_ threads: Int, _ count: Int) throws {
    let backend = try CPUBackend(threads: threads)
    let x = try backend.tensor([count]), partials = try backend.tensor([backend.sumPartialCount(count)])
    let totals = try backend.tensor([70])
    for round in 0..<70 {
      try backend.fill(x, with: Float(round))
      try backend.sumOfSquares(x, into: partials)
      try backend.total([SumTerm(partials, scale: 1)], into: totals.slice(at: round, shape: [1]))
    }
    #expect(try backend.read(totals) == (0..<70).map { Float(count * $0 * $0) })
    #expect(backend.counters.launches == 210 && backend.counters.waits == 1)
  }

  /// What failed is told once, by whoever waits first, and nothing that was queued behind it has run.
  @Test(arguments: [1, 2]) func nothingRunsBehindAFailure(_ threads: Int) throws {
    let backend = try CPUBackend(threads: threads)
    let geometry = ConvolutionGeometry(
      height: 1, width: 1, channels: 8, outputHeight: 1, outputWidth: 1, outputChannels: 8, kernel: (1, 1))
    let image = try backend.tensor([1, 1, 1, 8]), result = try backend.tensor([1, 1, 1, 8])
    let weight = try backend.tensor([1, 1, 8, 8])
    backend.askForScratch { _ in false }
    try backend.convolve(image, weight, geometry, into: result, epilogue: .none)
    try backend.fill(image, with: 3)
    #expect(throws: BackendError.self) { try backend.read(image) }
    #expect(try backend.read(image) == [Float](repeating: 0, count: 8))
    try backend.fill(image, with: 2)
    try backend.synchronize()
    #expect(try backend.read(image) == [Float](repeating: 2, count: 8))
  }

  /// Nobody else holds these buffers when the ops on them run.
  @Test func memoryStaysUntilOpsHaveRun() throws {
    let backend = try CPUBackend(threads: 2)
    let kept = try backend.tensor([elements])
    let before = backend.memory.buffers
    for round in 0..<100 {
      let passing = try backend.tensor([elements])
      try backend.fill(passing, with: Float(round))
      try backend.copy(passing, to: kept)
    }
    #expect(try backend.read(kept).allSatisfy { $0 == 99 })
    #expect(backend.memory.buffers == before)
  }

  /// A buffer may be all that is left of its backend.
  @Test func aBufferOutlivesItsBackend() throws {
    weak var gone: CPUBackend?
    let tensor: Tensor<CPUBuffer>
    do {
      let backend = try CPUBackend(threads: 2)
      gone = backend
      tensor = try backend.tensor([elements])
      for round in 0..<100 { try backend.fill(tensor, with: Float(round)) }
      try backend.synchronize()
    }
    #expect(gone == nil && tensor.buffer.pointer[elements - 1] == 99)
  }

  /// Every op tells what it took, in order, and none before the one before it has ended.
  @Test func opsAreTimed() throws {
    let backend = try CPUBackend(threads: 2, profiling: true)
    let x = try backend.tensor([elements]), sums = try backend.tensor([backend.sumPartialCount(elements)])
    try backend.fill(x, with: 1)
    try backend.sumOfSquares(x, into: sums)
    _ = try backend.read(sums)
    #expect(backend.launchesToTake == 3)
    let launches = try backend.takeLaunches()
    #expect(launches.map(\.kernel) == ["fill", "partialSums", "copy"])
    #expect(launches.allSatisfy { $0.microseconds > 0 && $0.queued <= $0.start })
    #expect(zip(launches, launches.dropFirst()).allSatisfy { $0.end <= $1.start })
    #expect(try backend.launchesToTake == 0 && backend.takeLaunches().isEmpty)
    #expect(try CPUBackend(threads: 1).launchesToTake == nil)
  }
}
