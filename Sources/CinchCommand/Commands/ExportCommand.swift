import ArgumentParser
import Cinch

struct ExportCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "export", abstract: "Writes a run's model for other programs.",
    discussion: """
      A file that ends with .onnx is a model for onnxruntime and its like. Its input is raw samples, 32-bit floats of the shape \
      and layout of the training samples, any number of them, and the run's scaling is inside: bytes go in as 0 to 255. What comes out is what \
      'cinch reconstruct' writes, or 'cinch encode', or 'cinch decode'; of a classifier, the probabilities of its classes.

      A file that ends with .safetensors holds the weights, shaped as PyTorch's. With --names torch they are called as those of an \
      nn.Sequential, which is printed. Scaling is left to whoever uses them.

      Opens no device.
      """)

  @Argument(help: ArgumentHelp("The run's folder.", valueName: "run"))
  var path: String

  @Option(
    name: [.short, .customLong("out"), .customLong("output")],
    help: ArgumentHelp(
      "Where the model goes: a file that ends with .onnx or .safetensors.", valueName: "file"))
  var output: String

  @Option(
    help: ArgumentHelp(
      "encoder: samples to codes; decoder: codes to samples; all: samples to reconstructions.", valueName: "part"))
  var part = ModelPart.all

  @Option(
    help: ArgumentHelp(
      "What weights are called in .safetensors: encoder.0.weight by cinch, 0.weight by torch. (default: cinch)",
      valueName: "names"))
  var names: ModelExport.Names?

  @OptionGroup var overwriting: OverwriteOptions

  func run() throws {
    let isONNX = output.isNamed(".onnx")
    guard isONNX || output.isNamed(".safetensors") else {
      throw CinchError.usage(
        "The output '\(output)' is neither .onnx nor .safetensors: name a file that ends with one of these.")
    }
    guard !isONNX || names == nil else {
      throw CinchError.usage(
        "--names is about weights, and '\(output)' is a model: leave it out, or name a file that ends with .safetensors."
      )
    }
    let export = try ModelExport(path)
    if !export.config.isFinal {
      Diagnostics.logger().notice(
        "training has not ended: these are the weights with which it was last stopped, or had ended before it went on")
    }
    var facts = Facts()
    if isONNX {
      let (input, result) = try export.writeONNX(part, to: output, overwriting: overwriting.overwrite)
      facts.add("saved", output)
      facts.add("input", input)
      facts.add("output", result)
    } else {
      let module = try export.writeSafetensors(
        part, names: names ?? .cinch, to: output, overwriting: overwriting.overwrite)
      facts.add("saved", output)
      facts.add("module", module)
    }
    try Output.result(facts.text)
  }
}
