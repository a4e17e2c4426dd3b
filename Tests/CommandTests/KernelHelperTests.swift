import Foundation
import Testing

/// The process that compiles kernels for one that trains.
@Suite struct KernelHelperTests {
  /// What PoCL has compiled, by program, kernel and size.
  private func kernels(_ sandbox: Sandbox) throws -> Set<String> {
    let all = FileManager.default.enumerator(atPath: sandbox.path("kernels"))?.compactMap { $0 as? String } ?? []
    return Set(all.filter { $0.hasSuffix(".so") })
  }

  @Test(arguments: ["linear --layers 64,5 --lr 0.01", "conv-pool --image-shape 1,8,8 --validation-split 0.2"])
  func aRunFindsAllThatItNeeds(_ recipe: String) async throws {
    let sandbox = try Sandbox()
    try sandbox.writeData(columns: 64)
    let environment = ["POCL_CACHE_DIR": sandbox.path("kernels")]
    try FileManager.default.createDirectory(atPath: sandbox.path("kernels"), withIntermediateDirectories: true)
    let command = "\(recipe) --data data.csv --device opencl:0:0/cpu --epochs 1 --out run"

    // Nobody waits for it: its input has ended.
    let alone = try await sandbox.run(line: "train --compile-ahead \(command)", environment: environment)
    #expect(alone.status == 0, "\(alone.errors)")
    #expect(try kernels(sandbox).isEmpty)
    // The other process has begun with three, and then turns out to have begun with none.
    var counts: [Int] = []
    for taken in [3, 0] {
      let pipe = Pipe()
      try pipe.fileHandleForWriting.write(contentsOf: Data(count: taken))
      let helper = try await sandbox.run(
        line: "train --compile-ahead \(command)", input: pipe.fileHandleForReading, environment: environment)
      #expect(helper.status == 0 && helper.output.isEmpty && !sandbox.exists("run"), "\(helper.errors)")
      counts.append(try kernels(sandbox).count)
      try pipe.fileHandleForWriting.close()
    }
    let ahead = try kernels(sandbox)
    #expect(ahead.count > 4 && counts[0] == ahead.count - 3)

    let run = try await sandbox.run(line: "train \(command)", environment: environment)
    #expect(run.status == 0, "\(run.errors)")
    let all = try kernels(sandbox)
    #expect(all == ahead)
  }
}
