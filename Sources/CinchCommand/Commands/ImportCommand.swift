import ArgumentParser
import Cinch

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
      "The layers that the weights belong to: a recipe as JSON, as 'cinch recipes --json' prints them, or the name of one.",
      valueName: "file.json"))
  var recipe: String

  @Option(
    name: [.short, .customLong("out"), .customLong("output")],
    help: ArgumentHelp("The run's folder. (default: runs/YYYY-MM-DD-RECIPE)", valueName: "folder"))
  var output: String?

  @OptionGroup(title: "Device") var deviceOptions: DeviceOptions

  func run() throws {
    let recipe = try Recipe.all.first { $0.name == self.recipe } ?? Recipe.load(self.recipe)
    if let output { try RunFolder(output).requireNoRun() }
    let model = try Autoencoder.importing(file, as: recipe, on: deviceOptions.device ?? .automatic)
    if let note = model.deviceNote { Diagnostics.logger().notice("\(note)") }
    // Nothing is made before the weights are known to fit.
    let folder = try RunFolder.create(at: output, name: recipe.name)
    try model.save(to: folder.path)
    let parameters = NumberText.counted(model.network.parameterCount, "parameter")
    try Output.result("saved     \(folder.path)   (\(parameters))")
  }
}
