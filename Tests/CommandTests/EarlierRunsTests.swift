import CinchData
import Foundation
import Testing

/// Run folders and recipe files that version 0.1 wrote still load, and its runs go on as 0.1 itself went on with them.
@Suite struct EarlierRunsTests {
  private static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .appendingPathComponent("Fixtures/0.1")

  /// A copy of the runs, with the path of their data put in.
  private func sandbox() throws -> Sandbox {
    let sandbox = try Sandbox()
    let files = FileManager.default
    for name in ["data.csv", "recipe.json", "dense", "conv"] {
      try files.copyItem(
        at: Self.folder.appendingPathComponent(name), to: sandbox.folder.appendingPathComponent(name))
    }
    for run in ["dense", "conv"] {
      let url = sandbox.folder.appendingPathComponent("\(run)/config.json")
      let data = sandbox.folder.appendingPathComponent("data.csv").path
      let text = String(decoding: try Data(contentsOf: url), as: UTF8.self).replacingOccurrences(of: "DATA", with: data)
      try Data(text.utf8).write(to: url)
    }
    return sandbox
  }

  private func weights(_ sandbox: Sandbox, _ path: String) throws -> [String: [Float]] {
    let file = try Safetensors(contentsOf: sandbox.folder.appendingPathComponent(path).path)
    return Dictionary(
      uniqueKeysWithValues: file.entries.map { entry in
        guard case .float32(let values) = entry.storage else { return (entry.name, []) }
        return (entry.name, values)
      })
  }

  /// 0.1 stopped after three epochs; `expected.*` is what 0.1 came to after six. Dense: masking, KL sparsity with a
  /// moving average, L1, the contractive penalty, weight decay, clipping, a step schedule, held-out samples and best
  /// weights. Convolutions: max-pooling, unpooling, a transposed convolution.
  @Test(arguments: ["dense", "conv"])
  func aRunGoesOn(_ run: String) async throws {
    let sandbox = try sandbox()
    let resumed = try await sandbox.run(line: "train --resume \(run) --epochs 6 --json")
    #expect(resumed.status == 0, "\(resumed.errors)")
    #expect(try resumed.objects().first?["resumed_from_epoch"] as? Int == 3)
    // The configuration is written anew, in today's format.
    let config = try JSONSerialization.jsonObject(with: sandbox.bytes("\(run)/config.json")) as? [String: Any]
    #expect(config?["format"] as? Int == 2)
    #expect((config?["recipe"] as? [String: Any])?["format"] as? Int == 2)
    let wanted = try weights(sandbox, "\(run)/expected.safetensors")
    let found = try weights(sandbox, "\(run)/model.safetensors")
    #expect(wanted.keys == found.keys && !wanted.isEmpty)
    for (name, values) in wanted {
      let other = try #require(found[name])
      #expect(values.count == other.count)
      // The reference computes in Double: another library's exp may move the last bit of a Float.
      #expect(zip(values, other).allSatisfy { abs($0 - $1) <= 2 * max($0.ulp, $1.ulp) }, "\(name)")
    }
    func losses(_ path: String) throws -> [Double] {
      let text = String(decoding: try Data(contentsOf: sandbox.folder.appendingPathComponent(path)), as: UTF8.self)
      return text.split(separator: "\n").dropFirst().compactMap { Double($0.split(separator: ",")[1]) }
    }
    let (old, new) = (try losses("\(run)/expected.csv"), try losses("\(run)/history.csv"))
    #expect(old.count == 6 && new.count == 6)
    #expect(zip(old, new).allSatisfy { abs($0 - $1) <= 1e-9 * abs($0) })
  }

  @Test(arguments: ["dense", "conv"])
  func aModelIsUsed(_ run: String) async throws {
    let sandbox = try sandbox()
    for line in ["eval \(run) --json", "info \(run)", "encode \(run) -o codes.npy", "reconstruct \(run) -o x.csv"] {
      let outcome = try await sandbox.run(line: line)
      #expect(outcome.status == 0, "\(line): \(outcome.errors)")
    }
  }

  @Test func aRecipeFileTrains() async throws {
    let sandbox = try sandbox()
    let outcome = try await sandbox.run(
      line: "train --recipe recipe.json --data data.csv --epochs 6 --device reference --out again --quiet")
    #expect(outcome.status == 0, "\(outcome.errors)")
    let wanted = try weights(sandbox, "dense/expected.safetensors")
    let found = try weights(sandbox, "again/model.safetensors")
    for (name, values) in wanted {
      let other = try #require(found[name])
      #expect(zip(values, other).allSatisfy { abs($0 - $1) <= 2 * max($0.ulp, $1.ulp) }, "\(name)")
    }
  }
}
