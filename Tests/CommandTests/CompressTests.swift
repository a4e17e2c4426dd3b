import Cinch
import Foundation
import Testing

@Suite struct CompressTests {
  private func trained(_ line: String = "deep --layers 16,8,3", rows: Int = 1300) async throws -> Sandbox {
    let sandbox = try Sandbox()
    try sandbox.writeData(rows: rows)
    let outcome = try await sandbox.run(
      line: "train \(line) --data data.csv --device cpu --epochs 3 --out run --quiet")
    #expect(outcome.status == 0, "\(outcome.errors)")
    return sandbox
  }

  private func values(_ sandbox: Sandbox, _ name: String) throws -> Dataset { try Dataset.load(sandbox.path(name)) }

  @Test func samplesComeBack() async throws {
    let sandbox = try await trained()
    let record = try await sandbox.run(line: "compress run -o a.cinch --bits 10 --json").object()
    let size = try sandbox.bytes("a.cinch").count
    #expect(record["bytes"] as? Int == size && record["samples"] as? Int == 1300 && record["units"] as? Int == 3)
    #expect(record["raw_bytes"] as? Int == 1300 * 16 * 4 && record["bits"] as? Int == 10)
    let ratio = try #require(record["ratio"] as? Double)
    #expect(abs(ratio - Double(1300 * 16 * 4) / Double(size)) < 1e-9)
    let perElement = try #require(record["bits_per_element"] as? Double)
    #expect(abs(perElement - Double(8 * size) / 1300 / 16) < 1e-12)
    #expect(try #require(record["deflate_bytes"] as? Int) > size)

    let outcome = try await sandbox.run(line: "decompress run a.cinch -o x.npy --codes c.npy")
    #expect(outcome.status == 0 && outcome.output.contains("x.npy   (1300 × 16)"), "\(outcome.errors)")
    try await sandbox.run(line: "encode run -o e.npy")
    try await sandbox.run(line: "decode run --codes c.npy -o d.npy")
    try await sandbox.run(line: "reconstruct run -o r.npy")
    #expect(try sandbox.bytes("d.npy") == sandbox.bytes("x.npy"), "codes decode to the same samples")
    let step = try #require(record["largest_step"] as? Double)
    let pairs = zip(try values(sandbox, "e.npy").values, try values(sandbox, "c.npy").values)
    #expect(pairs.allSatisfy { abs(Double($0) - Double($1)) <= step / 2 + 1e-6 })

    func error(_ name: String) throws -> Double {
      let (data, other) = (try values(sandbox, "data.csv").values, try values(sandbox, name).values)
      return zip(data, other).reduce(0) { $0 + pow(Double($1.0) - Double($1.1), 2) } / Double(data.count)
    }
    let own = try #require(record["mse_per_element"] as? Double)
    let plain = try #require(record["reconstruction_mse_per_element"] as? Double)
    // Files hold 32-bit floats, whose rounding is far below this.
    let (restored, reconstructed) = (try error("x.npy"), try error("r.npy"))
    #expect(abs(own - restored) < 1e-9 && abs(plain - reconstructed) < 1e-9)
    let evaluated = try await sandbox.run(line: "eval run --json").object()["metrics"] as? [String: Double]
    let evaluatedError = try #require(evaluated?["mse_per_element"])
    #expect(abs(plain - evaluatedError) < 1e-6)
    // 10 bits of PCA's codes lose next to nothing.
    let principal = try #require(evaluated?["pca_mse_per_element"])
    let quantised = try #require(record["pca_mse_per_element"] as? Double)
    #expect(abs(quantised - principal) < 1e-4)
    #expect(try #require(record["pca_bytes"] as? Int) > 0)

    let text = try await sandbox.run(line: "compress run -o b.cinch --bits 2")
    #expect(text.status == 0 && text.output.contains("3 units of 2 bits"), "\(text.output)\(text.errors)")
    #expect(try sandbox.bytes("b.cinch").count < size / 2)
    #expect(try await sandbox.run(line: "compress run -o b.cinch --bits 3 --overwrite").status == 0)
    #expect(try await sandbox.run(line: "decompress run b.cinch -o x.csv").status == 0)
    #expect(String(decoding: try sandbox.bytes("x.csv"), as: UTF8.self).count(where: \.isNewline) == 1300)
  }

