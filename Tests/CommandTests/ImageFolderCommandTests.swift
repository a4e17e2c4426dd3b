import Cinch
import Foundation
import Testing

extension Sandbox {
  /// A folder of colour images in two folders, `round` and `square`, each 10 of their own sizes.
  func writePhotographs(_ name: String, grey: Bool = false) throws {
    for (kind, label) in ["round", "square"].enumerated() {
      try FileManager.default.createDirectory(atPath: path("\(name)/\(label)"), withIntermediateDirectories: true)
      for index in 0..<10 {
        var image = try RasterImage(width: 12 + index, height: 20 - index, channels: grey ? 1 : 3)
        let (middle, half) = (Double(image.height) / 2, Double(image.width) / 2)
        for pixel in 0..<image.width * image.height {
          let y = (Double(pixel / image.width) + 0.5 - middle) / middle
          let x = (Double(pixel % image.width) + 0.5 - half) / half
          let isInside = kind == 0 ? x * x + y * y < 0.5 : max(abs(x), abs(y)) < 0.6
          for channel in 0..<image.channels {
            image.pixels[pixel * image.channels + channel] = isInside ? UInt8(120 + 10 * index + 20 * channel) : 20
          }
        }
        try PNG.write(image, to: path("\(name)/\(label)/\(index).png"))
      }
    }
  }
}

/// Folders of images, from training to reconstructions in another folder.
@Suite(.serialized) struct ImageFolderCommandTests {
  private static let train =
    "train conv --data photos --resize 8x8 --device reference --batch-size 5 --validation-split 0.2"

  @Test func imagesAreLearnedAndReconstructed() async throws {
    let sandbox = try Sandbox()
    try sandbox.writePhotographs("photos")
    try sandbox.write("no image", to: "photos/round/notes.txt")
    let trained = try await sandbox.run(line: "\(Self.train) --epochs 2 --out run")
    try #require(trained.status == 0, "\(trained.errors)")
    #expect(
      trained.errors.contains("1 entry of") && trained.errors.contains("is no PNG or JPEG file"), "\(trained.errors)")
    let config = try RunFolder(sandbox.path("run")).config()
    #expect(config.data?.options.resize == ImageSize(height: 8, width: 8) && config.sampleShape == [3, 8, 8])
    #expect(config.recipe.image == ImageShape(channels: 3, height: 8, width: 8))

    // The same data are read when the run goes on, to the same bits.
    try await sandbox.run(line: "\(Self.train) --epochs 1 --out other")
    let resumed = try await sandbox.run(line: "train --resume other --epochs 2")
    #expect(resumed.status == 0, "\(resumed.errors)")
    #expect(try sandbox.bytes("run/model.safetensors") == sandbox.bytes("other/model.safetensors"))

