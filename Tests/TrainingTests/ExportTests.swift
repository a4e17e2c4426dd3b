import CinchBackend
import Foundation
import ONNXProto
import SwiftProtobuf
import TestSupport
import Testing

@testable import Cinch
@testable import CinchCore
@testable import CinchData

/// First weights of a recipe, under their names.
private func firstValues(_ recipe: Recipe) throws -> [NamedParameter] {
  let list = try recipe.resolved().parameters
  return list.named(list.initialValues(seed: 5))
}

private func refused(
  _ part: String, exitCode: Int32, sourceLocation: SourceLocation = #_sourceLocation, _ body: () throws -> Void
) {
  let error = #expect(throws: CinchError.self, sourceLocation: sourceLocation) { try body() }
  let text = error?.description ?? ""
  #expect(text.contains(part) && isSentence(text), "\(text) should say '\(part)'", sourceLocation: sourceLocation)
  #expect(error?.exitCode == exitCode, "\(text)", sourceLocation: sourceLocation)
}

@Suite struct ExportTests {
  /// Every recipe as it is named, and every variant.
  static let recipes = Recipe.all + Variants.all

  private static func graph(_ recipe: Recipe, _ part: ModelPart = .all, _ format: SampleFormat? = nil) throws
    -> OperatorGraph
  {
    try recipe.operatorGraph(
      part, parameters: firstValues(recipe), format: format ?? SampleFormat(shape: recipe.inputShape.sampleShape))
  }

  private static func types(_ recipe: Recipe, _ part: ModelPart = .all, _ format: SampleFormat? = nil) throws
    -> [String]
  {
    try graph(recipe, part, format).nodes.map(\.type)
  }

  /// A kind that no variant has would be exported unseen.
  @Test func variantsHaveEveryKindOfLayer() {
    let seen = Set(Self.recipes.flatMap { ($0.encoder + $0.decoder).map { type(of: $0.definition).typeName } })
    #expect(seen == Set(LayerSpec.kinds.map { $0.typeName }))
  }

