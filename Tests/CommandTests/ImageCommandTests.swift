import Cinch
import Foundation
import Testing

extension Sandbox {
  /// Small colour images, blurred spots, as .npy in every order: `nchw.npy`, `nhwc.npy`, `flat.npy`, `flat-nhwc.npy`.
  func writeImages(count: Int = 24, channels: Int = 3, height: Int = 7, width: Int = 6) throws {
    let (rows, columns) = (0..<height, 0..<width)
    func value(_ sample: Int, _ channel: Int, _ row: Int, _ column: Int) -> Float {
      let centre = (Float(sample * 5 % height), Float(sample * 7 % width))
      let distance =
        (Float(row) - centre.0) * (Float(row) - centre.0) + (Float(column) - centre.1) * (Float(column) - centre.1)
      return Float((sample + 3 * channel) % 8 + 1) / 9 * exp(-distance / 6)
    }
    let first = (0..<count).flatMap { n in
      (0..<channels).flatMap { c in rows.flatMap { y in columns.map { x in value(n, c, y, x) } } }
    }
    let last = (0..<count).flatMap { n in
      rows.flatMap { y in columns.flatMap { x in (0..<channels).map { c in value(n, c, y, x) } } }
    }
    let size = channels * height * width
    try NPY.write(values: first, shape: [count, channels, height, width], to: path("nchw.npy"))
    try NPY.write(values: last, shape: [count, height, width, channels], to: path("nhwc.npy"))
    try NPY.write(values: first, shape: [count, size], to: path("flat.npy"))
    try NPY.write(values: last, shape: [count, size], to: path("flat-nhwc.npy"))
  }

  /// Runs a line of words with one argument of several words behind it.
  @discardableResult
  func run(line: String, layers: String) async throws -> Outcome {
    try await start(line.split(separator: " ").map(String.init) + ["--layers", layers]).wait()
  }
}

/// Convolutional recipes from end to end; one after the other, for they are slow on the reference.
@Suite(.serialized) struct ImageCommandTests {
  private static let data = [
    "nchw": "--data nchw.npy", "nhwc": "--data nhwc.npy --layout nhwc", "flat": "--data flat.npy --image-shape 3,7,6",
    "flat-nhwc": "--data flat-nhwc.npy --image-shape 3,7,6 --layout nhwc",
  ]

