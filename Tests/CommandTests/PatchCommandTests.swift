import Cinch
import Foundation
import Testing

/// Patches of images and whitening, from training to what becomes of a run.
@Suite struct PatchCommandTests {
  private static let train =
    "train sparse --data nchw.npy --patches 3x4 --count 150 --layers 36,5 --scale zca --output-activation linear "
    + "--loss sse --batch-size 32 --device reference"

  private func trained(_ options: String = "", line: String = train) async throws -> Sandbox {
    let sandbox = try Sandbox()
    try sandbox.writeImages()
    let outcome = try await sandbox.run(line: "\(line) --epochs 2 --out run \(options)")
    try #require(outcome.status == 0, "\(outcome.errors)")
    return sandbox
  }

  /// The samples of the run, neither scaled nor from the run's own code.
  private func patches(_ sandbox: Sandbox) throws -> Dataset {
    try Dataset.load(sandbox.path("nchw.npy")).patches(Dataset.Patches(height: 3, width: 4, count: 150))
  }

  @Test func aRunKnowsItsPatches() async throws {
    let sandbox = try await trained()
    let config = try RunFolder(sandbox.path("run")).config()
    #expect(config.data?.options.patches == Dataset.Patches(height: 3, width: 4, count: 150))
    #expect(config.sampleShape == [3, 3, 4] && config.samples?.training == 150)
    let info = try await sandbox.run(line: "info run").output
    #expect(info.contains("150 patches of 3x4") && info.contains("zca"), "\(info)")

    // Codes are those of whitened patches, and reconstructions have the units of the images.
    let data = try patches(sandbox)
    let scaling = try Scaling.fit(.zca, to: data)
    #expect(config.scaling == scaling)
    let model = try Autoencoder.load(sandbox.path("run"), on: .reference)
    let white = try scaling.apply(to: data)
    try await sandbox.run(line: "encode run -o codes.npy")
    let codes = try NPY.read(sandbox.path("codes.npy"))
    #expect(try codes.shape == [150, 5] && codes.values == model.encode(white).values)
    try await sandbox.run(line: "reconstruct run -o x.npy")
    let x = try NPY.read(sandbox.path("x.npy"))
    #expect(try x.shape == [150, 3, 3, 4] && x.values == scaling.invert(model.reconstruct(white).values))
    try await sandbox.run(line: "decode run --codes codes.npy -o y.npy")
    let y = try NPY.read(sandbox.path("y.npy"))
    // Codes were rounded on their way through the file.
    #expect(zip(x.values, y.values).allSatisfy { abs($0 - $1) < 1e-4 })
    let sampled = try await sandbox.run(line: "sample run --count 7 -o samples.npy")
    #expect(sampled.status == 0, "\(sampled.errors)")
    #expect(try NPY.read(sandbox.path("samples.npy")).shape == [7, 3, 3, 4])
    #expect(try await sandbox.run(line: "sample run").status == 0)
  }