  /// What a node reads is there before it, names are given once, and no constant is idle.
  @Test(arguments: recipes) func graphsAreWhole(recipe: Recipe) throws {
    let network = try recipe.resolved()
    let hasDecoder = !network.isClassifier && !recipe.decoder.contains(.unpool)
    for part in ModelPart.allCases {
      if part == .decoder, !hasDecoder {
        refused(network.isClassifier ? "no decoder" : "upsamples", exitCode: 64) { _ = try Self.graph(recipe, part) }
        continue
      }
      let graph = try Self.graph(recipe, part)
      var known: Set = [graph.input.name]
      for constant in graph.constants {
        #expect(known.insert(constant.name).inserted)
        let count =
          switch constant.values {
          case .floats(let values): values.count
          case .integers(let values): values.count
          }
        #expect(count == constant.shape.count)
      }
      var read: Set<String> = []
      for node in graph.nodes {
        let inputs = node.inputs.filter { !$0.isEmpty }
        #expect(known.isSuperset(of: inputs), "\(recipe.name): \(node.name)")
        read.formUnion(inputs)
        for output in node.outputs { #expect(known.insert(output).inserted, "\(recipe.name): \(output)") }
      }
      #expect(known.contains(graph.output.name) && read.isSuperset(of: graph.constants.map(\.name)))
      #expect(Set(graph.nodes.map(\.name)).count == graph.nodes.count)
      let wanted = part == .encoder ? network.codeShape.sampleShape : network.layers.last?.output.sampleShape
      #expect(graph.output.shape == wanted)
    }
  }

  /// The bytes are what was meant: read back by protobuf, with every weight as the model has it.
  @Test(arguments: recipes) func bytesHoldTheGraph(recipe: Recipe) throws {
    let parameters = try firstValues(recipe)
    let graph = try Self.graph(recipe)
    let bytes = try graph.onnx(name: "graph", metadata: ["b": "2", "a": "1"])
    #expect(try bytes == graph.onnx(name: "graph", metadata: ["a": "1", "b": "2"]), "the same bytes each time")
    let model = try Onnx_ModelProto(serializedBytes: bytes)
    #expect(model.irVersion == 8 && model.opsetImport.map(\.version) == [17] && model.producerName == "cinch")
    #expect(model.metadataProps.map(\.key) == ["a", "b"] && model.graph.name == "graph")
    #expect(model.graph.node.map(\.opType) == graph.nodes.map(\.type))
    #expect(model.graph.node.map(\.input) == graph.nodes.map(\.inputs))
    #expect(model.graph.node.map(\.output) == graph.nodes.map(\.outputs))
    let input = try #require(model.graph.input.first?.type.tensorType)
    #expect(input.elemType == 1 && input.shape.dim.first?.dimParam == "batch")
    #expect(input.shape.dim.dropFirst().map(\.dimValue) == recipe.inputShape.extents.map(Int64.init))
    let tensors = Dictionary(uniqueKeysWithValues: model.graph.initializer.map { ($0.name, $0) })
    let network = try recipe.resolved()
    for use in network.parameters.uses where use.stage < network.layers.count && !use.isShared {
      let tensor = try #require(tensors[use.name])
      let own = try #require(parameters.first { $0.name == use.name })
      #expect(tensor.dataType == 1 && tensor.dims == own.shape.dimensions.map(Int64.init))
      #expect(tensor.rawData == own.values.withUnsafeBytes { Data($0) }, "\(use.name)")
    }
    for use in network.parameters.uses where use.isShared { #expect(tensors[use.name] == nil, "it is there once") }
  }

  @Test func layersAreTheirOperators() throws {
    #expect(
      try Self.types(.conv())
        == ["Conv", "Relu", "Conv", "Relu", "ConvTranspose", "Relu", "ConvTranspose", "Sigmoid"])
    #expect(try Self.types(.conv(), .encoder) == ["Conv", "Relu", "Conv", "Relu"])
    #expect(try Self.types(.deep(), .decoder) == ["Gemm", "Relu", "Gemm", "Sigmoid"])
    #expect(
      try Self.types(.convUnpool()) == [
        "Conv", "Relu", "MaxPool", "Conv", "Relu", "MaxPool", "Shape", "MaxUnpool", "ConvTranspose", "Relu", "Shape",
        "MaxUnpool", "ConvTranspose", "Sigmoid",
      ])
    #expect(try Self.types(.vae(), .encoder) == ["Gemm", "Relu", "Gemm", "Slice"])
    #expect(try Self.types(.classifier()) == ["Gemm", "Relu", "Gemm", "Softmax"])
    #expect(try Self.types(.convVAE(), .encoder) == ["Conv", "Relu", "Conv", "Relu", "Reshape", "Gemm", "Slice"])
    let columns: [OutputColumn] = [.number, .number, .binary, .category(3)]
    #expect(
      try Self.types(.imputation(features: 6, columns: columns)).suffix(5)
        == ["Gemm", "Split", "Sigmoid", "Softmax", "Concat"])
    // Nothing is drawn or dropped where a model is used.
    let dropped = try #require(Variants.all.first { $0.name == "dropout" })
    #expect(try Set(Self.types(dropped)) == ["Gemm", "Relu", "Sigmoid"])
  }

  /// Of PyTorch's formulas: a convolution looks at ⌊(size + padding − reach) / stride⌋ + 1 places.
  @Test func geometriesAreThoseOfTheLayers() throws {
    let image = ImageShape(channels: 2, height: 11, width: 8)
    var recipe = Recipe.conv(image: image)
    try recipe.autoencoder?.setLayers(
      image: image,
      encoder: [
        .convolution(
          ConvolutionSpec(
            filters: 3, kernel: Extent(3, 4), stride: Extent(2),
            padding: .explicit(top: 2, bottom: 0, left: 1, right: 2)
          ))
      ], outputActivation: .sigmoid)
    let graph = try Self.graph(recipe)
    func attribute(_ node: Int, _ name: String) -> OperatorGraph.Attribute? {
      graph.nodes[node].attributes.first { $0.name == name }?.value
    }
    // Of 13 rows 3 + 2·5, of 11 columns 4 + 2·3 are looked at.
    #expect(attribute(0, "kernel_shape") == .integers([3, 4]) && attribute(0, "strides") == .integers([2, 2]))
    #expect(attribute(0, "pads") == .integers([2, 1, 0, 1]) && attribute(0, "dilations") == .integers([1, 1]))
    #expect(attribute(2, "pads") == .integers([2, 1, 0, 1]))
    #expect(attribute(2, "output_padding") == .integers([0, 0]))
    // A row that no window reaches: the transposed convolution adds it.
    try recipe.autoencoder?.setLayers(
      image: image, encoder: [.convolution(ConvolutionSpec(filters: 3, stride: Extent(2, 3), padding: .valid))],
      outputActivation: .sigmoid)
    let open = try Self.graph(recipe)
    #expect(open.nodes[2].attributes.first { $0.name == "output_padding" }?.value == .integers([0, 2]))
  }

  @Test func tiedWeightsAreThereOnce() throws {
    var recipe = Recipe.deep(layers: [13, 7, 3])
    recipe.autoencoder?.tied = true
    let graph = try Self.graph(recipe)
    #expect(
      graph.constants.filter { $0.name.hasSuffix("weight") }.map(\.name) == ["encoder.0.weight", "encoder.1.weight"])
    let turned = graph.nodes.filter { $0.type == "Gemm" }.map { $0.attributes[0].value }
    #expect(turned == [.integer(1), .integer(1), .integer(0), .integer(0)])
    let decoder = try Self.graph(recipe, .decoder)
    #expect(decoder.nodes.first?.inputs == ["code", "encoder.1.weight", "decoder.0.bias"])
  }

  @Test func scalingIsInside() throws {
    let recipe = Recipe.linear(layers: [3, 2])
    let offset = 1e6 + 0.1
    let scaling = Scaling(kind: .standard, offset: [offset, 0, 5], scale: [0.5, 4, 0])
    let format = SampleFormat(shape: [3], scaling: scaling)
    let graph = try Self.graph(recipe, .all, format)
    #expect(graph.nodes.map(\.type) == ["Sub", "Sub", "Mul", "Gemm", "Gemm", "Mul", "Add"])
    func values(_ name: String) -> [Float]? {
      graph.constants.first { $0.name == name }.flatMap {
        if case .floats(let values) = $0.values { values } else { nil }
      }
    }
    #expect(values("scaling.offset_rest")?[0] == Float(offset - Double(Float(offset))))
    #expect(values("scaling.factor") == [2, 0.25, 0] && values("output.scale") == [0.5, 4, 0])
    #expect(try Self.types(recipe, .encoder, format).suffix(1) == ["Gemm"])
    #expect(try Self.types(recipe, .decoder, format) == ["Gemm", "Mul", "Add"])
    // What 32 bits hold needs no second difference; bytes stay between 0 and 1 behind the model.
    let plain = Scaling(kind: .minmax, offset: [0, 1, 2], scale: [1, 2, 4])
    #expect(try Self.types(recipe, .all, SampleFormat(shape: [3], scaling: plain)).prefix(3) == ["Sub", "Mul", "Gemm"])
    #expect(try Self.types(recipe, .all, SampleFormat(shape: [3], scaling: .bytes)) == ["Div", "Gemm", "Gemm"])
    let filled = SampleFormat(shape: [3], scaling: plain, fills: [1, 2, 3])
    #expect(try Self.types(recipe, .encoder, filled).prefix(3) == ["IsNaN", "Where", "Sub"])
    refused("Feature 2 is scaled by", exitCode: 65) {
      let tiny = Scaling(kind: .minmax, offset: [0, 0, 0], scale: [1, 1e-42, 1])
      _ = try Self.graph(recipe, .all, SampleFormat(shape: [3], scaling: tiny))
    }
  }

  @Test func channelsLastComeAndGoAsTheyAre() throws {
    let image = ImageShape(channels: 3, height: 8, width: 8)
    let format = SampleFormat(shape: image.shape(in: .nhwc), layout: .nhwc)
    let graph = try Self.graph(.conv(image: image), .all, format)
    #expect(graph.input.shape == [8, 8, 3] && graph.output.shape == [8, 8, 3])
    #expect(graph.nodes.first?.attributes.first?.value == .integers([0, 3, 1, 2]))
    #expect(graph.nodes.last?.attributes.first?.value == .integers([0, 2, 3, 1]))
    let scaling = Scaling(
      kind: .standard, offset: [Double](repeating: 1, count: 192), scale: [Double](repeating: 2, count: 192))
    let scaled = SampleFormat(shape: image.shape(in: .nhwc), layout: .nhwc, scaling: scaling)
    #expect(
      try Self.types(.conv(image: image), .encoder, scaled).prefix(5)
        == ["Transpose", "Reshape", "Sub", "Mul", "Reshape"])
    // A grey image without an axis of channels.
    let grey = try Self.types(.conv(), .all, SampleFormat(shape: [28, 28]))
    #expect(grey.first == "Reshape" && grey.last == "Reshape")
  }

  @Test func whatDoesNotFitIsRefused() throws {
    refused("up to 2 GB", exitCode: 64) { try OperatorGraph.requireFit(1 << 31) }
    try OperatorGraph.requireFit(OperatorGraph.mostConstantBytes)
    let recipe = Recipe.linear(layers: [3, 2])
    refused("has no 'decoder.0.weight'", exitCode: 65) {
      let some = try firstValues(recipe).filter { $0.name != "decoder.0.weight" }
      _ = try recipe.operatorGraph(.all, parameters: some, format: SampleFormat(shape: [3]))
    }
  }

  @Test func filesAreNotReplacedUnasked() throws {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("cinch-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let model = try Autoencoder(.linear(layers: [3, 2]), on: .reference)
    let export = try ModelExport(model)
    for name in ["model.onnx", "weights.safetensors"] {
      let path = folder.appendingPathComponent(name).path
      try Data("mine".utf8).write(to: URL(fileURLWithPath: path))
      func write(_ overwriting: Bool) throws {
        if name.hasSuffix("onnx") {
          try export.writeONNX(to: path, overwriting: overwriting)
        } else {
          try export.writeSafetensors(names: .torch, to: path, overwriting: overwriting)
        }
      }
      refused("is there already", exitCode: 64) { try write(false) }
      #expect(try Data(contentsOf: URL(fileURLWithPath: path)) == Data("mine".utf8))
      try write(true)
      #expect(try Data(contentsOf: URL(fileURLWithPath: path)).count > 100)
    }
    refused("does not exist", exitCode: 74) { try export.writeONNX(to: folder.path + "/none/model.onnx") }
  }
}

