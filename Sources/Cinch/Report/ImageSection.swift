import CinchBackend
import CinchCore
import CinchData

// Pictures of a report: filters, samples and what is made of them.
extension SampleStudy {
  /// Images in a row of samples.
  private static let mostShown = 12
  /// Larger pictures are made smaller.
  private static let mostSide = 160

  /// The first layer's weights; nil where they are no images.
  ///
  /// - Parameter mostPixels: of the picture.
  static func filters(of model: Autoencoder, _ config: RunConfig, mostPixels: Int) throws -> Markup? {
    guard ImageShape(config.shape) != nil,
      let (picture, caption) = try RunFolder.filters(of: model, shape: config.shape, mostPixels: mostPixels)
    else { return nil }
    let text = caption.prefix(1).uppercased() + caption.dropFirst()
    return
      "<h3>Filters</h3>\n<p>\(text).</p>\n<img class=filters width=\(picture.width) height=\(picture.height) alt=\"\(text)\" src=\"\(try picture.dataURI())\">\n"
  }

  /// The samples that are reconstructed best, and those that are worst, each above its reconstruction.
  func reconstructions(_ errors: ReconstructionErrors) throws -> Markup {
    let count = min(Self.mostShown, (samples.count + 1) / 2)
    return
      "<h3>Reconstructions</h3>\n<p>Mean squared error \(NumberText.short(errors.mean)) per element, of \(text(samples.count)). Each sample stands above its reconstruction, with its own error below.</p>\n"
      + "<h4>Best</h4>\n\(try pairs(Array(errors.order.prefix(count)), errors))"
      + "<h4>Worst</h4>\n\(try pairs(Array(errors.order.suffix(count).reversed()), errors))"
  }

  private func pairs(_ places: [Int], _ errors: ReconstructionErrors) throws -> Markup {
    let chosen = samples.gather(places[...])
    let originals = try config.restore(chosen.values)
    let made = try config.restore(try model.reconstruct(chosen).values)
    let range = RunFolder.range(originals)
    let width = config.shape.count
    let figures = try places.enumerated().map { index, place in
      let part = index * width..<(index + 1) * width
      let picture = try ImageGrid.compared(
        [Array(originals[part]), Array(made[part])], tileShape: RunFolder.tile(config.shape), contrast: .fixed(range))
      return try figure(
        picture, label(place) + ", above its reconstruction", NumberText.short(errors.samples[place]))
    }
    return "<div class=tiles>\n\(figures)</div>\n"
  }

  private func figure(_ picture: RasterImage, _ text: String, _ caption: String) throws -> Markup {
    let side = max(picture.width, picture.height / 2)
    let small = try picture.reduced(by: max(1, (side + Self.mostSide - 1) / Self.mostSide))
    // Small images are enlarged by whole numbers.
    let scale = max(1, 64 / max(small.width, 1))
    return
      "<figure><img width=\(small.width * scale) height=\(small.height * scale) alt=\"\(text)\" title=\"\(text)\" src=\"\(try small.dataURI())\"><figcaption>\(caption)</figcaption></figure>\n"
  }

  /// Samples whose class was told wrong.
  func mistakes(_ places: [Int], told: [Int]) throws -> Markup {
    let places = Array(places.prefix(Self.mostShown))
    guard image != nil, !places.isEmpty else { return "" }
    let values = try config.restore(samples.gather(places[...]).values)
    let width = config.shape.count
    let figures = try places.enumerated().map { index, place in
      let picture = try ImageGrid.tiles(
        Array(values[index * width..<(index + 1) * width]), tileShape: RunFolder.tile(config.shape),
        contrast: .fixed(RunFolder.range(values)))
      return try figure(
        picture, label(place), "\(className(place) ?? "") as \(config.className(told[place]))")
    }
    return "<h4>Some that were told wrong</h4>\n<div class=tiles>\n\(figures)</div>\n"
  }

  /// Small pictures of some of the samples, to be shown beside their points; nil where they are no images.
  ///
  /// - Parameter most: bytes of them all.
  func sheet(_ places: [Int], name: String, most: Int) throws -> PictureSheet? {
    guard image != nil else { return nil }
    let values = try config.restore(samples.gather(places[...]).values)
    let (width, range) = (config.shape.count, RunFolder.range(values))
    let tiles = try places.indices.map { index in
      try ImageGrid.tiles(
        Array(values[index * width..<(index + 1) * width]), tileShape: RunFolder.tile(config.shape),
        contrast: .fixed(range))
    }
    return try PictureSheet(tiles, name: name, most: most)
  }
}