  @Test func everyLayoutComesToTheSame() async throws {
    let sandbox = try Sandbox()
    try sandbox.writeImages()
    for (name, data) in Self.data {
      let outcome = try await sandbox.run(
        line: "train conv-denoising \(data) --device reference --epochs 2 --batch-size 8 --out \(name)")
      try #require(outcome.status == 0, "\(name): \(outcome.errors)")
      #expect(outcome.errors.contains("3×7×6 → 16×4×3 → 32×2×2 → 16×4×3 → 3×7×6"))
      for file in ["features.png", "filters.png", "reconstructions.png"] { #expect(sandbox.exists("\(name)/\(file)")) }
      try await sandbox.run(line: "encode \(name) --device reference -o \(name)-codes.npy")
      try await sandbox.run(line: "decode \(name) --device reference --codes \(name)-codes.npy -o \(name)-y.npy")
      try await sandbox.run(line: "reconstruct \(name) --device reference -o \(name)-x.npy")
    }
    let model = try sandbox.bytes("nchw/model.safetensors")
    let codes = try NPY.read(sandbox.path("nchw-codes.npy"))
    let first = try NPY.read(sandbox.path("nchw-x.npy"))
    #expect(codes.shape == [24, 32, 2, 2] && first.shape == [24, 3, 7, 6])
    for (name, _) in Self.data {
      #expect(try sandbox.bytes("\(name)/model.safetensors") == model)
      #expect(try NPY.read(sandbox.path("\(name)-codes.npy")).values == codes.values)
      let (x, y) = (try NPY.read(sandbox.path("\(name)-x.npy")), try NPY.read(sandbox.path("\(name)-y.npy")))
      #expect(x.shape == y.shape && zip(x.values, y.values).allSatisfy { abs($0 - $1) < 1e-5 })
      let image = ImageShape(channels: 3, height: 7, width: 6)
      let layout: ImageLayout = name.hasSuffix("nhwc") ? .nhwc : .nchw
      #expect(x.shape.dimensions == [24] + image.shape(in: layout).dimensions)
      #expect(x.values == image.ordered(first.values, as: layout))
    }
    let weights = try Safetensors(contentsOf: sandbox.path("nchw/model.safetensors"))
    #expect(weights["encoder.1.weight"]?.shape == [32, 16, 3, 3])
    #expect(weights["decoder.1.weight"]?.shape == [16, 3, 3, 3])
  }

  @Test func aRunReadsOtherDataAsItsOwn() async throws {
    let sandbox = try Sandbox()
    try sandbox.writeImages()
    let trained = try await sandbox.run(
      line: "train conv --data nhwc.npy --layout nhwc --device reference --epochs 1 --out run --json")
    #expect(trained.status == 0)
    let own = try await sandbox.run(line: "eval run --device reference --json").object()
    for data in ["nhwc.npy", "flat-nhwc.npy", "nchw.npy --layout nchw", "flat.npy --layout nchw"] {
      let other = try await sandbox.run(line: "eval run --device reference --json --data \(data)").object()
      #expect(other["reconstruction_per_sample"] as? Double == own["reconstruction_per_sample"] as? Double)
    }
    #expect(try await sandbox.run(line: "eval run --device reference --data nchw.npy").refused(65))
    #expect(try await sandbox.run(line: "encode run --device reference --data data.csv -o x.npy").refused(74))
    // Codes of another shape, and flat ones.
    try await sandbox.run(line: "encode run --device reference -o codes.npy")
    let codes = try NPY.read(sandbox.path("codes.npy"))
    try NPY.write(values: codes.values, shape: [24, 128], to: sandbox.path("flat-codes.npy"))
    #expect(try await sandbox.run(line: "decode run --device reference --codes flat-codes.npy -o y.npy").status == 0)
    #expect(try NPY.read(sandbox.path("y.npy")).shape == [24, 7, 6, 3])
    try NPY.write(values: codes.values, shape: [24, 2, 2, 32], to: sandbox.path("turned.npy"))
    #expect(try await sandbox.run(line: "decode run --device reference --codes turned.npy -o z.npy").refused(65))
    try await sandbox.run(line: "encode run --device reference -o codes.csv")
    #expect(try Dataset.load(sandbox.path("codes.csv")).features == 128)

    let info = try await sandbox.run(line: "info run")
    #expect(info.output.contains("3×7×6 → 16×4×3 → 32×2×2 → 16×4×3 → 3×7×6 relu, sigmoid, 10,147 parameters"))
  }

  @Test(arguments: ["conv-sparse --tied --validation-split 0.25", "conv-unpool --l1 0.01", "sparse --rho 0.2"])
  func resumingComesToTheSameBits(recipe: String) async throws {
    let sandbox = try Sandbox()
    try sandbox.writeImages()
    let line = "train \(recipe) --data nhwc.npy --layout nhwc --device reference --batch-size 8"
    let layers = "conv 4 3x3, conv 3 3x3 p1"
    #expect(try await sandbox.run(line: "\(line) --epochs 3 --out straight", layers: layers).status == 0)
    #expect(try await sandbox.run(line: "\(line) --epochs 1 --out parts", layers: layers).status == 0)
    #expect(try await sandbox.run(line: "train --resume parts --epochs 3").status == 0)
    #expect(try sandbox.bytes("parts/model.safetensors") == sandbox.bytes("straight/model.safetensors"))
    #expect(try await sandbox.run(line: "train --resume parts --layout nchw").refused(64))
    #expect(try await sandbox.run(line: "train --resume parts --image-shape 3,7,6").refused(64))
  }

  @Test func layersAreWrittenAsText() async throws {
    let sandbox = try Sandbox()
    try sandbox.writeImages(height: 8, width: 8)
    let line = "train conv-sparse --data nchw.npy --device reference --epochs 1 --activation tanh --out run"
    let outcome = try await sandbox.run(line: line, layers: "conv 4 3x3 s2, maxpool 2, conv 5 2x2 valid")
    try #require(outcome.status == 0, "\(outcome.errors)")
    let recipe = try RunFolder(sandbox.path("run")).config().recipe
    #expect(
      try recipe.resolved().shapes.map(\.description) == [
        "3×8×8", "4×4×4", "4×2×2", "5×1×1", "4×2×2", "4×4×4", "3×8×8",
      ])
    #expect(recipe.encoder.filter(\.hasParameters).map(\.activation) == [.tanh, .sigmoid])
    // What unpools needs the pools' places.
    let unpool = try await sandbox.run(
      line: "train conv-unpool --data nchw.npy --device reference --epochs 1 --out unpool", layers: "conv 4, maxpool 2")
    #expect(unpool.status == 0)
    #expect(try RunFolder(sandbox.path("unpool")).config().recipe.decoder.first == .unpool)
    try await sandbox.run(line: "encode unpool --device reference -o codes.npy")
    #expect(try await sandbox.run(line: "decode unpool --device reference --codes codes.npy -o x.npy").refused(64))
    #expect(try await sandbox.run(line: "reconstruct unpool --device reference -o x.npy").status == 0)
  }