@Suite struct TorchNamesTests {
  /// What is exported comes back under Cinch's names, to the last bit, whatever the order in the file.
  @Test(arguments: ExportTests.recipes) func sequencesComeBack(recipe: Recipe) throws {
    let parameters = try firstValues(recipe)
    guard !(recipe.encoder + recipe.decoder).contains(where: { $0 == .sampling || $0 == .unpool }) else {
      return refused("no module of an nn.Sequential", exitCode: 64) {
        _ = try recipe.torchSequence(.all, parameters: parameters)
      }
    }
    let sequence = try recipe.torchSequence(.all, parameters: parameters)
    #expect(sequence.text.hasPrefix("nn.Sequential(nn."))
    for given in [
      sequence.parameters, sequence.parameters.reversed(), sequence.parameters.sorted { $0.name < $1.name },
    ] {
      let back = try recipe.imported(given, from: "file").all
      let layers = try recipe.resolved().layers.map(\.name)
      for parameter in parameters where layers.contains(where: { parameter.name.hasPrefix($0 + ".") }) {
        #expect(back.first { $0.name == parameter.name }?.values == parameter.values, "\(parameter.name)")
      }
    }
    #expect(try recipe.imported(parameters, from: "file").all.map(\.values) == parameters.map(\.values))
  }

