import CinchBackend
import CinchCore
import CinchData

/// What a report says of one run: its model is opened, and its data are read, for as long as that takes.
struct RunSection {
  let run: ReportedRun
  let options: RunReport.Options
  /// How many runs the report has.
  let runs: Int
  let wording: (CinchError.Message) -> String

  /// Samples on a map, and bytes of their pictures in the whole page.
  private var mapSamples: Int { options.samples ?? (runs > 1 ? 300 : 1000) }
  private static let mostPictures = 900_000
  private static let filterPixels = 1 << 22

  /// - Parameters:
  ///   - source: samples in place of the run's own.
  ///   - device: nil takes the run's own, or another where that is not here.
  ///   - loaded: the samples that were read last.
  ///   - note: is told what is missing, and why.
  /// - Throws: where `source` cannot be used.
  func markup(
    data source: DataSource?, on device: Device?, _ loaded: inout LoadedData?, _ note: (CinchError.Message) -> Void
  ) throws -> Markup {
    let (config, path) = (run.config, run.path)
    var result: Markup =
      runs > 1 ? "<section><h2 id=run-\(run.index + 1)>\(run.name)</h2>\n" : "<section><h2>Model</h2>\n"
    if runs > 1 { result += run.notes(wording) }
    var notes: [CinchError.Message] = []
    func missing(_ what: CinchError.Message, _ error: CinchError) { notes.append("\(what): \(error.message)") }
    var model: Autoencoder?
    do { model = try opened(on: device, &loaded) { notes.append($0) } } catch let error as CinchError {
      if device != nil, case .unavailable = error { throw error }
      missing("There is nothing of the model", error)
    }
    var body: Markup = ""
    if let model {
      do { body += try SampleStudy.filters(of: model, config, mostPixels: Self.filterPixels / runs) ?? "" } catch let
        error as CinchError
      {
        missing("There are no filters", error)
      }
      do {
        let data = try samples(source, &loaded)
        let study = try SampleStudy(model, config, data)
        try add(study, to: &body) { notes.append($0) }
      } catch let error as CinchError where source == nil {
        missing("There is nothing more of samples and codes", error)
      }
    }
    for text in notes {
      result += Markup.note("\(wording(text))")
      note(runs > 1 ? "'\(path)': " + text : text)
    }
    return result + body + (try Markup.record(of: run)) + "</section>\n"
  }

  private func add(_ study: SampleStudy, to body: inout Markup, _ note: (CinchError.Message) -> Void) throws {
    if run.config.recipe.classifier != nil {
      body += try study.classes()
    } else {
      let errors = try ReconstructionErrors(study)
      body += try study.image == nil ? study.tables(errors) : study.reconstructions(errors)
    }
    let codes = try CodeStudy(study, wanted: mapSamples)
    body += codes.markup(study)
    let map = CodeMap(
      study: study, codes: codes, options: options, name: "s\(run.index)", mostSamples: mapSamples,
      mostBytes: Self.mostPictures / runs, wording: wording)
    body += try map.markup(note)
  }

  /// The model as it was saved at the end; of a run that has not ended, or has lost it, as its checkpoint has it.
  private func opened(
    on device: Device?, _ loaded: inout LoadedData?, _ note: (CinchError.Message) -> Void
  ) throws -> Autoencoder {
    let (folder, config) = (RunFolder(run.path), run.config)
    let hasModel = folder.has(.model)
    guard !config.isFinal || !hasModel, folder.has(.checkpoint) else {
      return try Autoencoder.load(run.path, on: device)
    }
    // A run that goes on leaves the model as it was when it was stopped last.
    func older(_ why: CinchError.Message) throws -> Autoencoder {
      let model = try Autoencoder.load(run.path, on: device)
      note(
        "What is shown of the weights is of '\(folder.path(of: .model))', which may be older than the curves: \(why)")
      return model
    }
    guard config.data != nil else {
      return try older("the checkpoint opens with the data alone, which the run does not name.")
    }
    do { return try checkpointed(folder, on: device, &loaded) } catch let error as CinchError where hasModel {
      if device != nil, case .unavailable = error { throw error }
      return try older(error.message)
    }
  }

  private func checkpointed(
    _ folder: RunFolder, on device: Device?, _ loaded: inout LoadedData?
  ) throws -> Autoencoder {
    let config = run.config
    let checkpoint = try folder.checkpoint(of: config)
    let parts = try config.recipe.checkedParts(
      of: try samples(nil, &loaded), validation: try config.validation?.load(), test: nil, config.scaling ?? .identity,
      config.classes)
    let trainer: Trainer
    do { trainer = try Trainer(config.recipe, on: try device ?? config.device.device) } catch CinchError.unavailable(_)
      where device == nil
    { trainer = try Trainer(config.recipe) }
    try trainer.prepare(parts.training, validation: parts.validation)
    try trainer.model.withSession { try $0.restore(checkpoint) }
    return trainer.model
  }

  /// The samples named by the caller, or those that the run was trained on.
  private func samples(_ source: DataSource?, _ loaded: inout LoadedData?) throws -> Dataset {
    if var source {
      run.config.complete(&source, hasLayout: source.options.layout != nil, hasCount: false)
      return try LoadedData.load(source, &loaded)
    }
    guard let own = run.config.data else {
      throw CinchError.usage("The run does not say which data it was trained on: name some.")
    }
    let data = try LoadedData.load(own, &loaded)
    guard !run.config.hasChanged(data) else {
      throw CinchError.badData(
        "'\(own.source)' holds other data now than the run was trained on: bring the old data back, or name others.")
    }
    return data
  }
}

/// Samples that several runs may have in common, read once.
struct LoadedData {
  private let source: DataSource
  private let data: Dataset

  static func load(_ source: DataSource, _ last: inout LoadedData?) throws -> Dataset {
    if let last, last.source == source { return last.data }
    last = nil
    let data = try source.load()
    last = LoadedData(source: source, data: data)
    return data
  }
}
