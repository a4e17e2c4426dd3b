import CinchBackend
import CinchCore
import CinchData
import FoundationEssentials
import TensorBoardProto

// What is kept of an epoch on request, beside its row of the history.
extension Run {
  /// The samples that pictures show: held out, where some are.
  var lookedAt: Dataset { validation ?? training }

  /// - Returns: why a picture cannot be drawn, which is no reason to lose a run; a full disk is.
  func write(_ picture: RunPicture, to path: String) throws -> CinchError? {
    try Self.forgiving { try folder.write(picture, to: path, of: model, samples: lookedAt, config) }
  }

  /// Pictures and events of an epoch that has ended, as the settings ask for them.
  func note(_ epoch: Epoch) throws -> [Event] {
    guard settings.tensorBoard || settings.pictureInterval != nil else { return [] }
    let isDrawn = epoch.number.isMultiple(of: settings.pictureInterval ?? 1)
    var failures: [CinchError?] = []
    if isDrawn, settings.pictureInterval != nil {
      let pictures = RunFolder(folder.path + "/pictures")
      try pictures.create()
      let number = String(epoch.number)
      let name = "epoch-" + String(repeating: "0", count: max(0, 4 - number.count)) + number
      for picture in RunPicture.allCases {
        failures.append(try write(picture, to: "\(pictures.path)/\(name)-\(picture.rawValue).png"))
      }
    }
    if settings.tensorBoard {
      var events = [figures(of: epoch)]
      if isDrawn { failures += try addViews(to: &events[0]) }
      try append(events, before: epoch)
    }
    return failures.compactMap { $0.map(Event.noPicture) }
  }

  /// What cannot be drawn is told, and training goes on.
  private static func forgiving(_ draw: () throws -> Void) throws -> CinchError? {
    do { try draw() } catch let error as CinchError {
      guard case .usage = error else { throw error }
      return error
    }
    return nil
  }
}

// TensorBoard's events.
extension Run {
  /// The columns of the history, in groups.
  private func figures(of epoch: Epoch) -> Tensorflow_Event {
    var event = Tensorflow_Event(step: epoch.number)
    event.add("training/loss", epoch.loss)
    for name in recipe.metricNames { epoch.metrics[name].map { event.add("training/\(name)", $0) } }
    for name in recipe.heldOutMetricNames { epoch.validationMetrics?[name].map { event.add("validation/\(name)", $0) } }
    event.add("rates/learning_rate", epoch.learningRate)
    event.add("rates/samples_per_second", epoch.samplesPerSecond)
    return event
  }

  /// Pictures, and how parameters and codes are distributed.
  private func addViews(to event: inout Tensorflow_Event) throws -> [CinchError?] {
    for parameter in try model.parameters() { event.add("parameters/\(parameter.name)", histogramOf: parameter.values) }
    let codes = try model.someCodes(of: lookedAt)
    event.add("codes/values", histogramOf: codes.values)
    event.add("codes/unit_means", histogramOf: model.unitMeans(of: codes))
    return try RunPicture.allCases.map { picture in
      try Self.forgiving {
        if let image = try picture.drawn(model, of: lookedAt, config) { try event.add(picture.rawValue, image) }
      }
    }
  }

  /// Where this process has written none yet, a file of its own begins: with the epochs before that no file tells of.
  private func append(_ events: [Tensorflow_Event], before epoch: Epoch) throws {
    var file = progress.withLock { $0.events }
    var first: [Tensorflow_Event] = []
    if file == nil {
      first = [.version]
      // What others have told of epochs that were trained again is not to be shown; what nobody has told of is.
      let told = min(EventFile.lastStep(in: folder), epoch.number - 1)
      if !EventFile.names(in: folder).isEmpty { first.append(.start(told + 1)) }
      first += try state.history.filter { (told + 1..<epoch.number).contains($0.number) }.map(figures)
      file = EventFile(in: folder, host: config.provenance?.last?.host ?? "")
    }
    guard let file else { return }
    try file.append(first + events)
    progress.withLock { $0.events = file }
  }
}
