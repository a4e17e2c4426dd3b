import ArgumentParser
import Cinch

struct ReportCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "report", abstract: "Writes what runs came to as one HTML page.",
    discussion: """
      The page has the curves of history.csv, filters, the samples that are reconstructed best and worst, what the units of the code do, \
      and the codes as points of a plane, by PCA and by t-SNE; recipe, provenance, and how to reproduce. Several runs stand in the \
      same curves, with what differs between them. It needs no script and no network.

      What cannot be shown, because data or weights are missing, is said in its place. Runs that are still training show what they \
      have so far.
      """)

  @Argument(help: ArgumentHelp("The run's folder; several for one page of all.", valueName: "run"))
  var paths: [String]

  @OptionGroup(title: "Device") var deviceOptions: DeviceOptions
  @OptionGroup(title: "Data (default: each run's training data)") var sourceOptions: SourceOptions

  @Option(
    name: [.short, .customLong("out"), .customLong("output")],
    help: ArgumentHelp(
      "Where the page goes. (default: report.html in the run's folder; of several runs in this one)", valueName: "file")
  )
  var output: String?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "How many samples' codes are shown as points, up to 5000. t-SNE takes time by the square of them. (default: 1000; of "
        + "several runs 300 each)", valueName: "n"))
  var samples: Int?

  @Flag(help: "Leaves t-SNE out.")
  var noTsne = false

  @OptionGroup var overwriting: OverwriteOptions

  func run() throws {
    let folder = paths.count == 1 ? String(paths[0].reversed().drop { $0 == "/" }.reversed()) : "."
    let output = output ?? (folder == "." ? "report.html" : "\(folder)/report.html")
    // Before any work is done.
    for path in paths { _ = try RunFolder(path).config() }
    try overwriting.requireFree(output)
    let hasEnding = output.split(separator: "/").last?.contains(".") ?? false
    guard !hasEnding || [".html", ".htm"].contains(where: output.isNamed) else {
      throw CinchError.usage("The output '\(output)' is no .html: name a file that ends so.")
    }
    try AtomicFile.requireWritable(output)
    var options = RunReport.Options()
    options.samples = samples
    options.tsne = !noTsne
    let source = try sourceOptions.source()
    let typed = { CinchError.badData($0).typed }
    let report = try LoadReport.observing(quiet: false) {
      try RunReport(paths, data: source, options: options, on: deviceOptions.device, wording: typed)
    }
    for notice in report.notices { Diagnostics.logger().notice("\(typed(notice))") }
    try report.write(to: output, overwriting: overwriting.overwrite)
    try Output.result("saved     \(output)   (\(NumberText.counted(paths.count, "run")))")
  }
}
