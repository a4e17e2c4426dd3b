import CinchBackend
import CinchCore
import CinchData

// PCA of a run's training samples, with as many components as its code has units: what a model's error is held against.
extension RunFolder {
  /// Why there is no PCA to compare with.
  package enum NoComparison: Error, Sendable {
    /// PCA says nothing here: the model reconstructs nothing, or its code is as wide as a sample.
    case meaningless
    /// What stands in the way, for people.
    case impossible(CinchError.Message)
  }

  /// More takes minutes, which nobody expects of an evaluation.
  private static func mostOperations(on device: Device) -> Double { device == .reference ? 2e10 : 2e13 }

  /// The PCA that belongs to a run. The first call fits it to the samples that the run was trained on, and keeps it in
  /// `pca.safetensors`, which carries the run's identity and its samples' fingerprint; later ones read it. A file of other
  /// samples gives way to a new one.
  ///
  /// - Parameters:
  ///   - config: of the run in this folder.
  ///   - device: where it is fitted, and runs.
  /// - Returns: a model of the recipe `pca`, and what to say where it could not be kept.
  /// - Throws: `NoComparison` where there is none; `CinchError.unavailable` where the device does not exist.
  package func principalComponents(
    of config: RunConfig, on device: Device
  ) throws -> (model: Autoencoder, note: CinchError.Message?) {
    let units = try config.recipe.resolved().codeUnits
    guard config.recipe.classifier == nil, units < config.recipe.input else { throw NoComparison.meaningless }
    var recipe = Recipe.pca(layers: [config.recipe.input, units])
    recipe.seed = config.recipe.seed
    if let parameters = storedComponents(of: config) {
      let model = try Autoencoder(recipe, on: device)
      if (try? model.setParameters(parameters)) != nil { return (model, nil) }
    }
    let samples = try trainingSamples(of: config, for: recipe, on: device)
    let trainer = try Trainer(recipe, on: device)
    do {
      try trainer.prepare(samples)
      _ = try trainer.trainEpoch(epochs: 1)
      let parameters = try trainer.model.parameters()
      // As the file has them, so that later calls find the same errors on the reference device, too.
      try trainer.model.setParameters(parameters)
      try write(components: parameters, of: config)
    } catch CinchError.inputOutput(let text) {
      return (trainer.model, text)
    } catch let error as CinchError {
      throw NoComparison.impossible(error.message)
    }
    return (trainer.model, nil)
  }

  /// What PCA is fitted to.
  private func trainingSamples(of config: RunConfig, for recipe: Recipe, on device: Device) throws -> Dataset {
    do {
      let units = try recipe.resolved().codeUnits
      let samples = try config.trainingSamples()
      guard samples.count > units else {
        throw NoComparison.impossible(
          "\(samples.count) samples vary in fewer directions than the code's \(units) units, so that PCA would lose nothing."
        )
      }
      let operations = PrincipalAxesPlan.operations(
        samples: samples.count, features: recipe.input, components: units)
      guard operations <= Self.mostOperations(on: device) else {
        throw NoComparison.impossible(
          "A PCA of \(samples.count) samples of \(recipe.input) features takes minutes on \(device): train pca to compare with."
        )
      }
      return samples
    } catch let error as CinchError {
      throw NoComparison.impossible(error.message)
    }
  }

  private static let samplesKey = "samples"
  private static let componentsFormat = "cinch-pca"

  private func metadata(of config: RunConfig) -> [String: String] {
    var metadata = ["format": Self.componentsFormat, Self.samplesKey: config.samples?.fingerprint ?? ""]
    metadata.merge(config.identity?.metadata ?? [:]) { $1 }
    return metadata
  }

  /// Nil where there is no file, or none that belongs here: it can be made again.
  private func storedComponents(of config: RunConfig) -> [NamedParameter]? {
    guard has(.principalComponents), let file = try? Safetensors(contentsOf: path(of: .principalComponents)),
      metadata(of: config).allSatisfy({ file.metadata[$0.key] == $0.value })
    else { return nil }
    return file.entries.compactMap { entry in
      guard case .float32(let values) = entry.storage else { return nil }
      return NamedParameter(name: entry.name, shape: entry.shape, values: values)
    }
  }

  private func write(components: [NamedParameter], of config: RunConfig) throws {
    var file = Safetensors()
    file.metadata = metadata(of: config)
    file.metadata["cinch"] = CinchVersion.current
    for parameter in components {
      try file.add(parameter.name, shape: parameter.shape, .float32(parameter.values))
    }
    try file.write(to: path(of: .principalComponents))
  }
}
