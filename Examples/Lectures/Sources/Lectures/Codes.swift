import Cinch

/// What 2, 10 and 30 numbers keep of an image: principal components against linear, shallow and deep autoencoders; and the
/// codes of two numbers as a map.
func codes(_ setting: Setting) throws {
  let (data, test) = (try Dataset.fashionMNIST(), try Dataset.fashionMNIST(split: .test))
  var table = Table(["numbers", "PCA", "linear", "shallow", "deep"])
  var maps: [String: Dataset] = [:]
  let some = try test.prefix(12)
  var rows = ["original": some.values]
  for count in [2, 10, 30] {
    var cells = ["\(count)"]
    for (name, recipe) in try recipes(count) {
      let model = try setting.trained(recipe, on: data)
      let error = try model.squaredError(test)
      print("\(name), \(count) numbers: \(error.digits(2))")
      cells.append(error.digits(2))
      if count == 2, name == "PCA" || name == "deep" { maps[name] = try model.encode(test) }
      if count == 30 { rows[name] = try model.reconstruct(some).values }
    }
    table.add(cells)
  }
  for (name, codes) in maps.sorted(by: { $0.key < $1.key }) {
    try setting.write(
      try scatter(codes, labels: test.labels ?? []), "Test images by two numbers, \(name); a colour for each kind",
      to: "map-\(name).png")
  }
  try setting.write(
    try ImageGrid.compared(
      ["original", "PCA", "linear", "shallow", "deep"].compactMap { rows[$0] }, tileShape: [28, 28], magnification: 2),
    "Originals, and what 30 numbers keep: PCA, linear, shallow, deep", to: "thirty.png")
  print("\nSquared error of a test image, by what it was reduced to:")
  table.show()
}

private func recipes(_ count: Int) throws -> [(String, Recipe)] {
  func trained(_ recipe: Recipe, epochs: Int) -> Recipe {
    var recipe = recipe
    recipe.epochs = epochs
    // From 1e-3 to nothing, so that the last digits settle.
    recipe.schedule = Schedule(.cosine)
    return recipe
  }
  // All by squared error, as PCA is.
  let shallow = Recipe(
    name: "shallow", layers: [784, count], activation: .relu, outputActivation: .sigmoid, loss: .sse)
  let deep = Recipe(
    name: "deep", layers: [784, 512, 128, count], activation: .relu, codeActivation: .linear,
    outputActivation: .sigmoid,
    loss: .sse)
  return [
    ("PCA", .pca(layers: [784, count])), ("linear", trained(.linear(layers: [784, count]), epochs: 10)),
    ("shallow", trained(shallow, epochs: 20)), ("deep", trained(deep, epochs: 20)),
  ]
}

/// A point for each code of two numbers, between the 1 % and the 99 % of either.
private func scatter(_ codes: Dataset, labels: [Int]) throws -> RasterImage {
  let side = 600
  var picture = try RasterImage(width: side, height: side, channels: 3, filledWith: 255)
  let values = codes.values
  func bounds(_ axis: Int) -> (low: Float, high: Float) {
    let sorted = stride(from: axis, to: values.count, by: 2).map { values[$0] }.sorted()
    return (sorted[sorted.count / 100], sorted[sorted.count * 99 / 100])
  }
  let (x, y) = (bounds(0), bounds(1))
  // Ten colours that also differ in lightness.
  let colours: [[UInt8]] = [
    [31, 119, 180], [255, 127, 14], [44, 160, 44], [214, 39, 40], [148, 103, 189], [140, 86, 75], [227, 119, 194],
    [127, 127, 127], [188, 189, 34], [23, 190, 207],
  ]
  func place(_ value: Float, _ bounds: (low: Float, high: Float)) -> Int? {
    let fraction = (value - bounds.low) / max(bounds.high - bounds.low, .leastNormalMagnitude)
    guard (0...1).contains(fraction) else { return nil }
    return 4 + Int(fraction * Float(side - 9))
  }
  for (sample, label) in labels.enumerated() {
    guard let column = place(values[2 * sample], x), let row = place(values[2 * sample + 1], y) else { continue }
    for dy in -1...1 {
      for dx in -1...1 {
        let pixel = ((side - 1 - row + dy) * side + column + dx) * 3
        for channel in 0..<3 { picture.pixels[pixel + channel] = colours[label % 10][channel] }
      }
    }
  }
  return picture
}
