import Cinch
import Foundation
import Testing

/// Run folders that the library writes.
@Suite struct SavingTests {
  /// A new folder for one test, which is removed behind it.
  private func inFolder(_ body: (String) throws -> Void) throws {
    let folder = FileManager.default.temporaryDirectory.appending(path: "cinch-\(UUID().uuidString)")
    defer { try? FileManager.default.removeItem(at: folder) }
    try body(folder.path)
  }

  private func files(_ folder: String) throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
  }

  @Test func whatBelongedToAnotherModelGoes() throws {
    try inFolder { folder in
      let model = try Autoencoder(.undercomplete(layers: [16, 4]), on: .reference)
      try model.save(to: folder)
      let own = ["config.json", "filters.png", "model.safetensors"]
      #expect(try files(folder) == own)
      let stale = ["checkpoint.safetensors", "history.csv", "reconstructions.png", "features.png"]
      for file in stale + ["notes.txt"] { try Data("old".utf8).write(to: URL(filePath: folder + "/" + file)) }
      try model.save(to: folder)
      #expect(try files(folder) == own + ["notes.txt"])
    }
  }

  @Test func imagesKeepTheirShape() throws {
    try inFolder { folder in
      let image = ImageShape(channels: 3, height: 8, width: 4)
      try Autoencoder(.conv(image: image), on: .reference).save(to: folder)
      #expect(try RunFolder(folder).config().sampleShape == [3, 8, 4])
      #expect(try Autoencoder.load(folder, on: .reference).run?.shape == [3, 8, 4])
      try Autoencoder(.undercomplete(layers: [16, 4]), on: .reference).save(to: folder)
      #expect(try RunFolder(folder).config().sampleShape == [16])
    }
  }

  /// `Device.opencl` names a type of a module that users do not import.
  @Test func oneImportNamesEveryType() throws {
    let families: [KernelFamily] = KernelFamily.allCases
    #expect(families.map { Device.opencl(family: $0).description } == ["opencl/cpu", "opencl/gpu"])
  }
}
