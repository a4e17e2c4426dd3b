import CinchBackend
import CinchData

/// What samples are outside of a model: what files of them hold.
package struct SampleFormat: Sendable {
  /// One sample's, in the order of `layout`.
  package var shape: Shape
  /// Where the channels of images are.
  package var layout: ImageLayout
  /// What raw values are scaled by; nil leaves them.
  package var scaling: Scaling?
  /// What stands for a missing value of each feature, in raw units; nil where none may be missing.
  package var fills: [Float]?

  package init(shape: Shape, layout: ImageLayout = .nchw, scaling: Scaling? = nil, fills: [Float]? = nil) {
    self.shape = shape
    self.layout = layout
    self.scaling = scaling
    self.fills = fills
  }

  /// What it is as an image with channels last; nil where its values are in the network's order already.
  fileprivate var lastChannels: ImageShape? {
    guard layout == .nhwc, shape.dimensions.count == 3 else { return nil }
    return ImageShape(channels: shape.dimensions[2], height: shape.dimensions[0], width: shape.dimensions[1])
  }
}

extension Recipe {
  /// What a part of a model of this recipe computes, from raw samples to what files of its results hold.
  ///
  /// - Parameters:
  ///   - part: which.
  ///   - parameters: by their names in files.
  ///   - format: what raw samples are.
  /// - Throws: `CinchError.usage` where the part is none by itself, `.badData` where parameters do not fit or a scaling has
  ///   numbers that 32 bits do not hold.
  package func operatorGraph(
    _ part: ModelPart, parameters: [NamedParameter], format: SampleFormat
  ) throws -> OperatorGraph {
    let network = try resolved()
    // Refuses what does not fit.
    _ = try network.parameters.arena(parameters)
    let range = try network.range(of: part)
    var builder = GraphBuilder(network.layers[range], network.parameters, parameters)
    let input =
      part == .decoder
      ? OperatorGraph.Port(name: "code", shape: network.codeShape.sampleShape, description: "codes")
      : OperatorGraph.Port(name: "input", shape: format.shape, description: format.inputText)
    var x = input.name
    if part != .decoder {
      builder.enter("scaling", index: 0)
      x = try builder.scale(x, format, into: network.input)
    }
    for index in range {
      let layer = network.layers[index]
      builder.enter(layer.name, index: index)
      x = try layer.kind.operators(of: layer, on: x, in: &builder)
    }
    if part == .encoder {
      return builder.finish(
        x, input: input,
        output: OperatorGraph.Port(name: "code", shape: network.codeShape.sampleShape, description: "codes"))
    }
    builder.enter("output", index: network.layers.count)
    if let classifier {
      x = builder.add("Softmax", [x], ["axis": .integer(1)])
      return builder.finish(
        x, input: input,
        output: OperatorGraph.Port(
          name: "probabilities", shape: [classifier.classes], description: "of each class"))
    }
    if let columns = objective.columns { x = builder.mixed(x, columns) }
    x = builder.unscale(x, format, from: network.input)
    return builder.finish(
      x, input: input,
      output: OperatorGraph.Port(name: "reconstruction", shape: format.shape, description: format.outputText))
  }
}

extension ResolvedNetwork {
  /// The layers of a part.
  /// - Throws: `CinchError.usage` where it is none by itself.
  func range(of part: ModelPart) throws -> Range<Int> {
    guard part == .decoder else { return part == .encoder ? 0..<encoderCount : 0..<layers.count }
    try requireDecoder()
    return encoderCount..<layers.count
  }
}

extension SampleFormat {
  fileprivate var inputText: String {
    let missing = fills == nil ? "" : "; NaN where a value is missing"
    return switch scaling?.kind {
    case .bytes: "raw values, 0 to 255" + missing
    default: "raw values" + missing
    }
  }

  fileprivate var outputText: String {
    switch scaling?.kind {
    case .bytes: "values from 0 to 1, as of bytes divided by 255"
    default: "raw values"
    }
  }
}

