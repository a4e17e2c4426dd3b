import Cinch
import Foundation
import Testing

/// Photographs of their own sizes, noise, and what is missing, from the command line.
@Suite(.serialized) struct PhotographCommandTests {
  private static let train =
    "train conv-denoising --data photos --patches 8x8 --count 64 --device reference --batch-size 16 --epochs 2"

  private func read(_ sandbox: Sandbox, _ path: String) throws -> Dataset { try Dataset.load(sandbox.path(path)) }

  /// Patches of images of different sizes are learned, and whole images come back, each at its size and under its name.
  @Test func photographsPassAsTiles() async throws {
    let sandbox = try Sandbox()
    try sandbox.writePhotographs("photos")
    let trained = try await sandbox.run(line: "\(Self.train) --out run")
    try #require(trained.status == 0, "\(trained.errors)")
    let config = try RunFolder(sandbox.path("run")).config()
    #expect(config.sampleShape == [3, 8, 8] && config.data?.options.patches?.count == 64)
    #expect(config.data?.options.layout == .nchw)
    try await sandbox.run(line: "\(Self.train) --epochs 1 --out other")
    #expect(try await sandbox.run(line: "train --resume other --epochs 2").status == 0)
    #expect(try sandbox.bytes("run/model.safetensors") == sandbox.bytes("other/model.safetensors"))

    for command in ["reconstruct", "denoise"] {
      let outcome = try await sandbox.run(line: "\(command) run --device reference --data photos -o \(command)")
      #expect(outcome.status == 0 && outcome.output.contains("20 images"), "\(outcome.errors)")
      for name in ["round/0.png", "square/9.png"] {
        #expect(try read(sandbox, "\(command)/\(name)").sampleShape == read(sandbox, "photos/\(name)").sampleShape)
      }
    }
    #expect(try sandbox.bytes("reconstruct/round/3.png") == sandbox.bytes("denoise/round/3.png"))
    #expect(sandbox.exists("run/denoised.png"))
    // What the library makes of one image is what the program writes, but for rounding to levels.
    let model = try Autoencoder.load(sandbox.path("run"), on: .reference)
    let files = try ImageFiles(sandbox.path("photos"))
    let expected = try model.reconstructTiles(try files.load(3, colour: .colour)).values
    let written = try read(sandbox, "reconstruct/\(files.names[3])").values
    #expect(zip(expected, written).allSatisfy { abs(min(max($0, 0), 1) - $1) <= 0.51 / 255 })

    // One file, as a picture and as an array.
    for output in ["one.png", "one.npy"] {
      let outcome = try await sandbox.run(
        line: "reconstruct run --device reference --data photos/round/0.png -o \(output)")
      #expect(outcome.status == 0, "\(outcome.errors)")
    }
    #expect(try sandbox.bytes("one.png") == sandbox.bytes("reconstruct/round/0.png"))
    #expect(try NPY.read(sandbox.path("one.npy")).shape == [1, 3, 20, 12])

    // Larger images of an array.
    try sandbox.writeImages(count: 3, height: 9, width: 12)
    for data in ["nchw.npy", "nhwc.npy --layout nhwc"] {
      let outcome = try await sandbox.run(
        line: "reconstruct run --device reference --data \(data) -o large.npy --overwrite")
      #expect(outcome.status == 0, "\(outcome.errors)")
      #expect(try NPY.read(sandbox.path("large.npy")).shape == [3, 3, 9, 12])
    }

    let added = try await sandbox.run(
      line: "denoise run --device reference --data photos --add-noise --seed 4 --picture noise.png -o noisy")
    #expect(added.status == 0 && sandbox.exists("noise.png") && sandbox.exists("noisy/round/0.png"), "\(added.errors)")
    #expect(added.output.contains("masking 0.3, seed 4") && added.output.contains("psnr"))
    let again = try await sandbox.run(line: "denoise run --device reference --data photos --add-noise --seed 4")
    #expect(again.output.split(separator: "\n").prefix(3) == added.output.split(separator: "\n").prefix(3))
    let other = try await sandbox.run(line: "denoise run --device reference --data photos --add-noise --seed 5")
    #expect(other.output.split(separator: "\n")[1] != added.output.split(separator: "\n")[1])

    let refusals: [(String, Int32, String)] = [
      ("reconstruct run --data photos -o all.npy", 64, "Images of different sizes make no array"),
      ("reconstruct run --data photos -o all.png", 64, "holds one image, and there are 20"),
      ("denoise run --data photos --seed 4", 64, "add --add-noise"),
      ("denoise run --data photos --picture a.npy", 64, "is a PNG file"),
      ("denoise run --data photos -o denoise", 64, "is not empty"),
      ("denoise run --data photos -o apart --picture apart/round/3.png", 64, "is one of the images' files"),
    ]
    for (line, status, part) in refusals {
      let outcome = try await sandbox.run(line: "\(line) --device reference")
      #expect(outcome.refused(status) && outcome.errors.contains(part), "\(line): \(outcome.errors)")
    }
    // One that is smaller than the model's, and one that is damaged: nothing is written.
    var small = try RasterImage(width: 30, height: 5, channels: 3)
    small.pixels[0] = 7
    try PNG.write(small, to: sandbox.path("photos/round/z.png"))
    let outcome = try await sandbox.run(line: "reconstruct run --device reference --data photos -o small")
    #expect(outcome.refused(65) && outcome.errors.contains("smaller than the 8x8"), "\(outcome.errors)")
    #expect(outcome.errors.contains("--resize 8x8") && !sandbox.exists("small"))
    try sandbox.write("\u{FF}", to: "broken.jpg")
    let broken = try await sandbox.run(line: "reconstruct run --device reference --data broken.jpg -o small")
    #expect(broken.refused(65) || broken.refused(64), "\(broken.errors)")
  }

