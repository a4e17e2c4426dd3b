import Cinch
import Testing

/// Rows leave a device in the order that is asked for, and files get them as they are.
@Suite struct OutputOrderTests {
  private let image = ImageShape(channels: 3, height: 8, width: 4)
  private let samples: Dataset
  private let scaling: Scaling

  init() throws {
    let values = (0..<6 * 96).map { Float(($0 * 37) % 101) / 7 }
    let data = try Dataset(stored: values, count: 6, sampleShape: image.shape, layout: .nhwc)
    scaling = try Scaling.fit(.minmax, to: data)
    samples = try scaling.apply(to: data)
  }

  private func config(_ model: Autoencoder, _ scaling: Scaling?) -> RunConfig {
    var options = Dataset.LoadOptions()
    options.layout = .nhwc
    return RunConfig(
      recipe: model.recipe, data: DataSource("images.npy", options: options), scaling: scaling,
      sampleShape: image.shape, device: model.device)
  }

  private func address(_ values: [Float]) -> UnsafePointer<Float>? { values.withUnsafeBufferPointer(\.baseAddress) }

  @Test func imagesAreNotTurnedTwice() throws {
    let model = try Autoencoder(.conv(image: image), on: .reference)
    let codes = try model.encode(samples)
    for (first, last) in [
      (try model.reconstruct(samples), try model.reconstruct(samples, in: .nhwc)),
      (try model.decode(codes), try model.decode(codes, in: .nhwc)),
    ] {
      #expect(first.layout == .nchw && last.layout == .nhwc)
      #expect(last.stored == image.channelsLast(first.stored) && last.values == first.values)
      let (values, shape) = try config(model, scaling).inFiles(last)
      #expect(shape == [8, 4, 3])
      #expect(try values == image.channelsLast(scaling.invert(first.values)))
      #expect(try config(model, scaling).inFiles(first).values == values)
      // Not so much as a copy.
      #expect(try address(config(model, nil).inFiles(last).values) == address(last.stored))
    }
  }

  /// A dense layer's input has channels first, whatever is asked for.
  @Test func vectorsAreTurnedOnce() throws {
    let model = try Autoencoder(.undercomplete(layers: [96, 8]), on: .reference)
    let (first, last) = (try model.reconstruct(samples), try model.reconstruct(samples, in: .nhwc))
    #expect(last.layout == .nchw && last.stored == first.stored)
    let (values, shape) = try config(model, scaling).inFiles(last)
    #expect(shape == [8, 4, 3])
    #expect(try values == image.channelsLast(scaling.invert(first.values)))
  }
}
