import Cinch

/// A first course's network, what denoising restores, how sparse two penalties make a code, and what tells a denoising from a
/// contractive autoencoder.
func variants(_ setting: Setting) throws {
  let (data, test) = (try Dataset.fashionMNIST(), try Dataset.fashionMNIST(split: .test))
  try fiveEpochs(setting, data, test)
  try restored(setting, data, test)
  try sparseness(setting, data, test)
  try denoisingOrContractive(setting, try data.prefix(20_000), try test.prefix(2000))
}

/// 784-128-32-128-784, ReLU and a sigmoid output, Adam, binary cross-entropy, five epochs.
private func fiveEpochs(_ setting: Setting, _ data: Dataset, _ test: Dataset) throws {
  var recipe = Recipe.deep(layers: [784, 128, 32])
  recipe.epochs = 5
  let trainer = try Trainer(recipe, on: setting.device)
  try trainer.prepare(data, validation: test)
  print("784-128-32-128-784, \(trainer.model.network.parameterCount) parameters")
  var table = Table(["epoch", "training, per element", "test, per element", "test, per sample"])
  while case .finished(let epoch) = try trainer.trainEpoch(epochs: 5) {
    table.add([
      "\(epoch.number)", epoch.reconstruction.perElement.digits(4), (epoch.validation?.perElement ?? .nan).digits(4),
      (epoch.validation?.perSample ?? .nan).digits(1),
    ])
  }
  table.show()
  let some = try test.prefix(12)
  try setting.write(
    try ImageGrid.compared(
      [some.values, try trainer.model.reconstruct(some).values], tileShape: [28, 28], magnification: 2),
    "Test images, and what 32 numbers keep of them after five epochs", to: "five-epochs.png")
}

/// Original, corrupted and restored, at 30 and 50 %.
private func restored(_ setting: Setting, _ data: Dataset, _ test: Dataset) throws {
  let some = try test.prefix(12)
  var rows = [some.values]
  var table = Table(["destroyed", "squared error of the corrupted image", "of the restored image"])
  for level in [0.3, 0.5] {
    var recipe = Recipe.denoising(layers: [784, 256], corruption: .masking(level))
    recipe.epochs = 5
    let model = try setting.trained(recipe, on: data)
    let corrupted = try model.corrupt(some)
    rows += [corrupted.values, try model.reconstruct(corrupted).values]
    let all = try model.corrupt(test)
    let before = zip(all.values, test.values).reduce(0.0) { $0 + Double(($1.0 - $1.1) * ($1.0 - $1.1)) }
    table.add([
      "\((100 * level).digits(0)) %", (before / Double(test.count)).digits(1),
      try model.squaredError(test, seenAs: all).digits(1),
    ])
  }
  try setting.write(
    try ImageGrid.compared(rows, tileShape: [28, 28], magnification: 2),
    "Originals; 30 % destroyed, restored; 50 % destroyed, restored", to: "denoising.png")
  table.show()
}

/// L1 on the activations against KL to a rate of 0.05.
private func sparseness(_ setting: Setting, _ data: Dataset, _ test: Dataset) throws {
  let l1 = { (weight: Double) in Recipe.sparseL1(layers: [784, 196], l1: weight) }
  let kl = { (beta: Double) in Recipe.sparse(layers: [784, 196], rho: 0.05, beta: beta, weightDecay: 0) }
  var table = Table(["penalty", "mean activation", "units above 0.01, of 196", "Hoyer sparseness", "squared error"])
  for (name, recipe) in [
    ("none (ReLU)", l1(0)), ("L1 784·10⁻⁵", l1(784e-5)), ("L1 0.1", l1(0.1)), ("none (sigmoid)", kl(0)),
    ("KL, ρ 0.05, β 3", kl(3)), ("KL, ρ 0.05, β 30", kl(30)),
  ] {
    var recipe = recipe
    recipe.epochs = 5
    if recipe.penalties.kl?.beta == 0 { recipe.penalties.kl = nil }
    let model = try setting.trained(recipe, on: data)
    let codes = try model.encode(test).values
    let active = codes.count { $0 > 0.01 }
    // (√n − Σ|h| / √Σh²) / (√n − 1): 0 where all are alike, 1 where one is active (Hoyer 2004).
    var hoyer = 0.0
    for start in stride(from: 0, to: codes.count, by: 196) {
      let h = codes[start..<start + 196]
      let (sum, squares) = h.reduce((0.0, 0.0)) { ($0.0 + abs(Double($1)), $0.1 + Double($1) * Double($1)) }
      hoyer += squares > 0 ? (14 - sum / squares.squareRoot()) / 13 : 0
    }
    let mean = codes.reduce(0.0) { $0 + Double($1) } / Double(codes.count)
    table.add([
      name, mean.digits(3), (Double(active) / Double(test.count)).digits(1), (hoyer / Double(test.count)).digits(2),
      try model.squaredError(test).digits(2),
    ])
  }
  table.show()
}

/// The same network trained plainly, from corrupted inputs, and with a contractive penalty.
private func denoisingOrContractive(_ setting: Setting, _ data: Dataset, _ test: Dataset) throws {
  let layers = [784, 256]
  var plain = Recipe.denoising(layers: layers)
  plain.corruption = nil
  let recipes = [
    ("plain", plain), ("denoising, ν 0.3", Recipe.denoising(layers: layers, corruption: .masking(0.3))),
    ("contractive, λ 0.1", .contractive(layers: layers, contraction: 0.1)),
    ("contractive, λ 1", .contractive(layers: layers, contraction: 1)),
  ]
  let corrupted = try Autoencoder(.denoising(layers: layers, corruption: .masking(0.3)), on: setting.device).corrupt(
    test)
  var table = Table([
    "autoencoder", "squared error, whole input", "squared error, 30 % destroyed", "‖∂h/∂x‖²",
    "code moved by the destruction",
  ])
  for (name, recipe) in recipes {
    var recipe = recipe
    recipe.epochs = 20
    let model = try setting.trained(recipe, on: data)
    let weights = try model.parameter("encoder.0.weight").values
    let norms = (0..<256).map { unit in
      weights[unit * 784..<(unit + 1) * 784].reduce(0.0) { $0 + Double($1) * Double($1) }
    }
    let (codes, moved) = (try model.encode(test).values, try model.encode(corrupted).values)
    var (jacobian, shift, size) = (0.0, 0.0, 0.0)
    for (place, (h, other)) in zip(codes, moved).enumerated() {
      let slope = Double(h) * (1 - Double(h))
      jacobian += slope * slope * norms[place % 256]
      shift += Double((h - other) * (h - other))
      size += Double(h) * Double(h)
    }
    table.add([
      name, try model.squaredError(test).digits(2), try model.squaredError(test, seenAs: corrupted).digits(2),
      (jacobian / Double(test.count)).digits(2), "\((100 * (shift / size).squareRoot()).digits(0)) %",
    ])
  }
  table.show()
}
