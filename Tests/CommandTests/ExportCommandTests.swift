import Foundation
import Testing

@Suite struct ExportCommandTests {
  private func trained(_ line: String, in sandbox: Sandbox) async throws {
    let outcome = try await sandbox.run(line: "train \(line) --data data.csv --device reference --epochs 1")
    #expect(outcome.status == 0, "\(outcome.errors)")
  }

  private func sandbox() async throws -> Sandbox {
    let sandbox = try Sandbox()
    try sandbox.writeData(rows: 40)
    try await trained("deep --layers 16,8,4 --out run", in: sandbox)
    return sandbox
  }

  @Test func everyPartIsWritten() async throws {
    let sandbox = try await sandbox()
    for (part, input, output) in [
      ("encoder", "input [batch, 16]", "code [batch, 4]"), ("decoder", "code [batch, 4]", "reconstruction [batch, 16]"),
      ("all", "input [batch, 16]", "reconstruction [batch, 16]"),
    ] {
      let outcome = try await sandbox.run(line: "export run --part \(part) -o \(part).onnx")
      #expect(outcome.status == 0 && outcome.errors.isEmpty, "\(outcome.errors)")
      #expect(outcome.output.contains(input) && outcome.output.contains(output), "\(outcome.output)")
      let file = try sandbox.bytes("\(part).onnx")
      #expect(
        file.range(of: Data("Gemm".utf8)) != nil
          && file.range(of: Data("part\u{12}".utf8) + [UInt8(part.utf8.count)] + Data(part.utf8)) != nil)
    }
    #expect(try sandbox.bytes("encoder.onnx").count < sandbox.bytes("all.onnx").count)
  }

  /// Weights that leave as PyTorch's come back as a run that reconstructs alike, to the last byte.
  @Test func weightsComeBack() async throws {
    let sandbox = try await sandbox()
    let out = try await sandbox.run(line: "export run --names torch -o torch.safetensors")
    #expect(out.status == 0 && out.output.contains("nn.Sequential(nn.Linear(16, 8), nn.ReLU(), "), "\(out.errors)")
    #expect(try await sandbox.run(line: "export run -o own.safetensors").status == 0)
    try await sandbox.run(line: "reconstruct run -o run.npy")
    for names in ["torch", "own"] {
      let line = "import \(names).safetensors --recipe run/config.json -o \(names) --device reference"
      let outcome = try await sandbox.run(line: line)
      #expect(outcome.status == 0 && outcome.output.contains("356 parameters"), "\(outcome.output)\(outcome.errors)")
      try await sandbox.run(line: "reconstruct \(names) --data data.csv -o \(names).npy")
      #expect(try sandbox.bytes("\(names).npy") == sandbox.bytes("run.npy"))
      let again = try await sandbox.run(line: line)
      #expect(again.refused(64) && again.errors.contains("already holds a run"), "\(again.errors)")
      #expect(!again.errors.contains("--resume"), "it has no checkpoint")
    }
  }

  @Test func impossibleExportsAreRefused() async throws {
    let sandbox = try await sandbox()
    try sandbox.write("mine", to: "there.onnx")
    // A folder where the file should be.
    try FileManager.default.createDirectory(
      at: sandbox.folder.appendingPathComponent("full/model.onnx"), withIntermediateDirectories: true)
    for (line, status, part) in [
      ("run -o model.pt", 64, "neither .onnx nor .safetensors"), ("none -o model.onnx", 74, "no run folder"),
      ("run -o model.onnx --part code", 64, "--part"), ("run -o model.onnx --names torch", 64, "--names is about"),
      ("run -o w.safetensors --names keras", 64, "--names"), ("run -o there.onnx", 64, "--overwrite"),
      ("run -o none/model.onnx", 74, "does not exist"), ("run -o full/model.onnx --overwrite", 74, "Cannot write"),
      ("data.csv -o model.onnx", 74, "not a run"), ("run", 64, "Missing"),
      ("run -o run/model.safetensors --overwrite", 64, "a run's own file"),
      ("run --names torch -o ./run/checkpoint.safetensors --overwrite", 64, "a run's own file"),
    ] as [(String, Int32, String)] {
      let outcome = try await sandbox.run(line: "export \(line)")
      #expect(outcome.refused(status) && outcome.errors.contains(part), "\(line): \(outcome.errors)")
    }
    #expect(!sandbox.exists("model.onnx") && !sandbox.exists("w.safetensors"))
    #expect(try await sandbox.run(line: "export run -o run/model.onnx").status == 0, "beside them is room")
    #expect(try sandbox.bytes("there.onnx") == Data("mine".utf8))
  }

  @Test func damagedRunsAreRefused() async throws {
    let sandbox = try await sandbox()
    let whole = try sandbox.bytes("run/model.safetensors")
    try whole.dropLast(9).write(to: sandbox.folder.appendingPathComponent("run/model.safetensors"))
    #expect(try await sandbox.run(line: "export run -o model.onnx").refused(65))
    try FileManager.default.removeItem(atPath: sandbox.path("run/model.safetensors"))
    let outcome = try await sandbox.run(line: "export run -o model.onnx")
    #expect(outcome.refused(74) && outcome.errors.contains("--resume"), "\(outcome.errors)")
    #expect(!sandbox.exists("model.onnx"))
  }

  @Test func whatHasNoModuleIsRefused() async throws {
    let sandbox = try await sandbox()
    try await trained("vae --layers 16,8,4 --out vae", in: sandbox)
    let outcome = try await sandbox.run(line: "export vae --names torch -o vae.safetensors")
    #expect(outcome.refused(64) && outcome.errors.contains("encoder.2 draws the code"), "\(outcome.errors)")
    #expect(try await sandbox.run(line: "export vae --part decoder --names torch -o vae.safetensors").status == 0)
  }

  /// A variance that a loss learned is no module's: whoever imports without it is told.
  @Test func whatIsNotInTheFileIsSaid() async throws {
    let sandbox = try await sandbox()
    let line = "train ppca --layers 16,4 --data data.csv --device reference --out ppca"
    #expect(try await sandbox.run(line: line).status == 0)
    #expect(try await sandbox.run(line: "export ppca --names torch -o w.safetensors").status == 0)
    let imported = try await sandbox.run(
      line: "import w.safetensors --recipe ppca/config.json -o back --device reference")
    #expect(
      imported.status == 0 && imported.errors.contains("'loss.log_variance' is not in 'w.safetensors'"),
      "\(imported.errors)")
    #expect(try await sandbox.run(line: "export ppca -o own.safetensors").status == 0)
    let own = try await sandbox.run(line: "import own.safetensors --recipe ppca -o same --device reference")
    #expect(own.status == 0 && own.errors.isEmpty, "\(own.errors)")
  }

  @Test func impossibleImportsAreRefused() async throws {
    let sandbox = try await sandbox()
    try await sandbox.run(line: "export run --names torch -o w.safetensors")
    let before = try sandbox.bytes("run/model.safetensors")
    let header = #"{"0.weight":{"dtype":"F16","shape":[2],"data_offsets":[0,4]}}"#
    try (Data([UInt8(header.utf8.count), 0, 0, 0, 0, 0, 0, 0]) + Data(header.utf8) + Data(count: 4))
      .write(to: sandbox.folder.appendingPathComponent("half.safetensors"))
    for (line, status, part) in [
      ("none.safetensors --recipe run/config.json", 74, "none.safetensors"),
      ("w.safetensors --recipe none.json", 74, "none.json"), ("w.safetensors", 64, "--recipe"),
      ("w.safetensors --recipe linaer", 64, "(did you mean 'linear'?)"),
      ("half.safetensors --recipe deep", 65, "has the type “F16”"),
      ("w.safetensors --recipe deep", 65, "'0.weight' in 'w.safetensors' is 8 × 16"),
      ("data.csv --recipe run/config.json", 65, "safetensors"),
      ("w.safetensors --recipe run/config.json -o run", 64, "already holds a run"),
    ] as [(String, Int32, String)] {
      let outcome = try await sandbox.run(line: "import \(line)")
      #expect(outcome.refused(status) && outcome.errors.contains(part), "\(line): \(outcome.errors)")
    }
    #expect(!sandbox.exists("runs"), "nothing is begun")
    #expect(try sandbox.bytes("run/model.safetensors") == before)
  }
}
