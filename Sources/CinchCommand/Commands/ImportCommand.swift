import ArgumentParser
import Cinch
import FoundationEssentials
import Glibc

struct ImportCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "import", abstract: "Makes a run of weights that another program has trained.",
    discussion: """
      Weights are called as a run's own (encoder.0.weight), or as those of PyTorch's nn.Sequential (0.weight, 2.bias), or of two \
      that are called encoder and decoder; these are matched with the recipe's layers in their order, and by their shapes. The \
      run has no scaling: samples are passed to the model as they are, bytes divided by 255.
      """)

  @Argument(help: ArgumentHelp("A .safetensors file.", valueName: "file"))
  var file: String

  @Option(
    help: ArgumentHelp(
      "The layers that the weights belong to: a recipe as JSON, as 'cinch recipes --json' prints them, a run's, or the name "
        + "of one.",
      valueName: "file.json"))
  var recipe: String

  @Option(
    name: [.short, .customLong("out"), .customLong("output")],
    help: ArgumentHelp("The run's folder. (default: runs/YYYY-MM-DD-RECIPE)", valueName: "folder"))
  var output: String?

  @OptionGroup(title: "Device") var deviceOptions: RunlessDeviceOptions

  func run() throws {
    // What is no file is a name, unless it looks like a file's.
    let isFile = FileManager.default.fileExists(atPath: recipe) || recipe.contains("/") || recipe.isNamed(".json")
    let recipe = try isFile ? Recipe.load(recipe) : Recipe.named(recipe)
    if let output { try RunFolder(output).requireNoRun() }
    let (model, begun) = try Autoencoder.imported(file, as: recipe, on: deviceOptions.device ?? .automatic)
    let log = Diagnostics.logger()
    if let note = model.deviceNote { log.notice("\(note)") }
    for name in begun {
      log.notice(
        "'\(name)' is not in '\(file)' and begins as a new model's: likelihoods are not those of the model it came from"
      )
    }
    // Nothing is made before the weights are known to fit.
    let folder = try RunFolder.create(at: output, name: recipe.name)
    do { try model.save(to: folder.path, commandLine: Run.Settings.ofProgram.commandLine) } catch {
      // Of a folder that this made, and that holds nothing.
      rmdir(folder.path)
      throw error
    }
    let parameters = NumberText.counted(model.network.parameterCount, "parameter")
    try Output.result("saved     \(folder.path)   (\(parameters))")
  }
}
