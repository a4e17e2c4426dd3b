import Cinch
import Foundation
import Testing

/// Units of a code that tell nothing are counted.
@Suite struct CodeUsageTests {
  @Test(arguments: [Device.reference, .cpu])
  func deadAndConstantUnitsAreCounted(_ device: Device) throws {
    let data = try Variants.data(count: 50, features: 13)
    var recipe = Recipe.deep(layers: [13, 6])
    recipe = try recipe.settingActivations(hidden: .relu, code: .relu)
    let model = try Autoencoder(recipe, on: device)
    var parameters = try model.parameters()
    let weight = try #require(parameters.firstIndex { $0.name == "encoder.0.weight" })
    let bias = try #require(parameters.firstIndex { $0.name == "encoder.0.bias" })
    for unit in 0..<6 {
      for input in 0..<13 { parameters[weight].values[unit * 13 + input] = unit < 4 ? 0.1 : 0 }
      parameters[bias].values[unit] = [0, 0.5, 1, -100, 0.25, 0.75][unit]
    }
    try model.setParameters(parameters)
    let usage = try model.codeUsage(data)
    #expect(usage.units == 6 && usage.dead == 1 && usage.constant == 3 && usage.samples == 50)
  }

  /// A channel of an image counts once.
  @Test func channelsAreUnits() throws {
    let image = ImageShape(channels: 1, height: 6, width: 6)
    let data = try Variants.data(count: 8, features: 36).reshaped([1, 6, 6])
    let recipe = Recipe.conv(image: image)
    let usage = try Autoencoder(recipe, on: .reference).codeUsage(data)
    #expect(usage.units == (try recipe.resolved().codeShape.units))
    #expect(usage.constant == 0)
  }

  /// Steps far too large leave a ReLU code without a word to say: the run's end and its config say that.
  @Test func aDeadCodeIsOnRecord() throws {
    let folder = FileManager.default.temporaryDirectory.appending(path: "cinch-\(UUID().uuidString)").path
    defer { try? FileManager.default.removeItem(atPath: folder) }
    var recipe = Recipe.linear(layers: [13, 4])
    recipe = try recipe.settingActivations(hidden: .relu, code: .relu)
    recipe.optimizer.learningRate = 10
    recipe.epochs = 3
    let run = try Run.create(recipe, data: try Variants.data(count: 40, features: 13), in: folder, on: .reference)
    let summary = try #require(try run.train())
    #expect(summary.code.dead == 4)
    #expect(try RunFolder(folder).config().code == summary.code)
  }
}
