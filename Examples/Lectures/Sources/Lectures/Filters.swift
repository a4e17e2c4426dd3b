import Cinch

/// What a denoising autoencoder's units look for, the more of their input is destroyed.
func filters(_ setting: Setting) throws {
  let data = try Dataset.fashionMNIST().prefix(20_000)
  let levels = [0, 0.1, 0.25, 0.5]
  let units = 144
  var weights: [[Float]] = []
  var table = Table(["destroyed", "squared error, whole input", "squared error, half destroyed"])
  let test = try Dataset.fashionMNIST(split: .test).prefix(2000)
  let half = try Autoencoder(
    .denoising(layers: [784, units], corruption: .maskingExact(0.5)), on: setting.device
  ).corrupt(test)
  for level in levels {
    var recipe = Recipe.denoising(layers: [784, units], corruption: .maskingExact(level))
    // The same first weights for all, so that a unit can be followed from level to level.
    if level == 0 { recipe.corruption = nil }
    // Vincent et al. tie the weights, too.
    recipe.autoencoder?.tied = true
    recipe.epochs = 30
    let model = try setting.trained(recipe, on: data)
    let filters = try model.parameter("encoder.0.weight").values
    weights.append(filters)
    table.add([
      "\((100 * level).digits(0)) %", try model.squaredError(test).digits(2),
      try model.squaredError(test, seenAs: half).digits(2),
    ])
  }
  for (level, filters) in zip(levels, weights) where level != 0.1 {
    let name = "filters-\((100 * level).digits(0)).png"
    try setting.write(
      try ImageGrid.tiles(Array(filters.prefix(64 * 784)), tileShape: [28, 28], columns: 8, magnification: 2),
      "\((100 * level).digits(0)) % of the pixels destroyed", to: name)
  }
  // The six units that changed most between no destruction and half: a column each, a row for each level.
  func norm(_ filters: [Float], _ unit: Int) -> Float {
    filters[unit * 784..<(unit + 1) * 784].reduce(0) { $0 + $1 * $1 }
  }
  let chosen = (0..<units).sorted { a, b in
    norm(weights[3], a) / norm(weights[0], a) > norm(weights[3], b) / norm(weights[0], b)
  }
  .prefix(6)
  let rows = weights.map { filters in chosen.flatMap { filters[$0 * 784..<($0 + 1) * 784] } }
  try setting.write(
    try ImageGrid.tiles(rows.flatMap { $0 }, tileShape: [28, 28], columns: 6, magnification: 3),
    "Six units (columns) at 0, 10, 25 and 50 % destruction (rows)", to: "neurons.png")
  table.show()
}
