import CinchBackend
import CinchData

/// A part of a model that can be written by itself.
public enum ModelPart: String, Sendable, Hashable, CaseIterable {
  /// From samples to codes.
  case encoder
  /// From codes to samples.
  case decoder
  /// From samples to their reconstructions; of a classifier to the probabilities of classes.
  case all
}

/// What a model computes where it is used, as operators of ONNX 17 on 32-bit floats: nothing is drawn, dropped or corrupted.
/// Images have channels first.
package struct OperatorGraph: Sendable {
  /// One operator.
  package struct Node: Sendable {
    package let name: String
    /// As ONNX spells it: `Gemm`.
    package let type: String
    /// Names of values; an empty one stands for an optional input that is left out.
    package fileprivate(set) var inputs: [String]
    package fileprivate(set) var outputs: [String]
    package let attributes: [(name: String, value: Attribute)]
  }

  package enum Attribute: Sendable, Hashable {
    case integer(Int)
    case integers([Int])
    case float(Float)
    case text(String)
  }

  /// A value that is always the same, such as a weight.
  package struct Constant: Sendable {
    package enum Values: Sendable {
      case floats([Float])
      /// 64 bits wide.
      case integers([Int])
    }

    package let name: String
    package let shape: Shape
    package let values: Values
  }

  /// What goes in or comes out.
  package struct Port: Sendable {
    package let name: String
    /// Of one sample.
    package let shape: Shape
    /// Says what its numbers are.
    package let description: String
  }

  package fileprivate(set) var nodes: [Node] = []
  package fileprivate(set) var constants: [Constant] = []
  package let input: Port
  package let output: Port

  /// Bytes that the constants take.
  package var constantBytes: Int {
    constants.reduce(0) { sum, constant in
      switch constant.values {
      case .floats(let values): sum + 4 * values.count
      case .integers(let values): sum + 8 * values.count
      }
    }
  }
}

/// Puts an `OperatorGraph` together, layer by layer.
struct GraphBuilder {
  typealias Attributes = KeyValuePairs<String, OperatorGraph.Attribute>

  private var nodes: [OperatorGraph.Node] = []
  private var constants: [OperatorGraph.Constant] = []
  private var taken: Set<String> = []
  private let list: ParameterList
  private let parameters: [String: NamedParameter]
  /// What nodes are called: the name of the layer at hand.
  private(set) var scope = ""
  /// The place in the network of the layer at hand.
  private(set) var index = 0
  /// Of each max-pool by its place in the network: its input, and where in that it found its values.
  var switches: [Int: (input: String, places: String)] = [:]

  /// The places of max-pools whose switches another layer needs.
  private let unpooled: Set<Int>

  /// - Parameters:
  ///   - layers: that the graph will have.
  ///   - parameters: by their names in files.
  init(_ layers: some Sequence<ResolvedLayer>, _ list: ParameterList, _ parameters: [NamedParameter]) {
    unpooled = Set(layers.compactMap(\.kind.source))
    self.list = list
    self.parameters = Dictionary(parameters.map { ($0.name, $0) }) { first, _ in first }
  }

  /// Whether another layer needs to know where the max-pool at hand found its values.
  var needsSwitches: Bool { unpooled.contains(index) }

  mutating func enter(_ scope: String, index: Int) {
    self.scope = scope
    self.index = index
  }

  /// Adds an operator.
  ///
  /// - Returns: the names of its outputs.
  mutating func add(
    _ type: String, _ inputs: [String], _ attributes: Attributes = [:], outputs: Int
  ) -> [String] {
    let name = free("\(scope).\(type.lowercased())")
    let results = (0..<outputs).map { $0 == 0 ? name : "\(name).\($0)" }
    nodes.append(
      OperatorGraph.Node(
        name: name, type: type, inputs: inputs, outputs: results,
        attributes: attributes.map { ($0.key, $0.value) }))
    return results
  }

  /// Adds an operator of one output.
  ///
  /// - Returns: its name.
  mutating func add(_ type: String, _ inputs: [String], _ attributes: Attributes = [:]) -> String {
    add(type, inputs, attributes, outputs: 1)[0]
  }

  /// `name`, or the first of `name.2`, … that no value has yet.
  private mutating func free(_ name: String) -> String {
    var (free, number) = (name, 2)
    while !taken.insert(free).inserted {
      free = "\(name).\(number)"
      number += 1
    }
    return free
  }

  mutating func floats(_ values: [Float], _ name: String, shape: Shape? = nil) -> String {
    add(OperatorGraph.Constant(name: "\(scope).\(name)", shape: shape ?? [values.count], values: .floats(values)))
  }

  /// A list of whole numbers, as operators take extents and places.
  mutating func integers(_ values: [Int], _ name: String) -> String {
    add(OperatorGraph.Constant(name: "\(scope).\(name)", shape: [values.count], values: .integers(values)))
  }

  private mutating func add(_ constant: OperatorGraph.Constant) -> String {
    let name = free(constant.name)
    constants.append(OperatorGraph.Constant(name: name, shape: constant.shape, values: constant.values))
    return name
  }

  /// A parameter of the layer at hand by its place in the list of these, shaped as its first user's files have it.
  ///
  /// - Returns: its name, and whether that user is another layer: a tied weight is there once.
  mutating func parameter(_ place: Int) throws -> (name: String, isShared: Bool) {
    let uses = list.uses(at: index)
    guard uses.indices.contains(place),
      let first = list.uses.first(where: { $0.parameter == uses[place].parameter }),
      let parameter = parameters[first.name]
    else { throw CinchError.badData("The model has no parameter \(place + 1) of '\(scope)': use an intact copy.") }
    if taken.insert(first.name).inserted {
      constants.append(
        OperatorGraph.Constant(name: first.name, shape: parameter.shape, values: .floats(parameter.values)))
    }
    return (first.name, uses[place].isShared)
  }

  /// The value with one sample's extents changed.
  mutating func reshape(_ x: String, to extents: [Int]) -> String {
    // 0 keeps the number of samples, which may be any.
    add("Reshape", [x, integers([0] + extents, "shape")])
  }

  /// f(x).
  mutating func activation(_ activation: Activation, of x: String) -> String {
    switch activation {
    case .linear: x
    case .sigmoid: add("Sigmoid", [x])
    case .relu: add("Relu", [x])
    case .tanh: add("Tanh", [x])
    case .softplus: add("Softplus", [x])
    case .leakyReLU: add("LeakyRelu", [x], ["alpha": .float(Float(Activation.leakySlope))])
    }
  }

  /// The graph, where `last` is called as `output` says.
  mutating func finish(_ last: String, input: OperatorGraph.Port, output: OperatorGraph.Port) -> OperatorGraph {
    if last == input.name { _ = add("Identity", [last]) }
    let last = last == input.name ? nodes.last?.name : last
    func renamed(_ names: [String]) -> [String] { names.map { $0 == last ? output.name : $0 } }
    for index in nodes.indices {
      nodes[index].inputs = renamed(nodes[index].inputs)
      nodes[index].outputs = renamed(nodes[index].outputs)
    }
    var graph = OperatorGraph(input: input, output: output)
    graph.nodes = nodes
    graph.constants = constants
    return graph
  }
}
