import CinchCore
import CinchData

/// Tells samples that are unlike those that a run was trained on, by their scores and a threshold.
///
/// ```swift
/// let detector = try AnomalyDetector("runs/normal")
/// let scores = try detector.scores(DataSource("new.csv"))
/// let threshold = try detector.threshold(.falseAlarms(0.01), for: scores)
/// let anomalies = scores.indices.filter { scores[$0] > threshold.value }
/// ```
///
/// The scores of the run's training samples are computed once and kept in its folder as `scores.safetensors`, with the
/// threshold that was set last.
public struct AnomalyDetector: Sendable {
  /// Where a threshold comes from.
  public enum Rule: Sendable, Hashable {
    /// No more than this share of the run's training samples lies above it.
    case falseAlarms(Double)
    /// No more than this share of the samples at hand lies above it.
    case contamination(Double)

    /// One false alarm in a hundred training samples.
    public static let usual = Rule.falseAlarms(0.01)
  }

  /// What tells anomalies from other samples.
  public struct Threshold: Sendable, Hashable {
    /// A sample is an anomaly where its score is larger.
    public let value: Double
    /// Where it comes from.
    public let rule: Rule
  }

  /// The run's model.
  public let model: Autoencoder
  /// How the model was trained.
  public let run: RunConfig
  /// The scores of the run's training samples; nil where they cannot be had.
  public let training: ScoreDistribution?
  /// What stands in the way of `training`.
  public let missing: CinchError.Message?
  /// What was kept last; nil before that.
  public private(set) var kept: Threshold?
  /// Whether what was kept could not be read, so that a threshold that was set is lost.
  public let wasDamaged: Bool
  private let folder: RunFolder
  private let metadata: [String: String]

  /// Opens a run. The first time, and where its weights have changed since, its training samples are loaded and scored.
  ///
  /// - Parameters:
  ///   - folder: that a run or `save` made.
  ///   - device: nil takes the run's own.
  /// - Throws: as `Autoencoder.load`; `CinchError.usage` of a classifier.
  public init(_ folder: String, on device: Device? = nil) throws {
    try self.init(folder, try Autoencoder.load(folder, on: device))
  }

  /// - Parameter model: of the run in this folder.
  package init(_ path: String, _ model: Autoencoder) throws {
    folder = RunFolder(path)
    let config = try model.run ?? folder.config()
    guard config.recipe.classifier == nil else {
      throw CinchError.usage(
        "A classifier tells nothing of how usual a sample is: score with an autoencoder, such as deep.")
    }
    self.model = model
    run = config
    metadata = try Self.metadata(of: config, try model.parameters())
    let stored = folder.storedScores(metadata)
    (kept, wasDamaged) = (stored.threshold, stored.isDamaged)
    if let scores = stored.training {
      (training, missing) = (scores, nil)
      return
    }
    do {
      training = try ScoreDistribution(try model.scores(try config.trainingSamples()))
      missing = nil
    } catch let error as CinchError {
      (training, missing) = (nil, error.message)
    }
    if training != nil { try? write() }
  }

  /// Scores of samples as files and programs have them: a table is read as the run's own was, and all are scaled by the run's
  /// own scaling. A feature that was constant in training adds nothing, whatever it holds (``ChangedConstants``): where it has
  /// another value, whoever observes loading (``LoadProgress``) is told.
  ///
  /// - Parameter samples: a `DataSource`, or a `Dataset` that is not scaled.
  /// - Returns: one for each sample; see ``Autoencoder/scores(_:)``.
  /// - Throws: as `Autoencoder.scores`, `RunConfig.prepare` and `DataSource.load`.
  public func scores(_ samples: any RunSamples) throws -> [Double] {
    let loaded = try samples.loaded(as: run.data?.options.schema)
    let prepared = try run.prepare(loaded.samples)
    if let note = prepared.changedConstants()?.note(on: prepared) { LoadProgress.note(note) }
    return try model.scores(prepared)
  }

  /// The threshold of a rule, or else the one that was kept last, or else that of `Rule.usual`.
  ///
  /// - Parameters:
  ///   - rule: nil for none.
  ///   - scores: of the samples at hand.
  /// - Returns: the threshold, and the rule that made it.
  /// - Throws: `CinchError.usage` where a share is not possible; `.badData` where the rule needs the scores of the training
  ///   samples and these cannot be had, or there are no scores.
  public func threshold(_ rule: Rule? = nil, for scores: [Double]) throws -> Threshold {
    try requireSamples(of: rule)
    if rule == nil, let kept { return kept }
    let rule = rule ?? .usual
    switch rule {
    case .contamination(let share):
      return Threshold(value: try ScoreDistribution(scores).threshold(above: share), rule: rule)
    case .falseAlarms(let share):
      guard let training else { throw unscored }
      return Threshold(value: try training.threshold(above: share), rule: rule)
    }
  }

