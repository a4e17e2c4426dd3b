import CinchBackend
import Testing

@testable import Cinch
@testable import CinchCore

/// Values that no program means, through the public API: errors with a sentence, never a trap.
@Suite struct ExtremeValueTests {
  private func isRefused(_ body: () throws -> Void) {
    #expect(throws: CinchError.self) { try body() }
  }

  @Test(arguments: [[-3, -4], [.max, 2], [.max, .max, .max], [.min, 1], [0, .max, .max]])
  func shapesHoldAnyExtents(_ extents: [Int]) throws {
    let shape = Shape(extents)
    #expect(shape.count == (extents.contains { $0 <= 0 } ? 0 : .max) && shape.dimensions == extents)
    isRefused { _ = try Dataset(values: [1, 2], count: 1, sampleShape: shape) }
    isRefused { _ = try Variants.data(count: 4, features: 13).reshaped(shape) }
    isRefused { _ = try ImageGrid.tiles([0, 1], tileShape: shape) }
    let backend = ReferenceBackend()
    if shape.count > 0 { #expect(throws: BackendError.self) { _ = try backend.tensor(shape) } }
  }

  @Test(arguments: [Int.max, Int.min, 0, -1, 1 << 40])
  func imagesOfAnyExtents(_ extent: Int) {
    let image = ImageShape(channels: extent, height: extent, width: 3)
    #expect(image.shape.dimensions == [extent, extent, 3])
    isRefused { try Recipe.conv(image: image).validate() }
    isRefused { _ = try Autoencoder(.convPool(image: image), on: .reference) }
    isRefused { _ = try Autoencoder(.deep(layers: [extent, 2]), on: .reference) }
    isRefused { _ = try Autoencoder(.deep(layers: [4, extent]), on: .reference) }
    isRefused { _ = try ImageGrid.tiles([0, 1], tileShape: [1, 2], magnification: extent) }
    isRefused { _ = try Variants.data(count: 4, features: 13).subset(0..<max(extent, 5)) }
  }

  /// Inside a trainer's observer the model is at work.
  @Test func anObserverThatAsksTheModelIsTold() throws {
    let trainer = try Trainer(.deep(layers: [13, 3]), on: .reference)
    let data = try Variants.data(count: 600, features: 13)
    try trainer.prepare(data)
    var asked = 0
    _ = try trainer.trainEpoch(epochs: 1) { _ in
      asked += 1
      isRefused { _ = try trainer.model.encode(data) }
      return true
    }
    #expect(asked > 0)
  }

  @Test func parametersAreFiniteAndNamedOnce() throws {
    let model = try Autoencoder(.deep(layers: [13, 3]), on: .reference)
    let before = try model.parameters()
    for bad in [Float.nan, .infinity] {
      var changed = before
      changed[1].values[0] = bad
      isRefused { try model.setParameters(changed) }
    }
    isRefused { try model.setParameters(before + [before[0]]) }
    #expect(try model.parameters() == before)
    try model.setParameters(before)
  }
}
