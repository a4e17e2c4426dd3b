import ArgumentParser
import Cinch
import CinchData

struct ClassifyCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "classify", abstract: "Tells the classes of samples by a run that was trained with labels.",
    discussion: """
      Where the samples have labels, the fraction of wrong classes is printed with its 95 % interval, e ± 1.96·√(e(1−e)/n), and the \
      confusion matrix: a row for each label, a column for each class that was told.
      """)

  @OptionGroup var runOptions: RunOptions
  @OptionGroup(title: "Data (default: the run's training data)") var dataOptions: DataOptions

  @Option(
    name: [.short, .customLong("out"), .customLong("output")],
    help: ArgumentHelp("A file for the classes: .csv, with a row for each sample. (default: none)", valueName: "file"))
  var output: String?

  @OptionGroup var overwriting: OverwriteOptions

  @Flag(help: "Prints one JSON object.")
  var json = false

  func run() throws {
    if let output, !output.isNamed(".csv") {
      throw CinchError.usage("The output '\(output)' is no .csv: name a file that ends so.")
    }
    try overwriting.requireFree(output)
    let (model, config) = try runOptions.open()
    let data = try dataOptions.load(for: config)
    let classes = try model.classify(data)
    if let output {
      try NamedRows(data.sampleNames).write(columns: ["class"], rows: classes.count, to: output) {
        [config.className(classes[$0])]
      }
    }
    let names = (0..<(config.recipe.classifier?.classes ?? 0)).map(config.className)
    let confusion = try Confusion(labels: data.labels, classes: classes, names: names)
    if json {
      return try Output.result(
        JSON.record([
          "samples": .integer(classes.count), "metrics": confusion.map { JSON.map([Metrics.errorName: $0.rate.error]) },
          "error_interval": .optional(confusion?.rate.interval),
          "classes": confusion.map { JSON.array($0.names.map { .string($0) }) },
          "confusion": confusion.map { JSON.array($0.counts.map { .array($0.map { .integer($0) }) }) },
        ]).description)
    }
    if let output { try Output.result("saved     \(output)   (\(NumberText.counted(classes.count, "sample")))") }
    if let confusion {
      try Output.result(confusion.text)
    } else {
      try Output.result("samples   \(NumberText.grouped(classes.count)), without labels to compare with")
    }
  }
}

extension Confusion {
  var text: String {
    func cut(_ name: String) -> String { name.count > 11 ? name.prefix(10) + "…" : name }
    let longest = names.map { cut($0).count }.max() ?? 0
    let width = max(6, "\(counts.joined().max() ?? 0)".count + 1, longest + 1)
    let first = max(5, longest)
    func padded(_ text: String) -> String { String(repeating: " ", count: max(0, width - text.count)) + text }
    func beginning(_ text: String) -> String { text.padding(toLength: first, withPad: " ", startingAt: 0) }
    let head = beginning("label") + names.map { padded(cut($0)) }.joined()
    let rows = zip(names, counts).map { name, row in
      beginning(cut(name)) + row.map { padded("\($0)") }.joined()
    }
    return "error     \(rate.text) of \(NumberText.grouped(rate.samples)) samples\n\n"
      + ([head] + rows).joined(separator: "\n")
  }
}