  @Test func missingPartsAreFilledIn() async throws {
    let sandbox = try Sandbox()
    try sandbox.writeImages(count: 12, channels: 1, height: 8, width: 8)
    let trained = try await sandbox.run(
      line: "train conv-denoising --corruption block --corruption-level 0.2 --data nchw.npy --device reference "
        + "--batch-size 6 --epochs 2 --out run")
    try #require(trained.status == 0, "\(trained.errors)")
    #expect(trained.errors.contains("block 0.2"))
    let info = try await sandbox.run(line: "info run")
    #expect(info.output.contains("block 0.2"))

    let drawn = try await sandbox.run(line: "inpaint run --device reference --block 3x2 --seed 1 -o filled.npy")
    #expect(drawn.status == 0, "\(drawn.errors)")
    for word in ["a block of 3x2", "inpainted", "diffusion", "mean", "psnr"] { #expect(drawn.output.contains(word)) }
    #expect(sandbox.exists("run/inpainted.png"))
    let (before, after) = (
      try NPY.read(sandbox.path("nchw.npy")), try NPY.read(sandbox.path("filled.npy"))
    )
    #expect(after.shape == [12, 1, 8, 8])
    let mask = try ImageMask.blocks(
      ImageSize(height: 3, width: 2), of: ImageSize(height: 8, width: 8), count: 12, seed: 1)
    for place in before.values.indices where !mask.missing[place] {
      #expect(before.values[place] == after.values[place])
    }
    #expect(before.values.indices.contains { before.values[$0] != after.values[$0] })

    // A mask of a file, of all images or of each.
    var image = try RasterImage(width: 8, height: 8)
    for pixel in 0..<64 { image.pixels[pixel] = mask.missing[pixel] ? 255 : 0 }
    try PNG.write(image, to: sandbox.path("mask.png"))
    try NPY.write(values: mask.missing.map { $0 ? 1 : 0 }, shape: [12, 8, 8], to: sandbox.path("masks.npy"))
    let one = try await sandbox.run(line: "inpaint run --device reference --mask mask.png -o folder --picture a.png")
    #expect(one.status == 0 && sandbox.exists("folder/00.png") && sandbox.exists("a.png"), "\(one.errors)")
    #expect(!one.output.contains("psnr"))
    try await sandbox.run(line: "inpaint run --device reference --mask masks.npy -o same.npy")
    #expect(try sandbox.bytes("same.npy") == sandbox.bytes("filled.npy"))
    try await sandbox.run(line: "inpaint run --device reference --mask masks.npy --rounds 3 -o rounds.npy")
    #expect(try sandbox.bytes("rounds.npy") != sandbox.bytes("filled.npy"))

    // A photograph of its own size.
    try PNG.write(try RasterImage(width: 20, height: 11, filledWith: 99), to: sandbox.path("large.png"))
    let large = try await sandbox.run(
      line: "inpaint run --device reference --data large.png --block 4x4 -o large-filled.png")
    #expect(large.status == 0, "\(large.errors)")
    #expect(try read(sandbox, "large-filled.png").sampleShape == [1, 11, 20])

    // Two of them, one after the other, and a mask for each.
    try FileManager.default.createDirectory(atPath: sandbox.path("many"), withIntermediateDirectories: true)
    for name in ["a", "b"] {
      try PNG.write(try RasterImage(width: 20, height: 11, filledWith: 99), to: sandbox.path("many/\(name).png"))
    }
    let holes = (0..<440).map { Float($0 < 40 || $0 >= 430 ? 1 : 0) }
    try NPY.write(values: holes, shape: [2, 11, 20], to: sandbox.path("two.npy"))
    try NPY.write(values: holes + holes[..<220], shape: [3, 11, 20], to: sandbox.path("three.npy"))
    let many = try await sandbox.run(line: "inpaint run --device reference --data many --mask two.npy -o many-filled")
    #expect(many.status == 0, "\(many.errors)")
    for (index, name) in ["a", "b"].enumerated() {
      let filled = try read(sandbox, "many-filled/\(name).png").values
      for place in 0..<220 where holes[220 * index + place] == 0 { #expect(filled[place] == Float(99) / 255) }
    }
    // As many values as an image of the model's, in another shape.
    try NPY.write(values: before.values, shape: [12, 1, 4, 16], to: sandbox.path("wide.npy"))

    try sandbox.write("no mask", to: "mask.txt")
    let refusals: [(String, Int32, String)] = [
      ("", 64, "by --mask FILE or by --block"), ("--block 3x3 --mask mask.png", 64, "give one of them"),
      ("--mask mask.png --seed 3", 64, "add --block"), ("--block 9x3", 64, "does not fit into images of 8x8"),
      ("--block 3", 64, "--block"), ("--mask mask.txt", 65, "is no mask"), ("--mask missing.png", 74, "missing.png"),
      ("--mask mask.png --data large.png", 65, "The mask is 8x8, but images of"),
      ("--mask three.npy --data many -o many-3", 65, "3 masks for 2 images"),
      ("--block 2x2 --data wide.npy", 65, "4×16"),
      ("--mask mask.png --rounds 0", 64, "rounds of inpainting"),
      ("--mask mask.png -o a.txt", 64, "neither .npy nor .csv nor .png"),
      ("--block 4x4 --data large.png -o b.png --picture ./b.png", 64, "name two files"),
      ("--block 4x4 --data large.png -o run/inpainted.png --overwrite", 64, "name two files"),
    ]
    for (options, status, part) in refusals {
      let outcome = try await sandbox.run(line: "inpaint run --device reference \(options)")
      #expect(outcome.refused(status) && outcome.errors.contains(part), "\(options): \(outcome.errors)")
    }
  }

  /// Grey images without an axis of channels come back without one, from every command that writes images.
  @Test func imagesKeepTheShapeOfTheirArray() async throws {
    let sandbox = try Sandbox()
    let values = (0..<12 * 64).map { Float($0 % 7) / 7 }
    try NPY.write(values: values, shape: [12, 8, 8], to: sandbox.path("grey.npy"))
    let trained = try await sandbox.run(
      line: "train denoising --layers 64,8 --data grey.npy --device reference --batch-size 6 --epochs 1 --out run")
    try #require(trained.status == 0, "\(trained.errors)")
    for command in ["reconstruct run", "denoise run", "inpaint run --block 2x2"] {
      let outcome = try await sandbox.run(line: "\(command) --device reference -o result.npy --overwrite")
      #expect(outcome.status == 0, "\(command): \(outcome.errors)")
      #expect(try NPY.read(sandbox.path("result.npy")).shape == [12, 8, 8], "\(command)")
    }
  }

  /// Runs of the wrong kind are refused, and tables are denoised as tables.
  @Test func otherRuns() async throws {
    let sandbox = try Sandbox()
    try sandbox.writeData(rows: 24)
    for line in [
      "train linear --layers 16,4 --out plain", "train denoising --layers 16,8 --corruption gaussian --out noisy",
      "train classifier --layers 16,4 --out classes --label-column 1",
    ] {
      try await sandbox.run(line: "\(line) --data data.csv --device reference --epochs 1")
    }
    let refusals: [(String, Int32, String)] = [
      ("denoise plain", 64, "use 'cinch reconstruct'"), ("denoise noisy", 64, "name it by --output"),
      ("denoise noisy -o folder/", 64, "are no images"), ("denoise noisy --picture a.png -o a.npy", 64, "no picture"),
      ("inpaint noisy --block 2x2", 65, "of which no part can be missing"),
    ]
    for (line, status, part) in refusals {
      let outcome = try await sandbox.run(line: "\(line) --device reference")
      #expect(outcome.refused(status) && outcome.errors.contains(part), "\(line): \(outcome.errors)")
    }
    let outcome = try await sandbox.run(line: "denoise noisy --device reference --add-noise -o a.csv")
    #expect(outcome.status == 0 && outcome.output.contains("gaussian 0.3, seed 0"), "\(outcome.errors)")
    #expect(try Dataset.load(sandbox.path("a.csv")).count == 24)
    let block = try await sandbox.run(line: "train denoising --layers 16,8 --corruption block --data data.csv --out no")
    #expect(block.refused(64) && block.errors.contains("conv-denoising"), "\(block.errors)")
  }

  /// The run remembers which order it was told, or took.
  @Test func channelsThatMayComeLastAreAskedAbout() async throws {
    let sandbox = try Sandbox()
    try sandbox.writeImages()
    let train = "train conv --device reference --epochs 1 --batch-size 8"
    let asked = try await sandbox.run(line: "\(train) --data nhwc.npy --out run")
    #expect(asked.refused(64) && asked.errors.contains("--layout nhwc, or first, --layout nchw"), "\(asked.errors)")
    #expect(!sandbox.exists("run"))
    #expect(try await sandbox.run(line: "\(train) --data nhwc.npy --layout nhwc --out run").status == 0)
    #expect(try await sandbox.run(line: "train --resume run --epochs 2").status == 0)
    #expect(try await sandbox.run(line: "eval run --device reference --data nhwc.npy").status == 0)
    // A run with channels first asks, too, unless its own samples look as these do.
    let first = "train linear --data nchw.npy --layers 126,4 --device reference --epochs 1 --out first"
    #expect(try await sandbox.run(line: first).status == 0)
    let other = try await sandbox.run(line: "eval first --device reference --data nhwc.npy")
    #expect(other.refused(64) && other.errors.contains("looks like channels"), "\(other.errors)")
    let line = "train linear --data nhwc.npy --layout nchw --layers 126,4 --device reference --epochs 1 --out odd"
    #expect(try await sandbox.run(line: line).status == 0)
    #expect(try await sandbox.run(line: "eval odd --device reference --data nhwc.npy").status == 0)
  }
}