  @Test func aRecipeFileMayLeaveTheImageToTheData() async throws {
    let sandbox = try Sandbox()
    try sandbox.writeImages()
    try sandbox.write(
      #"{"encoder": [{"type": "convolution", "filters": 2, "stride": [2, 1], "padding": "same"}]}"#, to: "mine.json")
    let outcome = try await sandbox.run(
      line: "train --recipe mine.json --data nchw.npy --device reference --epochs 1 --out run --quiet")
    #expect(outcome.status == 0, "\(outcome.errors)")
    #expect(outcome.output.contains("3×7×6 → 2×4×6"))
  }

  /// Each names the layer, the shapes and what to change.
  @Test(arguments: [
    ("conv 4 9x9 valid", "image of 7×6 has 7 with padding: use a smaller kernel or pad with 'same'"),
    ("conv 4 3x3 s2, conv 4 7x7 p1", "fewer strides before it, or pad"),
    ("conv 4 3x3 s2, conv 4 7x7 valid", "encoder.1"),
    ("conv 4 3x3 d4 valid", "encoder.0"), ("conv 4, maxpool 9", "encoder.1"), ("conv 4, maxpool 2", "encoder.1"),
    ("conv 4, avgpool 3 s2", "encoder.1"), ("conv 70000", "encoder.0"),
    ("conv 65536, conv 65536 4096x4096 p4096", "GB"),
    ("conv 4 5000x1", "encoder.0"), ("conv 4 s0", "encoder.0"), ("conv 4 s9223372036854775807", "encoder.0"),
    ("conv 4 p9223372036854775807", "encoder.0"), ("conv 4 d9223372036854775807", "encoder.0"),
    ("conv 4, maxpool 0", "encoder.1"), ("conv 4, maxpool 1 s9223372036854775807", "encoder.1"),
    ("maxpool 1, conv 4", "convolution"), ("conv 4,, conv 4", "empty"), ("dense four", "dense"),
    ("conv 4, dropout 1", "encoder.1"), ("conv 4, dropout -0.5", "encoder.1"), ("conv four", "four"),
    ("16,4", "conv 16 3x3"),
  ])
  func badGeometryIsRefused(layers: String, names: String) async throws {
    let sandbox = try Sandbox()
    try sandbox.writeImages()
    let outcome = try await sandbox.run(line: "train conv --data nchw.npy --device reference", layers: layers)
    #expect(outcome.refused(64), "\(layers): \(outcome.status) \(outcome.errors)")
    #expect(outcome.errors.contains(names), "\(layers): \(outcome.errors)")
    #expect(!sandbox.exists("runs"))
  }

  @Test(arguments: [
    (64, "train conv --data flat.npy"), (65, "train conv --data flat.npy --image-shape 3,7"),
    (64, "train conv --data flat.npy --image-shape 1,2,3,4"), (64, "train conv --data flat.npy --image-shape 3,7,0"),
    (64, "train conv --data flat.npy --image-shape 99999999999,99999999999"),
    (65, "train conv --data nhwc.npy --image-shape 3,7,6"), (65, "train conv --data nchw.npy --image-shape 21,6"),
    (64, "train conv --data flat-nhwc.npy --layout nhwc"), (64, "train conv --data nchw.npy --layout chw"),
    (64, "train conv-pool --data nchw.npy"), (64, "train conv-pool --data nchw.npy --tied"),
    (64, "train conv --data nchw.npy --contraction 0.1"), (64, "train conv-sparse --data nchw.npy --activation x"),
    (64, "train conv --data nchw.npy --rho 0.1"), (64, "train conv --data nchw.npy --output-activation tanh"),
    (64, "train --recipe unpool.json --data nchw.npy"), (64, "train --recipe wide.json --data nchw.npy"),
    (64, "train --recipe shrunk.json --data nchw.npy"), (64, "train --recipe empty.json --data nchw.npy"),
    (65, "train conv --data flat.npy --image-shape 3,7,7"), (64, "train conv --data nchw.npy --validation nhwc.npy"),
    (65, "train --recipe image.json --data nchw.npy"), (65, "train conv --data large.npy"),
    (65, "train conv --data nchw.npy --image-shape 3,7,6 --layout nhwc"),
  ])
  func refusalsAreSentences(status: Int32, line: String) async throws {
    let sandbox = try Sandbox()
    try sandbox.writeImages()
    try NPY.write(values: [Float](repeating: 7, count: 84), shape: [2, 1, 7, 6], to: sandbox.path("large.npy"))
    let conv = #"{"type": "convolution", "filters": 3, "activation": "sigmoid"}"#
    try sandbox.write(#"{"encoder": [\#(conv)], "decoder": [{"type": "unpool"}, \#(conv)]}"#, to: "unpool.json")
    try sandbox.write(
      #"{"encoder": [{"type": "convolution", "filters": 2, "kernel": 9, "padding": "valid"}]}"#, to: "wide.json")
    try sandbox.write(
      #"{"encoder": [\#(conv)], "decoder": [\#(conv.replacing("3", with: "3, \"stride\": 2"))]}"#, to: "shrunk.json")
    try sandbox.write(
      #"""
      {"encoder": [\#(conv)],
       "decoder": [{"type": "transposed-convolution", "filters": 3, "kernel": 1, "padding": 9}]}
      """#, to: "empty.json")
    try sandbox.write(#"{"image": [3, 0, 6], "encoder": [\#(conv)]}"#, to: "image.json")
    let outcome = try await sandbox.run(line: line + " --device reference")
    #expect(outcome.refused(status), "\(line): \(outcome.status) \(outcome.output) \(outcome.errors)")
    #expect(!sandbox.exists("runs"), "nothing is left behind")
  }
}