  /// What ``threshold(_:for:)`` refuses before there are scores.
  package func requireSamples(of rule: Rule?) throws {
    if rule == nil, kept != nil { return }
    let rule = rule ?? .usual
    try rule.validate()
    if case .falseAlarms = rule, training == nil { throw unscored }
  }

  private var unscored: CinchError {
    .badData(
      "The training samples cannot be scored (" + (missing ?? "They are not there.").clause
        + "): set the threshold by \(.contamination), the share of anomalies among the samples at hand.")
  }

  /// Keeps a threshold in the run's folder, for later calls that name no rule.
  ///
  /// - Parameter threshold: as `threshold` gives it.
  /// - Throws: `CinchError.inputOutput`.
  public mutating func keep(_ threshold: Threshold) throws {
    guard threshold != kept else { return }
    kept = threshold
    try write()
  }
}

extension AnomalyDetector.Rule {
  /// - Throws: `CinchError.usage` where the share is none.
  package func validate() throws {
    switch self {
    case .contamination(let share):
      guard share > 0, share < 1 else {
        throw CinchError.usage(
          "\(.contamination, share) is not between 0 and 1: give the share of samples that are anomalies, such as 0.05."
        )
      }
    case .falseAlarms(let share):
      guard share >= 0, share < 1 else {
        throw CinchError.usage(
          "\(.falseAlarms, share) is not at least 0 and less than 1: give the share of training samples above the threshold, "
            + "such as 0.01.")
      }
    }
  }

  /// `false_alarms 0.01`.
  fileprivate var text: String {
    switch self {
    case .falseAlarms(let share): "false_alarms \(share)"
    case .contamination(let share): "contamination \(share)"
    }
  }

  fileprivate init?(_ text: String) {
    let words = text.split(separator: " ")
    guard words.count == 2, let share = Double(words[1]) else { return nil }
    switch words[0] {
    case "false_alarms": self = .falseAlarms(share)
    case "contamination": self = .contamination(share)
    default: return nil
    }
    guard (try? validate()) != nil else { return nil }
  }
}

// scores.safetensors
extension AnomalyDetector {
  fileprivate static let (scoresName, thresholdKey, ruleKey) = ("scores", "threshold", "rule")

  /// What a file must carry to belong here: other weights, as those of a run that has gone on, have other scores.
  private static func metadata(of config: RunConfig, _ parameters: [NamedParameter]) throws -> [String: String] {
    var sum = Checksum()
    for parameter in parameters { parameter.values.withUnsafeBytes { sum.add($0) } }
    var metadata = [
      "format": "cinch-scores", "samples": config.samples?.fingerprint ?? "", "weights": sum.text,
    ]
    metadata.merge(config.identity?.metadata ?? [:]) { $1 }
    return metadata
  }

  private func write() throws {
    var file = Safetensors()
    file.metadata = metadata
    file.metadata["cinch"] = CinchVersion.current
    if let kept {
      file.metadata[Self.thresholdKey] = "\(kept.value)"
      file.metadata[Self.ruleKey] = kept.rule.text
    }
    if let training {
      try file.add(Self.scoresName, shape: [training.sorted.count], .float64(training.sorted))
    }
    try file.write(to: folder.path(of: .scores))
  }
}

extension RunFolder {
  /// Nothing where there is no file, or none that belongs here: it can be made again.
  fileprivate func storedScores(
    _ metadata: [String: String]
  ) -> (training: ScoreDistribution?, threshold: AnomalyDetector.Threshold?, isDamaged: Bool) {
    guard has(.scores) else { return (nil, nil, false) }
    guard let file = try? Safetensors(contentsOf: path(of: .scores)) else { return (nil, nil, true) }
    guard metadata.allSatisfy({ file.metadata[$0.key] == $0.value }) else { return (nil, nil, false) }
    var training: ScoreDistribution?
    if case .float64(let scores)? = file[AnomalyDetector.scoresName]?.storage {
      training = try? ScoreDistribution(scores)
    }
    let text = file.metadata[AnomalyDetector.thresholdKey]
    let value = text.flatMap { Double($0) }
    let rule = file.metadata[AnomalyDetector.ruleKey].flatMap { AnomalyDetector.Rule($0) }
    guard let value, let rule, value.isFinite else { return (training, nil, text != nil) }
    return (training, AnomalyDetector.Threshold(value: value, rule: rule), false)
  }
}