    // Of the run's own images, and of others, which are brought to its size and colours.
    try sandbox.writePhotographs("others", grey: true)
    for (data, output) in [("", "own"), ("--data others", "new/")] {
      let outcome = try await sandbox.run(line: "reconstruct run --device reference \(data) -o \(output)")
      #expect(outcome.status == 0 && outcome.output.contains("20 images, 3×8×8"), "\(outcome.errors)")
      try await sandbox.run(line: "reconstruct run --device reference \(data) -o x.npy --overwrite")
      let expected = try NPY.read(sandbox.path("x.npy"))
      let written = try Dataset.load(sandbox.path(output))
      #expect(written.sampleNames?.first == "round/0.png" && written.classNames == ["round", "square"])
      #expect(expected.shape == [20, 3, 8, 8] && written.sampleShape == [3, 8, 8])
      // Half a level of rounding.
      let values = expected.values.map { min(max($0, 0), 1) }
      #expect(zip(values, written.values).allSatisfy { abs($0 - $1) <= 0.51 / 255 })
    }
    let larger = try await sandbox.run(line: "eval run --device reference --data others --resize 10x12")
    #expect(
      larger.refused(65)
        && larger.errors.contains(
          "are 10x12, but this run's model takes 8x8: bring them to that size with --resize 8x8."),
      "\(larger.errors)")
    // Nothing is written over.
    let full = try await sandbox.run(line: "reconstruct run --device reference -o own")
    #expect(full.refused(64) && full.errors.contains("is not empty"), "\(full.errors)")
    let misspelt = try await sandbox.run(line: "reconstruct run --device reference -o x.nyp")
    #expect(misspelt.refused(64) && misspelt.errors.contains("neither .npy nor .csv"), "\(misspelt.errors)")
    for line in ["eval run --json --held-out", "encode run -o codes.npy", "eval run --data others --resize 8x8"] {
      let outcome = try await sandbox.run(line: "\(line) --device reference")
      #expect(outcome.status == 0, "\(outcome.errors)")
    }
    for line in ["encode run -o a.csv", "reconstruct run -o a.csv", "score run -o a.csv"] {
      try await sandbox.run(line: "\(line) --device reference")
      let rows = String(decoding: try sandbox.bytes("a.csv"), as: UTF8.self).split(separator: "\n")
      #expect(rows.count == 21 && rows[0].hasPrefix("name,") && rows[1].hasPrefix("round/0.png,"), "\(line)")
    }
  }

  /// Fitted scalings of bytes are undone to 0…255, and samples without names are numbered.
  @Test func scaledBytesAndUnnamedSamples() async throws {
    let sandbox = try Sandbox()
    try sandbox.writePhotographs("photos", grey: true)
    let line =
      "train linear --data photos --resize 4x4 --layers 16,14 --scale minmax --device reference --epochs 300 --lr 0.01"
    let trained = try await sandbox.run(line: "\(line) --out run")
    try #require(trained.status == 0, "\(trained.errors)")
    #expect(try await sandbox.run(line: "reconstruct run --device reference -o out").status == 0)
    let written = try Dataset.load(sandbox.path("out"))
    var options = Dataset.LoadOptions()
    options.resize = ImageSize(height: 4, width: 4)
    let read = try Dataset.load(sandbox.path("photos"), options: options)
    let error = zip(read.values, written.values).reduce(0) { $0 + abs($1.0 - $1.1) } / Float(read.values.count)
    #expect(read.sampleNames == written.sampleNames && error < 0.1, "\(error)")

    try sandbox.writeData(rows: 12)
    try await sandbox.run(
      line: "train linear --data data.csv --image-shape 4,4 --layers 16,4 --device reference --epochs 1 --out table")
    let outcome = try await sandbox.run(line: "reconstruct table --device reference -o numbered")
    #expect(outcome.status == 0, "\(outcome.errors)")
    let names = try Dataset.load(sandbox.path("numbered")).sampleShape
    #expect(names == [1, 4, 4] && sandbox.exists("numbered/00.png") && sandbox.exists("numbered/11.png"))
    try sandbox.writeData("large.csv", rows: 12, scale: 9)
    let large = try await sandbox.run(line: "reconstruct table --data large.csv --device reference -o large")
    #expect(large.refused(64) && large.errors.contains("images have 0 to 1"), "\(large.errors)")
    #expect(!sandbox.exists("large"))
  }

  @Test(arguments: [
    (64, "--data photos", "is 20x12"), (64, "--data photos", "--resize"),
    (64, "--data photos --resize 8", "--resize 32x32"),
    (64, "--data photos --crop 0x2", "--crop 32x32"), (65, "--data photos --crop 15x15", "choose a smaller --crop"),
    (64, "--data photos --resize 99999x9", "choose a --resize of"), (64, "--resize 8x8", "leave --resize out"),
    (64, "--data data.csv --resize 8x8", "leave --resize out"), (64, "--data data.csv --grey", "leave --grey out"),
    (64, "--data photos --patches 4x14", "which is 20x12: choose smaller ones, or"),
    (65, "--data empty", "holds neither PNG or JPEG files"),
    (65, "--data broken", "is damaged"),
  ])
  func refusalsSayWhatToDo(status: Int32, options: String, part: String) async throws {
    let sandbox = try Sandbox()
    try sandbox.writePhotographs("photos")
    try sandbox.writeData(rows: 8)
    for name in ["empty", "broken"] {
      try FileManager.default.createDirectory(atPath: sandbox.path(name), withIntermediateDirectories: true)
    }
    try sandbox.bytes("photos/round/0.png").prefix(60).write(to: sandbox.folder.appendingPathComponent("broken/a.png"))
    let outcome = try await sandbox.run(line: "train conv \(options) --device reference --out run")
    #expect(outcome.refused(status) && outcome.errors.contains(part), "\(outcome.status) \(outcome.errors)")
    #expect(!sandbox.exists("run"))
  }
}