  /// Other patches and other images are read as they are asked for; whole images are not taken for patches.
  @Test func otherDataNeedPatchesToo() async throws {
    let sandbox = try await trained()
    try sandbox.writeImages(count: 3, height: 9, width: 8)
    func count(_ options: String) async throws -> Int? {
      let outcome = try await sandbox.run(line: "eval run --json \(options)")
      return try outcome.object()["samples"] as? Int
    }
    #expect(try await count("--data nchw.npy --patches 3x4") == 150)
    #expect(try await count("--data nchw.npy --patches 3x4 --count 20 --patch-seed 4") == 20)
    #expect(try await count("--data nhwc.npy --layout nhwc --patches 3x4 --count 20") == 20)
    for line in [
      "encode run --data nchw.npy -o a.npy", "eval run --data nchw.npy", "sample run --data nchw.npy",
      "encode run --data nchw.npy --patches 4x4 -o a.npy",
    ] {
      let outcome = try await sandbox.run(line: line)
      #expect(
        outcome.refused(65) && outcome.errors.contains("model takes patches of 3x4: cut some with --patches 3x4"),
        "\(line): \(outcome.errors)")
    }
    // Whole ones pass as tiles.
    #expect(try await sandbox.run(line: "reconstruct run --data nchw.npy -o whole.npy").status == 0)
    #expect(try NPY.read(sandbox.path("whole.npy")).shape == [3, 3, 9, 8])
    let sampled = try await sandbox.run(line: "sample run --data nchw.npy --patches 3x4 --count 2 -o s.npy")
    #expect(try sampled.status == 0 && NPY.read(sandbox.path("s.npy")).shape.rows == 2, "\(sampled.errors)")
    // The run's own images are others now.
    let resumed = try await sandbox.run(line: "train --resume run --epochs 3")
    #expect(resumed.refused(65) && resumed.errors.contains("--changed-data"), "\(resumed.errors)")
    #expect(try await sandbox.run(line: "train --resume run --epochs 3 --changed-data").status == 0)
  }

  /// Resumed to the bits of a run that was never stopped, with held-out patches; channels first or last come to the same.
  @Test func aRunGoesOn() async throws {
    let sandbox = try await trained("--validation-split 0.2")
    let line = "\(Self.train) --validation-split 0.2 --epochs 3 --out straight"
    try await sandbox.run(line: line)
    let white = try sandbox.bytes("run/scaling.safetensors")
    let resumed = try await sandbox.run(line: "train --resume run --epochs 3")
    #expect(resumed.status == 0, "\(resumed.errors)")
    for file in ["model.safetensors", "scaling.safetensors"] {
      #expect(try sandbox.bytes("run/\(file)") == sandbox.bytes("straight/\(file)"), "\(file)")
    }
    let configs = try ["run", "straight"].map { name in
      var config = try RunFolder(sandbox.path(name)).config()
      #expect(config.provenance?.count == (name == "run" ? 2 : 1))
      config.provenance = nil
      return config
    }
    #expect(configs[0] == configs[1])
    #expect(try sandbox.bytes("run/scaling.safetensors") == white)
    #expect(try await sandbox.run(line: "eval run --held-out --json").object()["samples"] as? Int == 30)
    let last = line.replacing("nchw.npy", with: "nhwc.npy --layout nhwc").replacing("straight", with: "last")
    #expect(try await sandbox.run(line: last).status == 0)
    try await sandbox.run(line: "reconstruct straight -o first.npy")
    try await sandbox.run(line: "reconstruct last -o last.npy")
    let (first, other) = (try NPY.read(sandbox.path("first.npy")), try NPY.read(sandbox.path("last.npy")))
    let image = ImageShape(channels: 3, height: 3, width: 4)
    #expect(other.shape == [150, 3, 4, 3])
    #expect(
      zip(image.ordered(first.values, as: .nhwc), other.values).allSatisfy { abs($0 - $1) < 1e-5 })
  }

  /// Convolutions take patches for images.
  @Test func convolutionsTakePatches() async throws {
    let sandbox = try await trained(
      line: "train conv --data nhwc.npy --layout nhwc --patches 4x4 --count 40 --device reference")
    let config = try RunFolder(sandbox.path("run")).config()
    #expect(config.recipe.image == ImageShape(channels: 3, height: 4, width: 4))
    let encoded = try await sandbox.run(line: "encode run --data nhwc.npy --patches 4x4 --count 5 -o c.npy")
    #expect(encoded.status == 0, "\(encoded.errors)")
    let whole = try await sandbox.run(line: "encode run --data nhwc.npy -o whole.npy")
    #expect(whole.refused(65) && whole.errors.contains("--patches 4x4"), "\(whole.errors)")
  }

  @Test(arguments: [
    (64, "--data nchw.npy --count 5", "add their size, --patches 8x8"),
    (64, "--data nchw.npy --patch-seed 5", "add their size, --patches 8x8"),
    (64, "--data nchw.npy --patches 8x3", "8x3 do not fit into images of 7x6"),
    (64, "--data nchw.npy --patches 0x3", "takes a height and a width of 1 or more, not '0x3'"),
    (64, "--data nchw.npy --patches 3", "not '3'"), (64, "--data nchw.npy --patches 3x", "not '3x'"),
    (64, "--data nchw.npy --patches 3x3x3", "not '3x3x3'"), (64, "--data nchw.npy --patches -1x3", "--patches"),
    (64, "--data nchw.npy --patches 99999999999999999999x3", "not '99999999999999999999x3'"),
    (64, "--data nchw.npy --patches 3x3 --count 0", "choose a --count of 1 to"),
    (64, "--data nchw.npy --patches 3x3 --count -3", "choose a --count of 1 to"),
    (64, "--data nchw.npy --patches 3x3 --count 9000000000000000000", "choose a --count of 1 to"),
    (64, "--data data.csv --patches 3x3", "is a table, which has no patches"),
    (64, "--data nchw.npy --zca-epsilon 0.1", "add --scale zca"),
    (64, "--data nchw.npy --scale standard --zca-epsilon 0.1", "add --scale zca"),
    (64, "--data nchw.npy --scale zca --zca-epsilon -1", "--zca-epsilon must be a number of 0 or more, not -1"),
    (64, "--data nchw.npy --scale zca --zca-epsilon nan", "--zca-epsilon must be a number of 0 or more"),
    (65, "--data nchw.npy --scale zca --zca-epsilon 0", "choose a larger --zca-epsilon"),
    (65, "--data nchw.npy --patches 3x3 --layers 16,4", "--layers begins with 16"),
    (65, "--data nchw.npy --patches 3x3 --scale zca --loss bce", "or --loss sse with --output-activation linear"),
    (65, "--data same.csv --scale zca", "there is nothing to whiten"),
  ])
  func refusalsSayWhatToDo(status: Int32, options: String, part: String) async throws {
    let sandbox = try Sandbox()
    try sandbox.writeImages()
    try sandbox.writeData(rows: 20)
    try sandbox.write("1,2\n1,2\n1,2\n", to: "same.csv")
    let outcome = try await sandbox.run(line: "train sparse \(options) --device reference --out run")
    #expect(outcome.refused(status) && outcome.errors.contains(part), "\(outcome.status) \(outcome.errors)")
    #expect(!sandbox.exists("run"))
  }

  /// A sigmoid cannot come to what whitening makes.
  @Test func unfitOutputsAreSaid() async throws {
    let sandbox = try Sandbox()
    try sandbox.writeImages()
    let line = "train sparse --data nchw.npy --patches 3x3 --count 50 --scale zca --device reference --epochs 1 --out"
    let sigmoid = try await sandbox.run(line: "\(line) a")
    #expect(sigmoid.status == 0 && sigmoid.errors.contains("add --output-activation linear"), "\(sigmoid.errors)")
    let linear = try await sandbox.run(line: "\(line) b --output-activation linear")
    #expect(linear.status == 0 && !linear.errors.contains("add --output-activation"), "\(linear.errors)")
  }

  @Test func damagedMatricesAreSentences() async throws {
    let sandbox = try await trained()
    let path = "run/scaling.safetensors"
    let whole = try sandbox.bytes(path)
    func refused(_ status: Int32, _ part: String, _ note: String) async throws {
      for line in ["eval run", "info run", "train --resume run --epochs 3"] {
        let outcome = try await sandbox.run(line: line)
        #expect(
          outcome.refused(status) && outcome.errors.contains(part),
          "\(note), \(line): \(outcome.status) \(outcome.errors)")
      }
    }
    for length in [4, 100, whole.count / 2, whole.count - 3] {
      try whole.prefix(length).write(to: sandbox.folder.appendingPathComponent(path))
      try await refused(65, "use an intact copy", "\(length) bytes")
    }
    try (whole.dropLast(8) + Data(repeating: 0xFF, count: 8)).write(to: sandbox.folder.appendingPathComponent(path))
    try await refused(65, "damaged", "NaN")
    try whole.write(to: sandbox.folder.appendingPathComponent(path))
    try sandbox.editHeader(path) { $0.replacing("[36,36]", with: "[18,72]") }
    try await refused(65, "damaged", "another shape")
    try FileManager.default.removeItem(atPath: sandbox.path(path))
    try await refused(74, "bring back the files that were saved together", "missing")
    // Of another run with as many features.
    try await sandbox.run(line: "\(Self.train) --patch-seed 1 --epochs 1 --out other")
    try sandbox.bytes("other/scaling.safetensors").write(to: sandbox.folder.appendingPathComponent(path))
    try await refused(65, "belongs to another run", "another run's")
    try whole.write(to: sandbox.folder.appendingPathComponent(path))
    #expect(try await sandbox.run(line: "eval run").status == 0)
  }

  /// Models that are saved take their whitening along, and leave none that is not theirs.
  @Test func savedModelsHaveTheirWhitening() async throws {
    let sandbox = try await trained()
    let model = try Autoencoder.load(sandbox.path("run"), on: .reference)
    let config = try #require(model.run)
    let data = try config.prepare(try patches(sandbox))
    try model.save(to: sandbox.path("copy"))
    let copy = try Autoencoder.load(sandbox.path("copy"), on: .reference)
    #expect(copy.run?.scaling == config.scaling)
    #expect(try copy.encode(data).values == model.encode(data).values)
    let plain = try Autoencoder(.linear(layers: [36, 2]), on: .reference)
    try plain.save(to: sandbox.path("copy"), trainedOn: try patches(sandbox))
    #expect(!sandbox.exists("copy/scaling.safetensors"))
    #expect(try Autoencoder.load(sandbox.path("copy"), on: .reference).run?.scaling == nil)
    try plain.save(to: sandbox.path("copy"), trainedOn: data)
    #expect(try Autoencoder.load(sandbox.path("copy"), on: .reference).run?.scaling == config.scaling)
  }

  /// Patches take no memory of their own; what is made of them fits, or is refused in a sentence.
  @Test(arguments: [(2_000_000, 0), (1_000_000_000, 69)])
  func manyPatchesAreNoTrap(count: Int, status: Int32) async throws {
    let sandbox = try await trained(
      line: "train linear --data nchw.npy --patches 3x4 --count 10 --layers 36,2 --device reference")
    let line = "encode run --data nchw.npy --patches 3x4 --count \(count) -o c.npy"
    let outcome = try await sandbox.start(line.split(separator: " ").map(String.init), kibibytes: 600_000).wait()
    #expect(outcome.status == status, "\(outcome.status) \(outcome.errors)")
    #expect(status == 0 || outcome.refused(69) && outcome.errors.contains("no room"), "\(outcome.errors)")
  }
}
