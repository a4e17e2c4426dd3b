import Cinch

/// A convolution as a product with a matrix, and the transposed convolution as the product with its transpose.
func transposed(_ setting: Setting) throws {
  let x: [Float] = [2, 1, 0, 3, 0, 0, 1, 2, 3, 1, 2, 0, 0, 2, 2, 1]
  let kernel: [Float] = [1, 2, 3, 4, 5, 6, 7, 8, 9]
  let code: [Float] = [1, 0, 2, 1]
  func grid(_ values: [Float], _ columns: Int) -> String {
    stride(from: 0, to: values.count, by: columns).map { start in
      values[start..<start + columns].map { Double($0).digits(0) }.joined(separator: "\t")
    }.joined(separator: "\n")
  }

  // One filter of 3 × 3 without padding, and its mirror: no activation, no biases, the same weights both ways.
  let image = ImageShape(channels: 1, height: 4, width: 4)
  var recipe = Recipe.conv(image: image)
  try recipe.autoencoder?.setLayers(
    image: image,
    encoder: [.convolution(ConvolutionSpec(filters: 1, padding: .valid, activation: .linear))],
    outputActivation: .linear)
  recipe.loss = .sse
  let model = try Autoencoder(recipe, on: setting.device)
  try model.setParameters(
    try model.parameters().map { parameter in
      var parameter = parameter
      parameter.values = parameter.name.hasSuffix("weight") ? kernel : parameter.values.map { _ in 0 }
      return parameter
    })

  // Each column of the matrix is what the convolution makes of an image with a single 1.
  let ones = (0..<16).flatMap { place in (0..<16).map { $0 == place ? Float(1) : 0 } }
  let columns = try model.encode(try Dataset(values: ones, count: 16, sampleShape: image.shape)).values
  let matrix = (0..<4).map { row in (0..<16).map { columns[$0 * 4 + row] } }
  print("The matrix C of the convolution, a row for each output, a column for each pixel:\n")
  for row in matrix { print(grid(row, 16)) }

  func product(_ matrix: [[Float]], _ vector: [Float]) -> [Float] {
    matrix.map { row in zip(row, vector).reduce(0) { $0 + $1.0 * $1.1 } }
  }
  let convolved = try model.encode(try Dataset(values: x, count: 1, sampleShape: image.shape)).values
  print("\nC x, and the convolution of x by the program:\n")
  print(grid(product(matrix, x), 2), "\n")
  print(grid(convolved, 2))

  let transpose = (0..<16).map { column in matrix.map { $0[column] } }
  let back = try model.decode(try Dataset(values: code, count: 1, sampleShape: [1, 2, 2])).values
  print("\nCᵀ h of h = (1 0; 2 1), and the transposed convolution of h by the program:\n")
  print(grid(product(transpose, code), 4), "\n")
  print(grid(back, 4))

  let left = zip(convolved, code).reduce(0) { $0 + $1.0 * $1.1 }
  let right = zip(x, back).reduce(0) { $0 + $1.0 * $1.1 }
  print("\n⟨C x, h⟩ = \(Double(left).digits(0)) = ⟨x, Cᵀ h⟩ = \(Double(right).digits(0))")
  let round = try model.decode(try Dataset(values: convolved, count: 1, sampleShape: [1, 2, 2])).values
  print("\nIt is no inverse. CᵀC x is not x:\n")
  print(grid(round, 4))
}
