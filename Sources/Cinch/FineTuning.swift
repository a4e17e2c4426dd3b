import CinchBackend
import CinchCore
import CinchData

extension Run {
  /// A new run that begins with what another has learned: its encoder under a softmax layer, or a stack unrolled into a
  /// deep autoencoder (Hinton and Salakhutdinov, "Reducing the dimensionality of data with neural networks", 2006).
  ///
  /// ```swift
  /// let run = try Run.fineTune("runs/stack", test: DataSource("fashion-mnist-test")) { origin, classes in
  ///   try origin.recipe.classifier(classes: classes.count)
  /// }
  /// let error = try run.train()?.errors[.test]
  /// ```
  ///
  /// Samples are scaled as the other run scales its own. Layers of the same place and shape begin with the other run's
  /// weights, the rest as ever.
  ///
  /// - Parameters:
  ///   - origin: the folder of the run whose weights to begin with.
  ///   - data: what is trained on; nil takes the other run's own.
  ///   - validation: held-out samples; nil splits off the recipe's `validationSplit`.
  ///   - test: labelled samples that are looked at once, when training has ended.
  ///   - path: of the new run's folder; nil takes `runs/YYYY-MM-DD-RECIPE`.
  ///   - device: nil takes the other run's.
  ///   - settings: how the folder is kept in step.
  ///   - recipe: of the new run, from the other's configuration and the labels that there are, each once.
  /// - Throws: as `create`; `CinchError.usage` also where the other run's encoder is not that of the recipe.
  public static func fineTune(
    _ origin: String, data: (any RunSamples)? = nil, validation: (any RunSamples)? = nil,
    test: (any RunSamples)? = nil, in path: String? = nil, on device: Device? = nil, settings: Settings = Settings(),
    _ recipe: (RunConfig, _ classes: [String]) throws -> Recipe
  ) throws -> Run {
    if let path { try RunFolder(path).requireNoRun() }
    let folder = RunFolder(origin)
    let config = try folder.config()
    guard let own = data ?? config.data else {
      throw CinchError.usage("The run '\(origin)' does not say which data it was trained on: name some.")
    }
    let samples = try own.loaded(as: config.data?.options.schema)
    let classes = samples.samples.classNames ?? []
    let recipe = try recipe(config, classes)
    try recipe.validate()
    let first = try recipe.adopting(try folder.parameters(of: config), of: config.recipe)
    let start = Start(
      data: samples, validation: try validation?.loaded(as: samples.samples.schema),
      test: try test?.loaded(as: samples.samples.schema),
      classes: recipe.classifier == nil ? nil : classes,
      origin: (RunConfig.Origin(folder: origin, run: config.identity?.run), first))
    let device = try device ?? config.device.device
    return try begin(recipe, start, in: path, on: device, settings: settings) { _, _ in config.scaling ?? .identity }
  }
}

extension Recipe {
  /// A classifier: the encoder of this autoencoder, with dropout behind each of its layers where a rate is given, and a
  /// softmax layer. Batches and the seed are the autoencoder's; it has neither corruption, penalties, schedule, clipping nor
  /// early stopping, holds out nothing, and has Adam at its own rate.
  ///
  /// - Parameters:
  ///   - classes: how many labels there are.
  ///   - dropout: p; 0 leaves it out.
  /// - Throws: `CinchError.usage` where the code is drawn, as a variational one is, and says nothing certain of a sample.
  public func classifier(classes: Int, dropout: Double = 0) throws -> Recipe {
    guard !encoder.contains(.sampling) else {
      throw CinchError.usage(
        "The code of '\(name)' is drawn anew each time: fine-tune an autoencoder whose code is not.")
    }
    var network = ClassifierArchitecture(layers: [input], activation: .sigmoid, classes: classes)
    network.image = isOfImages ? image : nil
    network.encoder = encoder.flatMap { layer in
      dropout != 0 && layer.hasParameters ? [layer, .dropout(dropout)] : [layer]
    }
    return Recipe(
      name: "finetuned", architecture: .classifier(network), objective: Objective(.softmax),
      training: TrainingSettings(batchSize: batchSize, seed: seed))
  }

  /// The parameters of another recipe's network by the names that they have in this one: those of layers with weights at
  /// the same place, counted from the input, or, behind the code, from the code.
  /// - Throws: `CinchError.usage` where an encoder layer has none of its shape.
  fileprivate func adopting(_ parameters: [NamedParameter], of other: Recipe) throws -> [NamedParameter] {
    func places(_ recipe: Recipe) -> [String: String] {
      var places: [String: String] = [:]
      for (part, layers) in [("encoder", recipe.encoder), ("decoder", recipe.decoder)] {
        for (rank, index) in layers.indices.filter({ layers[$0].hasParameters }).enumerated() {
          places["\(part).\(index)"] = "\(part).\(rank)"
        }
      }
      return places
    }
    let own = Dictionary(uniqueKeysWithValues: places(self).map { ($1, $0) })
    let adopted = parameters.compactMap { parameter -> NamedParameter? in
      let parts = parameter.name.split(separator: ".")
      guard parts.count == 3, let place = places(other)[parts.prefix(2).joined(separator: ".")] else { return nil }
      guard let name = own[place], classifier == nil || place.hasPrefix("encoder") else { return nil }
      var parameter = parameter
      parameter.name = "\(name).\(parts[2])"
      return parameter
    }
    let shapes = Dictionary(adopted.map { ($0.name, $0.shape) }) { first, _ in first }
    for (name, shape) in try resolved().fileShapes where name.hasPrefix("encoder") && shapes[name] != shape {
      throw CinchError.usage(
        "The run has \(shapes[name].map { "\($0)" } ?? "nothing") where '\(name)' is \(shape): fine-tune the layers that it "
          + "was trained with.")
    }
    return adopted
  }
}

extension [NamedParameter] {
  /// With others in place of those of the same name and shape.
  func replaced(by others: [NamedParameter]) -> [NamedParameter] {
    let named = Dictionary(others.map { ($0.name, $0) }) { first, _ in first }
    return map { own in named[own.name].flatMap { $0.shape == own.shape ? $0 : nil } ?? own }
  }
}