  /// A stream of one device is read on another, and samples are in the data's own units.
  @Test func devicesReadOneAnothersFiles() async throws {
    let sandbox = try await trained("vae --layers 16,8,4 --scale minmax", rows: 80)
    #expect(try await sandbox.run(line: "compress run -o a.cinch --device cpu").status == 0)
    for device in ["cpu", "reference", "opencl"] {
      let line = "decompress run a.cinch -o \(device).npy --codes \(device)-codes.npy --device \(device)"
      #expect(try await sandbox.run(line: line).status == 0)
      #expect(try sandbox.bytes("\(device)-codes.npy") == sandbox.bytes("cpu-codes.npy"))
    }
    #expect(try await sandbox.run(line: "compress run -o b.cinch --data data.csv --device reference").status == 0)
  }

  @Test func bytesAreRawBytes() async throws {
    let sandbox = try Sandbox()
    let pixels = (0..<40 * 16).map { UInt8($0 * 37 % 251) }
    let file = Data([0, 0, 8, 3, 0, 0, 0, 40, 0, 0, 0, 4, 0, 0, 0, 4]) + Data(pixels)
    try file.write(to: sandbox.folder.appendingPathComponent("data.idx"))
    try await sandbox.run(line: "train linear --layers 16,3 --data data.idx --device cpu --epochs 1 --out run --quiet")
    let outcome = try await sandbox.run(line: "compress run -o a.cinch --json")
    #expect(try outcome.object()["raw_bytes"] as? Int == 640, "\(outcome.errors)")
    #expect(try await sandbox.run(line: "decompress run a.cinch -o x.npy").output.contains("40 × 4 × 4"))
  }

  @Test func impossibleFilesAreRefused() async throws {
    let sandbox = try await trained(rows: 60)
    try await sandbox.run(
      line: "train deep --layers 16,8,3 --data data.csv --device cpu --epochs 1 --out other --quiet")
    try await sandbox.run(line: "train deep --layers 16,3 --data data.csv --device cpu --epochs 1 --out wide --quiet")
    #expect(try await sandbox.run(line: "compress run -o a.cinch").status == 0)
    let file = try sandbox.bytes("a.cinch")
    try file.dropLast().write(to: sandbox.folder.appendingPathComponent("cut.cinch"))
    for (status, line, part) in [
      (Int32(64), "compress run -o x --bits 0", "choose 1 to 16"),
      (64, "compress run -o x --bits 17", "choose 1 to 16"),
      (64, "compress run -o x --bits -1", "choose 1 to 16"), (64, "compress run", "--out"),
      (64, "compress run -o same.npy", "no .npy file"), (64, "compress run -o a.JPG --overwrite", "no .jpg file"),
      (74, "compress run -o none/x", "create it first"), (74, "compress none -o x", "check the path"),
      (65, "decompress other a.cinch -o x.npy", "other weights"),
      (65, "decompress wide a.cinch -o x.npy", "other layers"),
      (65, "decompress run cut.cinch -o x.npy", "damaged in block 1"),
      (65, "decompress run data.csv -o x.npy", "no file of compressed samples"),
      (74, "decompress run none -o x.npy", "no such file"),
      (64, "decompress run a.cinch -o x", "neither .npy nor .csv"),
      (64, "decompress run a.cinch -o x.npy --codes c", "neither .npy nor .csv"),
      (64, "decompress run a.cinch -o x.npy --codes x.npy", "name two files"),
      (64, "decompress run a.cinch -o ./x.npy --codes run/../x.npy", "name two files"),
    ] {
      let outcome = try await sandbox.run(line: line)
      #expect(outcome.refused(status) && outcome.errors.contains(part), "\(line): \(outcome.output) \(outcome.errors)")
    }
    for name in ["x", "x.npy", "c"] { #expect(!sandbox.exists(name)) }
  }
}
