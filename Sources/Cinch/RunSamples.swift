import CinchCore
import CinchData

/// Samples that a run is made of: a `DataSource`, which `Run.resume` loads again by itself, or a `Dataset` of the
/// program's own, which `Run.resume` must be given again.
public protocol RunSamples: Sendable {
  /// The samples, and where they come from.
  /// - Throws: as `DataSource.load`.
  func loaded() throws -> LoadedSamples
}

/// Samples in memory, with their source where they have one.
public struct LoadedSamples: RunSamples {
  public let samples: Dataset
  /// Nil where they are a program's own.
  public let source: DataSource?

  public func loaded() -> LoadedSamples { self }
}

extension Dataset: RunSamples {
  public func loaded() -> LoadedSamples { LoadedSamples(samples: self, source: nil) }
}

extension DataSource: RunSamples {
  public func loaded() throws -> LoadedSamples {
    let data = try load()
    var source = self
    source.samples = data.count
    source.options.schema = data.schema
    source.options.layout = options.layout ?? .nchw
    return LoadedSamples(samples: data, source: source)
  }
}

extension RunSamples {
  /// The samples of a table read as an earlier one was.
  /// - Throws: as `loaded`.
  package func loaded(as schema: TableSchema?) throws -> LoadedSamples {
    guard let schema, var source = self as? DataSource, source.options.schema == nil else { return try loaded() }
    source.options.schema = schema
    return try source.loaded()
  }
}

extension RunConfig {
  /// The samples that the run was trained on, as its model takes them: without those that it held out.
  /// - Throws: `CinchError.usage` where they are a program's own; `.badData` where the data have changed; as
  ///   `DataSource.load`.
  func trainingSamples() throws -> Dataset {
    guard let data else {
      throw CinchError.usage("The run does not say which data it was trained on: train from a file.")
    }
    let samples = try data.load()
    guard !hasChanged(samples) else {
      throw CinchError.badData(
        "'\(data.source)' holds other data now than the run was trained on: bring the old data back.")
    }
    let scaled = try prepare(samples)
    let isGiven = self.samples?.isGiven ?? (validation != nil)
    return isGiven ? scaled : try recipe.parts(of: scaled, validation: nil).training
  }

  /// The samples that the run holds out, neither scaled nor trained on: those that it was given, or else those that it
  /// split off, which the seed chooses again.
  /// - Throws: `CinchError.usage` where it holds out none, or they are a program's own; `.badData` where the data have
  ///   changed, so that others would be split off, which the run may have been trained on; as `DataSource.load`.
  public func heldOut() throws -> Dataset {
    let source = validation ?? data
    guard let source, validation != nil || recipe.validationSplit > 0 else {
      throw CinchError.usage(
        "The run names no samples that it holds out: train with \(.validationSplit), or evaluate others.")
    }
    let samples = try source.load()
    guard !hasChanged(samples, heldOut: validation != nil) else {
      throw CinchError.badData(
        "'\(source.source)' holds other data than the run held samples out of: bring the old data back, or evaluate "
          + "what it holds by its name.")
    }
    guard validation == nil else { return samples }
    return try samples.split(validation: recipe.validationSplit, seed: recipe.seed).validation
  }
}

extension Recipe {
  /// What is trained on, and what is held out: `validation`, or else the share `validationSplit`, chosen by the seed.
  /// - Throws: as `validate` and `Dataset.split`.
  func parts(of data: Dataset, validation: Dataset?) throws -> (training: Dataset, validation: Dataset?) {
    guard validation == nil, validationSplit > 0 else { return (data, validation) }
    // While rows still have the numbers that their file gives them.
    try validate(data)
    let parts = try data.split(validation: validationSplit, seed: seed)
    return (parts.training, parts.validation)
  }
}
