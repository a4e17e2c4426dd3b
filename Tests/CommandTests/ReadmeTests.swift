import Cinch
import Foundation
import TestSupport
import Testing

/// Every command of the README does what it says, in the order in which they stand there.
@Suite struct ReadmeTests {
  /// The commands of the table of jobs, as words.
  private static let commands: [[String]] = {
    let file = URL(filePath: #filePath).deletingLastPathComponent().appendingPathComponent("../../README.md")
      .standardized
    guard let text = try? String(contentsOf: file, encoding: .utf8) else { return [] }
    return text.matches(of: /\| `cinch ([^`]+)` \|/).map { words(String($0.1)) }
  }()

  /// What `make demo` has the program do.
  private static let demo: [String]? = {
    let file = URL(filePath: #filePath).deletingLastPathComponent().appendingPathComponent("../../Makefile")
      .standardized
    guard let text = try? String(contentsOf: file, encoding: .utf8),
      let device = text.firstMatch(of: /\nDEVICE \?= (\S+)\n/)?.1,
      let line = text.firstMatch(of: /\ndemo:.*\n\t\$\(CINCH\) (.+)\n/)?.1
    else { return nil }
    return words(String(line.replacing("$(DEVICE)", with: device)))
  }()

  /// As a shell takes them; quotes are double.
  private static func words(_ line: String) -> [String] {
    line.split(separator: "\"", omittingEmptySubsequences: false).enumerated().flatMap { index, part in
      index % 2 == 1 ? [String(part)] : part.split(separator: " ").map(String.init)
    }
  }

  /// A few images under the names of Fashion-MNIST's files, so that its commands take no time.
  private func writeFashion(_ sandbox: Sandbox) throws {
    try FileManager.default.createDirectory(atPath: sandbox.path("fashion"), withIntermediateDirectories: true)
    for (prefix, count) in [("train", 80), ("t10k", 60)] {
      let pixels = (0..<count * 784).map { place -> UInt8 in
        let (image, pixel) = place.quotientAndRemainder(dividingBy: 784)
        return pixel / 28 % 10 == image % 10 || pixel % 28 / 3 == image % 7 ? UInt8(200 - image) : 0
      }
      let labels = (0..<count).map { UInt8($0 % 10) }
      let files = [
        ("images-idx3", idx(type: 8, extents: [count, 28, 28], data: pixels)),
        ("labels-idx1", idx(type: 8, extents: [count], data: labels)),
      ]
      for (name, bytes) in files {
        try Data(gzip(bytes)).write(to: URL(filePath: sandbox.path("fashion/\(prefix)-\(name)-ubyte.gz")))
      }
    }
  }

  @Test func theDemonstrationSaysWhereItsPicturesAre() async throws {
    let sandbox = try Sandbox()
    try writeFashion(sandbox)
    let outcome = try await sandbox.start(
      try #require(Self.demo), environment: ["CINCH_DATA": sandbox.path("fashion")]
    ).wait()
    #expect(outcome.status == 0, "\(outcome.errors)")
    let saved = try #require(outcome.output.firstMatch(of: /saved +(\S+) +\((.+)\)/))
    for picture in ["filters.png", "reconstructions.png"] {
      #expect(saved.2.contains(picture) && sandbox.exists("\(saved.1)/\(picture)"), "\(outcome.output)")
    }
  }

  @Test func everyCommandRuns() async throws {
    #expect(Self.commands.count >= 15)
    let sandbox = try Sandbox()
    try writeFashion(sandbox)
    try sandbox.writeData("mine.csv", rows: 80, columns: 8)
    try sandbox.writeData("new.csv", rows: 30, columns: 8)
    try sandbox.writePhotographs("photos")
    try sandbox.writePhotographs("scans")
    var scratches = try RasterImage(width: 32, height: 32)
    for pixel in 0..<32 * 32 { scratches.pixels[pixel] = pixel % 32 == 7 ? 255 : 0 }
    try PNG.write(scratches, to: sandbox.path("scratches.png"))
    let birds = (0..<90).map { row in
      "\(row % 3 == 0 ? "north" : "south"),\(row % 9 == 4 ? "" : "\(30 + row % 3 * 10)"),\(row % 3 * 5)"
    }
    try sandbox.write((["island,bill,depth"] + birds).joined(separator: "\n") + "\n", to: "penguins.csv")
    for words in Self.commands {
      // By itself it learns from few rows for as long as from many.
      let command = words + (words[0] == "impute" ? ["--epochs", "20"] : [])
      let outcome = try await sandbox.start(command, environment: ["CINCH_DATA": sandbox.path("fashion")]).wait()
      #expect(outcome.status == 0, "\(command.joined(separator: " ")): \(outcome.errors)")
      // What a command is asked to write is there.
      for (option, value) in zip(command, command.dropFirst()) where ["-o", "--out", "--output"].contains(option) {
        #expect(sandbox.exists(value), "\(command.joined(separator: " "))")
      }
    }
  }
}