// From raw values to what the first layer takes, and back.
extension GraphBuilder {
  /// - Parameter input: what the first layer takes.
  fileprivate mutating func scale(_ x: String, _ format: SampleFormat, into input: FeatureShape) throws -> String {
    var x = x
    var extents = format.shape.dimensions
    if let image = format.lastChannels {
      x = add("Transpose", [x], ["perm": .integers([0, 3, 1, 2])])
      extents = image.shape.dimensions
    }
    func flatten(_ builder: inout GraphBuilder) {
      if extents.count > 1 { x = builder.reshape(x, to: [input.count]) }
      extents = [input.count]
    }
    if let fills = format.fills {
      flatten(&self)
      let missing = add("IsNaN", [x])
      x = add("Where", [missing, floats(fills, "fill"), x])
    }
    switch format.scaling?.kind {
    case nil, .some(.none): break
    case .bytes: x = add("Div", [x, floats([255], "scale")])
    case .minmax, .standard, .zca:
      flatten(&self)
      if let scaling = format.scaling { x = try apply(scaling, to: x) }
    }
    return extents == input.extents ? x : reshape(x, to: input.extents)
  }

  private mutating func apply(_ scaling: Scaling, to x: String) throws -> String {
    let features = scaling.offset.count
    let offset = scaling.offset.map { Float($0) }
    // What 32 bits do not hold of an offset counts where it is large beside the scale; both differences are then nearly exact.
    let rest = zip(scaling.offset, offset).map { Float($0 - Double($1)) }
    var x = add("Sub", [x, floats(offset, "offset")])
    if let whitening = scaling.whitening {
      if rest.contains(where: { $0 != 0 }) { x = add("Sub", [x, floats(rest, "offset_rest")]) }
      return add("MatMul", [x, floats(whitening.matrix.map { Float($0) }, "matrix", shape: [features, features])])
    }
    let isSmall = zip(rest, scaling.scale).allSatisfy { abs(Double($0)) <= $1 * Double(Float.ulpOfOne) / 2 || $1 == 0 }
    if !isSmall { x = add("Sub", [x, floats(rest, "offset_rest")]) }
    // A feature that was constant scales to 0.
    let factors = scaling.scale.map { $0 == 0 ? 0 : Float(1 / $0) }
    if let feature = factors.indices.first(where: { !factors[$0].isFinite || !Float(scaling.scale[$0]).isFinite }) {
      throw CinchError.badData(
        "Feature \(feature + 1) is scaled by \(scaling.scale[feature]), which 32-bit floats do not hold, or not its "
          + "reciprocal: train on data of another unit, or without scaling.")
    }
    return add("Mul", [x, floats(factors, "factor")])
  }

  /// - Parameter output: what the last layer gives.
  fileprivate mutating func unscale(_ x: String, _ format: SampleFormat, from output: FeatureShape) -> String {
    var x = x
    var extents = output.extents
    if let scaling = format.scaling, scaling.kind.isFitted {
      if extents.count > 1 { x = reshape(x, to: [output.count]) }
      extents = [output.count]
      let features = scaling.offset.count
      x =
        if let whitening = scaling.whitening {
          add("MatMul", [x, floats(whitening.inverse.map { Float($0) }, "inverse", shape: [features, features])])
        } else {
          add("Mul", [x, floats(scaling.scale.map { Float($0) }, "scale")])
        }
      x = add("Add", [x, floats(scaling.offset.map { Float($0) }, "offset")])
    }
    let image = format.lastChannels
    let own = image?.shape.dimensions ?? format.shape.dimensions
    if extents != own { x = reshape(x, to: own) }
    return image == nil ? x : add("Transpose", [x], ["perm": .integers([0, 2, 3, 1])])
  }

  /// What comes out of a table's columns; see `OutputColumn`. Neighbouring columns of one function pass together.
  fileprivate mutating func mixed(_ a: String, _ columns: [OutputColumn]) -> String {
    var runs: [(kind: OutputColumn, width: Int)] = []
    for column in columns {
      if let last = runs.last, column == last.kind, column.width == 1 {
        runs[runs.count - 1].width += 1
      } else {
        runs.append((column, column.width))
      }
    }
    guard runs.count > 1 else { return runs.first.map { mixed(a, $0.kind) } ?? a }
    let parts = add("Split", [a, integers(runs.map(\.width), "widths")], ["axis": .integer(1)], outputs: runs.count)
    var results: [String] = []
    for (part, run) in zip(parts, runs) { results.append(mixed(part, run.kind)) }
    return add("Concat", results, ["axis": .integer(1)])
  }

  private mutating func mixed(_ a: String, _ kind: OutputColumn) -> String {
    switch kind {
    case .number: a
    case .binary: add("Sigmoid", [a])
    case .category: add("Softmax", [a], ["axis": .integer(1)])
    }
  }
}
