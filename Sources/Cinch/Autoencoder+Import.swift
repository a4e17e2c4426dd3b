import CinchBackend
import CinchCore
import CinchData

extension Autoencoder {
  /// A model with the weights of a safetensors file: under Cinch's names (`encoder.0.weight`), or under those of PyTorch's
  /// `nn.Sequential` (`0.weight`, `2.bias`), or of two called `encoder` and `decoder`. The latter are matched with the
  /// recipe's layers in their order, and by their shapes.
  ///
  /// ```swift
  /// let model = try Autoencoder.importing("weights.safetensors", as: .deep())
  /// try model.save(to: "runs/imported")
  /// ```
  ///
  /// The file says nothing of what samples were scaled by: the model takes them as `reconstruct` does.
  ///
  /// - Parameters:
  ///   - path: a file of 32-bit or 64-bit floats; the latter are rounded.
  ///   - recipe: the layers that the weights belong to.
  ///   - device: where it runs.
  /// - Throws: `CinchError.inputOutput` where the file cannot be read; `.badData` where it is damaged, or naming the first
  ///   parameter that does not fit; as `init(_:on:)`.
  public static func importing(
    _ path: String, as recipe: Recipe, on device: Device = .automatic
  ) throws -> Autoencoder {
    try imported(path, as: recipe, on: device).model
  }

  /// - Returns: the model, and the names of those of its parameters that the file does not have, which begin as a new
  ///   model's.
  package static func imported(
    _ path: String, as recipe: Recipe, on device: Device
  ) throws -> (model: Autoencoder, begun: [String]) {
    try recipe.validate()
    let file = try Safetensors(contentsOf: path)
    // Rounded or renamed, as the model has them, and on the device.
    let bytes = file.entries.reduce(0) { $0 + $1.shape.count } * MemoryLayout<Float>.stride
    try HostMemory.require(3 * bytes, for: "the weights of '\(path)'")
    let parameters = try file.entries.map { entry in
      let values: [Float]
      switch entry.storage {
      case .float32(let own): values = own
      case .float64(let wide): values = wide.map { Float($0) }
      case .int64, .uint64:
        throw CinchError.badData(
          "'\(entry.name)' in '\(path)' holds whole numbers, as no weight does: save the state_dict of a module alone.")
      }
      guard values.allSatisfy(\.isFinite) else {
        throw CinchError.badData(
          "'\(entry.name)' in '\(path)' has values that are no finite 32-bit floats: use an intact copy.")
      }
      return NamedParameter(name: entry.name, shape: entry.shape, values: values)
    }
    let (own, begun) = try recipe.imported(parameters, from: path)
    let model = try Autoencoder(recipe, on: device)
    try model.setParameters(own)
    return (model, begun)
  }
}
