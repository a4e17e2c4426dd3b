import CinchBackend
import CinchCore
import CinchData

/// What runs came to, as one HTML page that needs nothing else: no script, no network, light or dark as the reader's screen is.
///
/// ```swift
/// let report = try RunReport(["runs/deep", "runs/sparse"])
/// try report.write(to: "report.html")
/// ```
///
/// It shows the curves of `history.csv`, filters, the samples that are reconstructed best and worst, what the units of the code do, and
/// the codes as points of a plane, by PCA and by t-SNE; recipes, provenance, and of several runs what differs. Training may still go on.
/// What cannot be shown, because data or weights are missing, is said in its place, and in ``notices``. See <doc:Reporting>.
public struct RunReport: Sendable {
  /// What is shown.
  public struct Options: Sendable, Hashable {
    /// Samples whose codes are shown as points, up to 5,000; nil for 1,000, or 300 of each of several runs. t-SNE takes time by
    /// the square of them: a second or two for 1,000. Of large samples or codes there are fewer, and the page says so.
    public var samples: Int?
    /// Whether codes are shown by t-SNE, too.
    public var tsne = true

    public init() {}
  }

  /// The page.
  public let html: String
  /// What is missing, and why.
  public let notices: [CinchError.Message]

  /// Reads runs, and what their models make of their data.
  ///
  /// - Parameters:
  ///   - runs: folders of one or more.
  ///   - data: samples in place of those that each was trained on.
  ///   - options: what is shown.
  ///   - device: nil takes each run's own, or `.automatic` where that is not here.
  ///   - wording: of notices on the page.
  /// - Throws: `CinchError.usage` where no run is named, or samples are too many; `.inputOutput` where one of the folders holds no
  ///   run; `.badData` where its configuration is damaged, or `data` do not fit. What else fails is among `notices`.
  public init(
    _ runs: [String], data: DataSource? = nil, options: Options = Options(), on device: Device? = nil,
    wording: @escaping (CinchError.Message) -> String = { $0.description }
  ) throws {
    guard !runs.isEmpty else { throw CinchError.usage("There is nothing to report on: name a run.") }
    if let samples = options.samples {
      guard (NeighbourEmbedding.fewestSamples...NeighbourEmbedding.mostSamples).contains(samples) else {
        throw CinchError.usage(
          "A map of \(samples) samples is not possible: choose \(NeighbourEmbedding.fewestSamples) to "
            + "\(NeighbourEmbedding.mostSamples).")
      }
    }
    var reported = try runs.enumerated().map { try ReportedRun($1, index: $0) }
    ReportedRun.nameApart(&reported)
    var notices = reported.flatMap(\.notes)
    var loaded: LoadedData?
    var sections: Markup = ""
    for run in reported {
      sections += try RunSection(run: run, options: options, runs: runs.count, wording: wording)
        .markup(data: data, on: device, &loaded) { notices.append($0) }
    }
    html = try ReportPage(runs: reported, sections: sections, wording: wording).text
    self.notices = notices
  }

  /// Writes the page, whole or not at all.
  ///
  /// - Parameters:
  ///   - path: where it goes.
  ///   - overwriting: whether a file that is there is replaced.
  /// - Throws: `CinchError.usage` where the file is there, or is a run's own; `.inputOutput` where it cannot be written.
  public func write(to path: String, overwriting: Bool = false) throws {
    try RunFolder.requireFree(path, overwriting)
    try AtomicFile.write(html, to: path)
  }
}
