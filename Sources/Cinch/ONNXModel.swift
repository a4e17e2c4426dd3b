import CinchBackend
import CinchCore
import CinchData
import FoundationEssentials
import ONNXProto
import SwiftProtobuf

// https://github.com/onnx/onnx/blob/main/docs/IR.md
extension OperatorGraph {
  /// The version of ONNX's operators that the graph is made of: all are in it, and onnxruntime 1.12 has it.
  static let operatorSet: Int64 = 17
  /// The version of the format that came with it.
  private static let formatVersion: Int64 = 8
  /// What a message of protobuf may have, less than room enough for all but the constants.
  static let mostConstantBytes = Int(Int32.max) - (1 << 24)

  /// - Throws: `CinchError.usage` where constants take more.
  static func requireFit(_ bytes: Int) throws {
    guard bytes <= mostConstantBytes else {
      throw CinchError.usage(
        "An ONNX file holds up to 2 GB, and the weights take \(byteText(bytes)): export encoder and decoder by "
          + "themselves, or the weights as .safetensors.")
    }
  }

  /// The bytes of an ONNX model: the same graph gives the same.
  ///
  /// - Parameters:
  ///   - name: of the graph.
  ///   - metadata: free text.
  /// - Throws: `CinchError.usage` where the constants take more than a file may have, `.unavailable` where there is no room.
  func onnx(name: String, metadata: [String: String]) throws -> [UInt8] {
    let bytes = constantBytes
    try Self.requireFit(bytes)
    var model = Onnx_ModelProto()
    model.irVersion = Self.formatVersion
    var operators = Onnx_OperatorSetIdProto()
    operators.domain = ""
    operators.version = Self.operatorSet
    model.opsetImport = [operators]
    model.producerName = "cinch"
    model.producerVersion = CinchVersion.current
    model.metadataProps = metadata.sorted { $0.key < $1.key }.map { key, value in
      var entry = Onnx_StringStringEntryProto()
      entry.key = key
      entry.value = value
      return entry
    }
    model.graph.name = name.isEmpty ? "model" : name
    model.graph.input = [input.message]
    model.graph.output = [output.message]
    model.graph.initializer = constants.map(\.message)
    model.graph.node = nodes.map(\.message)
    do { return try model.serializedBytes() } catch {
      throw CinchError.usage(
        "The model does not fit an ONNX file (\(error)): export its weights as .safetensors.")
    }
  }
}

extension OperatorGraph.Port {
  fileprivate var message: Onnx_ValueInfoProto {
    var value = Onnx_ValueInfoProto()
    value.name = name
    value.docString = description
    value.type.tensorType.elemType = Int32(Onnx_TensorProto.DataType.float.rawValue)
    var batch = Onnx_TensorShapeProto.Dimension()
    batch.dimParam = "batch"
    value.type.tensorType.shape.dim =
      [batch]
      + shape.dimensions.map { extent in
        var dimension = Onnx_TensorShapeProto.Dimension()
        dimension.dimValue = Int64(extent)
        return dimension
      }
    return value
  }
}

extension OperatorGraph.Constant {
  fileprivate var message: Onnx_TensorProto {
    var tensor = Onnx_TensorProto()
    tensor.name = name
    tensor.dims = shape.dimensions.map(Int64.init)
    // Little-endian, as is every machine that this runs on.
    switch values {
    case .floats(let values):
      tensor.dataType = Int32(Onnx_TensorProto.DataType.float.rawValue)
      tensor.rawData = values.withUnsafeBytes { Data($0) }
    case .integers(let values):
      tensor.dataType = Int32(Onnx_TensorProto.DataType.int64.rawValue)
      tensor.rawData = values.map(Int64.init).withUnsafeBytes { Data($0) }
    }
    return tensor
  }
}

extension OperatorGraph.Node {
  fileprivate var message: Onnx_NodeProto {
    var node = Onnx_NodeProto()
    node.name = name
    node.opType = type
    node.input = inputs
    node.output = outputs
    node.attribute = attributes.map { name, value in
      var attribute = Onnx_AttributeProto()
      attribute.name = name
      switch value {
      case .integer(let value):
        attribute.type = .int
        attribute.i = Int64(value)
      case .integers(let values):
        attribute.type = .ints
        attribute.ints = values.map(Int64.init)
      case .float(let value):
        attribute.type = .float
        attribute.f = value
      case .text(let text):
        attribute.type = .string
        attribute.s = Data(text.utf8)
      }
      return attribute
    }
    return node
  }
}
