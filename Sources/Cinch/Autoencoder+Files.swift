import CinchBackend
import CinchCore
import CinchData

extension Autoencoder {
  /// Saves the model as a run folder: `config.json`, `model.safetensors` and `filters.png`.
  ///
  /// ```swift
  /// try trainer.model.save(to: "runs/sparse", trainedOn: images)
  /// let codes = try Autoencoder.load("runs/sparse").encode(images)
  /// ```
  ///
  /// `model.safetensors` holds `encoder.0.weight`, `encoder.0.bias`, …, `decoder.0.weight`, … as PyTorch lays them
  /// out. A run that is already there is replaced: its checkpoint, history and pictures are of other weights, and go.
  ///
  /// - Parameters:
  ///   - folder: made where it is missing.
  ///   - data: the training set, whose scaling and sample shape go into `config.json`; nil keeps those of the
  ///     folder the model was loaded from, or else takes the recipe's shape and no scaling.
  ///   - commandLine: what this process was told, where ``Provenance`` is to keep it.
  /// - Throws: `CinchError.inputOutput`; `.unavailable` where a run in that folder is being trained.
  public func save(to folder: String, trainedOn data: Dataset? = nil, commandLine: [String]? = nil) throws {
    let folder = RunFolder(folder)
    try folder.create()
    let lock = try folder.lock()
    defer { withExtendedLifetime(lock) {} }
    var config = run ?? RunConfig(recipe: recipe, device: device)
    config.cinch = CinchVersion.current
    config.provenance =
      (config.provenance ?? []) + [Provenance(after: nil, on: device, commandLine: commandLine)]
    config.recipe = recipe
    config.device = device
    if let data {
      config.scaling = data.scaling
      config.sampleShape = data.sampleShape.dimensions
    }
    let parameters = try parameters()
    let identity = try RunIdentity(recipe, parameters)
    config.identity = identity
    config.code = try data.map { try codeUsage($0) }
    let isNew = !folder.has(.config) && !folder.has(.model)
    do {
      // The configuration makes the folder a run: it comes when there is a model.
      try folder.write(parameters, of: recipe, identity)
      try folder.write(config)
    } catch {
      // Half a run could be neither used nor saved over.
      if isNew { try? folder.remove([.model, .config]) }
      throw error
    }
    // After the model, so that a full disk loses nothing.
    try folder.remove([.checkpoint, .history, .reconstructions, .filters, .features, .principalComponents, .scores])
    try folder.write(.filters, of: self, samples: nil, config)
  }

  /// Opens the model of a run folder.
  ///
  /// `run` of the result says how it was trained; `run.prepare` scales data as it was trained on.
  ///
  /// - Parameters:
  ///   - folder: that a run or `save` made.
  ///   - device: nil takes the run's own, for another one rounds differently, or `.automatic` where that is not here.
  /// - Throws: `CinchError.inputOutput` where there is no run, `.badData` where its files are damaged or of
  ///   different runs, `.unavailable` where the device does not exist.
  public static func load(_ folder: String, on device: Device? = nil) throws -> Autoencoder {
    let folder = RunFolder(folder)
    let config = try folder.config()
    if let device { return try load(folder, config, on: device) }
    if let own = try? config.device.device {
      do { return try load(folder, config, on: own) } catch CinchError.unavailable {}
    }
    return try load(folder, config, on: .automatic)
  }

  private static func load(_ folder: RunFolder, _ config: RunConfig, on device: Device) throws -> Autoencoder {
    let parameters = try folder.parameters(of: config)
    do {
      let model = try Autoencoder(config.recipe, on: device, run: config)
      try model.setParameters(parameters)
      return model
    } catch CinchError.usage(let text) {
      // The recipe comes from a file here: what is wrong with it is wrong with the data.
      throw CinchError.badData("'\(folder.path(of: .config))' does not describe a model: \(text)")
    }
  }
}

// model.safetensors
extension RunFolder {
  /// - Throws: `CinchError.inputOutput` where there are none yet, `.badData` where the file is damaged or another run's.
  func parameters(of config: RunConfig) throws -> [NamedParameter] {
    guard has(.model) else {
      throw CinchError.inputOutput(
        "'\(path)' has no \(File.model.rawValue) yet: finish it with \(.resume, path), or where it diverged, train anew "
          + "with other settings.")
    }
    let file = try Safetensors(contentsOf: path(of: .model))
    // Other programs write weights without one.
    if let identity = RunIdentity(file.metadata) {
      try RunIdentity.require(identity, of: path(of: .model), in: config)
    }
    return try file.entries.map { entry in
      guard case .float32(let values) = entry.storage, values.allSatisfy(\.isFinite) else {
        throw CinchError.badData(
          "'\(entry.name)' in '\(path(of: .model))' is not made of finite 32-bit floats: use an intact copy.")
      }
      return NamedParameter(name: entry.name, shape: entry.shape, values: values)
    }
  }

  package func write(_ parameters: [NamedParameter], of recipe: Recipe, _ identity: RunIdentity?) throws {
    var file = Safetensors()
    file.metadata = [
      "format": "pt", "cinch": CinchVersion.current, "recipe": recipe.name, "tied": recipe.tied ? "true" : "false",
    ]
    file.metadata.merge(identity?.metadata ?? [:]) { $1 }
    for parameter in parameters {
      try file.add(parameter.name, shape: parameter.shape, .float32(parameter.values))
    }
    try file.write(to: path(of: .model))
  }
}
