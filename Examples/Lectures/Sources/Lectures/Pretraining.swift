import Cinch
import Glibc

/// The error of networks of one to four layers with and without pre-training, on images as they are and rotated.
func pretraining(_ setting: Setting) throws {
  let images = try Dataset.fashionMNIST()
  let test = try Dataset.fashionMNIST(split: .test)
  let sets = [
    ("plain", try images.subset(0..<10_000), try images.subset(10_000..<12_000), test),
    (
      "rotated", try rotated(try images.subset(0..<10_000), seed: 1),
      try rotated(try images.subset(10_000..<12_000), seed: 2),
      try rotated(test, seed: 3)
    ),
  ]
  try setting.write(
    try ImageGrid.compared(
      [try sets[0].3.prefix(12).values, try sets[1].3.prefix(12).values], tileShape: [28, 28], magnification: 2),
    "Test images as they are, and rotated by any angle", to: "images.png")
  let depth = 4
  let widths = [784] + [Int](repeating: 500, count: depth)
  var cells: [String: String] = [:]
  let methods: [(name: String, module: Recipe?)] = [
    ("none", nil), ("autoencoder", module(.denoising(corruption: .masking(0)))),
    ("denoising", module(.denoising(corruption: .masking(0.25)))), ("RBM", boltzmann),
  ]
  for (name, training, validation, test) in sets {
    for method in methods {
      let folder = setting.path("\(name)-\(method.name)")
      if let module = method.module, (try? RunFolder(folder).config().isFinal) != true {
        try Run.create(
          try .stack(layers: widths, of: [module]), data: training, in: folder, on: setting.device
        ).train()
      }
      for layers in 1...depth {
        let error: ErrorRate
        if method.module == nil {
          error = try Classifier(widths.prefix(layers + 1), setting).trained(training, validation, test)
        } else {
          error = try Classifier(widths.prefix(layers + 1), setting).trained(training, validation, test, from: folder)
        }
        cells["\(name) \(method.name) \(layers)"] = error.text
        print("\(name) images, pre-training \(method.name), depth \(layers): \(error.text)")
      }
    }
  }
  var table = Table(["pre-training", "depth", "test error", "test error, rotated"])
  for method in methods {
    for layers in 1...depth {
      table.add([
        method.name, "\(layers)", cells["plain \(method.name) \(layers)"] ?? "",
        cells["rotated \(method.name) \(layers)"] ?? "",
      ])
    }
  }
  table.show()
}

private func module(_ recipe: Recipe) -> Recipe {
  var recipe = recipe
  if recipe.corruption?.level == 0 { recipe.corruption = nil }
  recipe.batchSize = 100
  recipe.epochs = 15
  return recipe
}

private var boltzmann: Recipe {
  var recipe = module(.rbm())
  recipe.optimizer = Optimizer(.momentum, learningRate: 0.05, momentum: 0.5)
  return recipe
}

/// A network of sigmoid layers and a softmax layer, trained until the held-out samples say that it is enough.
private struct Classifier {
  private var recipe: Recipe
  private let setting: Setting

  init(_ layers: ArraySlice<Int>, _ setting: Setting) {
    recipe = .classifier(layers: Array(layers), activation: .sigmoid, classes: 10)
    recipe.batchSize = 100
    recipe.epochs = 50
    recipe.patience = 5
    self.setting = setting
  }

  /// - Parameter folder: of a stack whose first layers to begin with; nil draws the first weights.
  func trained(_ data: Dataset, _ validation: Dataset, _ test: Dataset, from folder: String? = nil) throws -> ErrorRate
  {
    let trainer = try Trainer(recipe, on: setting.device)
    if let folder {
      let learned = try Autoencoder.load(folder, on: setting.device).parameters()
      try trainer.model.setParameters(
        try trainer.model.parameters().map { own in learned.first { $0.name == own.name } ?? own })
    }
    try trainer.prepare(data, validation: validation)
    while case .finished = try trainer.trainEpoch(epochs: recipe.epochs) {}
    guard let error = try trainer.model.evaluate(test).metrics[Metrics.errorName] else {
      throw CinchError.badData("The test images have no labels.")
    }
    return ErrorRate(error: error, samples: test.count)
  }
}

/// Every image turned about its centre by an angle of its own, interpolated between four pixels.
private func rotated(_ data: Dataset, seed: UInt64) throws -> Dataset {
  var generator = seed
  let source = data.values
  var values = [Float](repeating: 0, count: source.count)
  for image in 0..<data.count {
    generator = generator &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    let angle = 2 * Double.pi * Double(generator >> 11) / Double(UInt64(1) << 53)
    let (c, s) = (cos(angle), sin(angle))
    for row in 0..<28 {
      for column in 0..<28 {
        let (x, y) = (Double(column) - 13.5, Double(row) - 13.5)
        let (u, v) = (c * x + s * y + 13.5, -s * x + c * y + 13.5)
        let (left, top) = (Int(u.rounded(.down)), Int(v.rounded(.down)))
        var value = 0.0
        for (dx, dy) in [(0, 0), (1, 0), (0, 1), (1, 1)] {
          let (px, py) = (left + dx, top + dy)
          guard (0..<28).contains(px), (0..<28).contains(py) else { continue }
          let weight = (1 - abs(u - Double(px))) * (1 - abs(v - Double(py)))
          value += weight * Double(source[image * 784 + py * 28 + px])
        }
        values[image * 784 + row * 28 + column] = Float(value)
      }
    }
  }
  return try Dataset(
    values: values, count: data.count, sampleShape: [28, 28], labels: data.labels, name: "\(data.name), rotated")
}