  @Test func modulesAreSpelledAsPythonHasThem() throws {
    func text(_ recipe: Recipe, _ part: ModelPart = .all) throws -> String {
      try recipe.torchSequence(part, parameters: firstValues(recipe)).text
    }
    #expect(
      try text(.deep(layers: [784, 128, 32]), .encoder)
        == "nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 32), nn.ReLU())")
    let conv = try text(.conv())
    #expect(
      conv.contains("nn.Conv2d(1, 16, (3, 3), stride=(2, 2), dilation=(1, 1), padding=(1, 1))")
        && conv.contains(
          "nn.ConvTranspose2d(16, 1, (3, 3), stride=(2, 2), dilation=(1, 1), padding=(1, 1), output_padding=(1, 1))")
    )
    let pool = try text(.convPool())
    #expect(
      pool.contains("nn.MaxPool2d((2, 2), stride=(2, 2))") && pool.contains("nn.Upsample(scale_factor=(2, 2))"))
    let names = try Recipe.deep(layers: [9, 5, 2]).torchSequence(
      .decoder, parameters: firstValues(.deep(layers: [9, 5, 2]))
    ).parameters.map(\.name)
    #expect(names == ["0.weight", "0.bias", "2.weight", "2.bias"])
  }

  /// PyTorch pads both sides of an axis alike.
  @Test func unevenPaddingHasAModuleOfItsOwn() throws {
    let image = ImageShape(channels: 1, height: 8, width: 8)
    var recipe = Recipe.conv(image: image)
    try recipe.autoencoder?.setLayers(
      image: image,
      encoder: [.convolution(ConvolutionSpec(filters: 2, kernel: Extent(4), stride: Extent(1), padding: .same))],
      outputActivation: .sigmoid)
    let text = try recipe.torchSequence(.all, parameters: firstValues(recipe)).text
    #expect(
      text.contains("nn.ZeroPad2d((1, 2, 1, 2)), nn.Conv2d(1, 2, (4, 4), stride=(1, 1), dilation=(1, 1), padding=0)"))
    #expect(text.contains("padding=0, output_padding=(0, 0)), nn.ZeroPad2d((-1, -2, -1, -2)), nn.Sigmoid()"))
  }

  @Test func encodersAndDecodersAreTwoSequences() throws {
    let recipe = Recipe.deep(layers: [9, 5, 2])
    let parameters = try firstValues(recipe)
    func part(_ part: ModelPart, _ prefix: String) throws -> [NamedParameter] {
      try recipe.torchSequence(part, parameters: parameters).parameters.map { parameter in
        NamedParameter(name: prefix + parameter.name, shape: parameter.shape, values: parameter.values)
      }
    }
    let both = try part(.decoder, "net.decoder.") + part(.encoder, "net.encoder.")
    #expect(
      try recipe.imported(both, from: "file").all.sorted { $0.name < $1.name }
        == parameters.sorted { $0.name < $1.name })
    refused("2 sequences (a, b)", exitCode: 65) {
      _ = try recipe.imported(part(.encoder, "a.") + part(.decoder, "b."), from: "file")
    }
  }

  @Test func whatDoesNotFitIsNamed() throws {
    let recipe = Recipe.deep(layers: [9, 5, 2])
    let parameters = try firstValues(recipe)
    let torch = try recipe.torchSequence(.all, parameters: parameters).parameters
    let own = recipe
    func refuse(_ part: String, _ parameters: [NamedParameter], _ recipe: Recipe? = nil) {
      refused(part, exitCode: 65) { _ = try (recipe ?? own).imported(parameters, from: "w.safetensors") }
    }
    refuse(
      "'0.weight' in 'w.safetensors' is 5 × 9, but encoder.0.weight of 'deep' is 4 × 9", torch,
      .deep(layers: [9, 4, 2])
    )
    refuse(
      "'2.weight' in 'w.safetensors' is 2 × 5, but encoder.1.weight of 'deep' is 3 × 5", torch,
      .deep(layers: [9, 5, 3])
    )
    refuse("'4.weight' in 'w.safetensors' has no counterpart", torch, .classifier(layers: [9, 5], classes: 2))
    refuse("ends after 4 weights", torch.filter { $0.name < "4" })
    refuse("'2.weight' in 'w.safetensors' is 2 × 5, but encoder.0.bias", torch.filter { $0.name != "0.bias" })
    refuse("has no 'decoder.1.bias'", parameters.filter { $0.name != "decoder.1.bias" })
    refuse("'encoder.0.weight' in 'w.safetensors' is 5 × 9", parameters, .deep(layers: [9, 4, 2]))
    var stranger = parameters
    stranger.append(NamedParameter(name: "fc.weight", shape: [1], values: [0]))
    refuse("'fc.weight' in 'w.safetensors' is no parameter", stranger)
    refuse("named neither as", [NamedParameter(name: "fc1.weight", shape: [1], values: [0])])
    refuse("has no 'encoder.0.weight'", [])
    var tied = recipe
    tied.autoencoder?.tied = true
    refuse("not that of the layer it mirrors", torch, tied)
    refuse("not that of the layer it mirrors", parameters, tied)
  }
}
