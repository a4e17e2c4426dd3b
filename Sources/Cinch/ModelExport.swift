import CinchBackend
import CinchCore
import CinchData

/// A trained model for other programs: as an ONNX model, or as weights that PyTorch loads. No device is opened.
///
/// ```swift
/// let export = try ModelExport("runs/conv")
/// try export.writeONNX(.encoder, to: "encoder.onnx")
/// print(try export.writeSafetensors(names: .torch, to: "weights.safetensors"))
/// ```
///
/// See <doc:Exporting>.
public struct ModelExport: Sendable {
  /// How the model was trained: its recipe, and what raw samples are scaled by.
  public let config: RunConfig
  private let parameters: [NamedParameter]

  /// What parameters are called in a file.
  public enum Names: String, Sendable, Hashable, CaseIterable {
    /// As a run's: `encoder.0.weight`.
    case cinch
    /// As those of PyTorch's `nn.Sequential`: `0.weight`, by the place of the module.
    case torch
  }

  /// The model of a run folder.
  ///
  /// - Parameter folder: that a run or `Autoencoder.save` made.
  /// - Throws: `CinchError.inputOutput` where there is no run, or it has no weights yet; `.badData` where its files are damaged
  ///   or of different runs.
  public init(_ folder: String) throws {
    let folder = RunFolder(folder)
    config = try folder.config()
    parameters = try folder.parameters(of: config)
  }

  /// A model as it is.
  ///
  /// - Parameter model: one that was loaded knows what raw samples are; any other takes samples as `Autoencoder.reconstruct`
  ///   does.
  /// - Throws: `CinchError.usage` in the middle of training.
  public init(_ model: Autoencoder) throws {
    config = model.run ?? RunConfig(recipe: model.recipe, device: model.device)
    parameters = try model.parameters()
  }

  /// Writes an ONNX model, which computes on raw samples what ``Autoencoder/reconstruct(_:)``, ``Autoencoder/encode(_:)`` or
  /// ``Autoencoder/decode(_:)`` do on scaled ones.
  ///
  /// - Parameters:
  ///   - part: which part of the model.
  ///   - path: where the file goes.
  ///   - overwriting: whether a file that is there is replaced.
  /// - Returns: what goes in and what comes out, such as `input [batch, 28, 28]`.
  /// - Throws: `CinchError.usage` where the file is there, the part is none by itself, or the model is too large for ONNX;
  ///   `.badData` where the parameters do not fit the recipe; `.inputOutput` where the file cannot be written.
  @discardableResult
  public func writeONNX(
    _ part: ModelPart = .all, to path: String, overwriting: Bool = false
  ) throws -> (input: String, output: String) {
    try RunFolder.requireFree(path, overwriting)
    try requireRoom()
    let graph = try graph(part)
    try AtomicFile.write(try onnx(graph, part), to: path)
    func text(_ port: OperatorGraph.Port) -> String {
      "\(port.name) [\((["batch"] + port.shape.dimensions.map(String.init)).joined(separator: ", "))], \(port.description)"
    }
    return (text(graph.input), text(graph.output))
  }

  /// Writes weights and biases, shaped as PyTorch's.
  ///
  /// - Parameters:
  ///   - part: which part of the model.
  ///   - names: what they are called.
  ///   - path: where the file goes.
  ///   - overwriting: whether a file that is there is replaced.
  /// - Returns: of `torch` names the module whose `load_state_dict` takes them, as Python: `nn.Sequential(…)`; the file has it as
  ///   metadata, too. Nil of others.
  /// - Throws: as ``writeONNX(_:to:overwriting:)``; of `torch` names `CinchError.usage` where a layer is no module of a sequence.
  @discardableResult
  public func writeSafetensors(
    _ part: ModelPart = .all, names: Names = .cinch, to path: String, overwriting: Bool = false
  ) throws -> String? {
    try RunFolder.requireFree(path, overwriting)
    try requireRoom()
    var file = Safetensors()
    file.metadata = metadata(part)
    file.metadata["format"] = "pt"
    var module: String?
    let named: [NamedParameter]
    switch names {
    case .cinch: named = try config.recipe.parameters(of: part, parameters)
    case .torch:
      let sequence = try config.recipe.torchSequence(part, parameters: parameters)
      (named, module) = (sequence.parameters, sequence.text)
      file.metadata["module"] = module
    }
    for parameter in named { try file.add(parameter.name, shape: parameter.shape, .float32(parameter.values)) }
    try file.write(to: path)
    return module
  }

  /// Parameters as the model has them, under their names, as the file's, and its bytes.
  private func requireRoom() throws {
    let bytes = parameters.reduce(0) { $0 + $1.values.count } * MemoryLayout<Float>.stride
    try HostMemory.require(4 * bytes, for: "the exported model")
  }

  /// What files say of where they come from.
  private func metadata(_ part: ModelPart) -> [String: String] {
    var metadata = ["cinch": CinchVersion.current, "recipe": config.recipe.name, "part": part.rawValue]
    metadata.merge(config.identity?.metadata ?? [:]) { $1 }
    return metadata
  }
}

// ONNX.
extension ModelExport {
  func graph(_ part: ModelPart) throws -> OperatorGraph {
    try config.recipe.operatorGraph(part, parameters: parameters, format: config.sampleFormat)
  }

  func onnx(_ graph: OperatorGraph, _ part: ModelPart) throws -> [UInt8] {
    var metadata = metadata(part)
    if part != .encoder, let classes = config.classes { metadata["classes"] = try JSONCoding.line(classes) }
    if let schema = config.schema { metadata["features"] = try JSONCoding.line(schema.featureNames) }
    return try graph.onnx(name: config.recipe.name, metadata: metadata)
  }
}

extension RunConfig {
  /// What the features of its table mean; nil where they were no table with names.
  fileprivate var schema: TableSchema? {
    data?.options.schema.flatMap { $0.features == recipe.input ? $0 : nil }
  }

  /// What raw samples are.
  fileprivate var sampleFormat: SampleFormat {
    let image = shape.dimensions.count == 3 ? ImageShape(shape) : nil
    let scaling = scaling?.kind == Scaling.Kind.none ? nil : scaling
    return SampleFormat(
      shape: image?.shape(in: layout) ?? shape, layout: layout, scaling: scaling, fills: schema?.fills)
  }
}

extension TableSchema {
  /// What stands for a missing value of each feature; nil where nobody knows of one.
  fileprivate var fills: [Float]? {
    var fills: [Float] = []
    for column in columns {
      switch column.kind {
      case .number:
        guard let fill = column.fill else { return nil }
        fills.append(Float(fill))
      case .binary: fills.append(0.5)
      case .category(let texts): fills += [Float](repeating: 0, count: texts.count)
      }
    }
    return fills
  }
}
