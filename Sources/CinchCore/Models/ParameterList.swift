import CinchBackend
import CinchData

/// A tensor that a layer, or a term of the objective, learns or keeps.
struct ParameterSpec: Sendable {
  enum Role: Int, Sendable, CaseIterable {
    /// Learned, and pulled towards 0 by weight decay.
    case weight
    /// Learned, and left alone by weight decay.
    case bias
    /// Kept in files and checkpoints, but not learned.
    case buffer
  }

  enum Initial: Sendable, Hashable {
    case constant(Float)
    /// U(−limit, limit); see `Initialization`.
    case uniform(limit: Float)
    /// N(0, deviation²).
    case normal(deviation: Float)
  }

  /// `weight`, `bias`: what follows the owner's name in files.
  var name: String
  var role: Role
  /// As the device keeps it.
  var shape: Shape
  /// For each axis of the tensor in files, the axis of `shape` that it is. Files keep PyTorch's order.
  var fileAxes: [Int]
  /// The tensor in files, where its axes are not the extents of `fileAxes`.
  var fileShape: Shape?
  var initial: Initial

  /// - Parameters:
  ///   - fileAxes: nil where files have the device's own order.
  ///   - fileShape: nil where files have an axis for each of `fileAxes`.
  init(
    _ name: String, _ role: Role, shape: Shape, fileAxes: [Int]? = nil, fileShape: Shape? = nil,
    initial: Initial = .constant(0)
  ) {
    self.name = name
    self.role = role
    self.shape = shape
    self.fileAxes = fileAxes ?? Array(shape.dimensions.indices)
    self.fileShape = fileShape
    self.initial = initial
  }
}

/// Everything that a model learns or keeps, in one arena: `[weights | biases | buffers]`, each in the order in which
/// layers and terms of the objective add theirs. The optimiser sees the arena up to the buffers, and weight decay is a
/// prefix of that.
struct ParameterList: Sendable {
  /// A layer or term that reads a parameter.
  struct Use: Sendable {
    /// The parameter's place in the list.
    let parameter: Int
    /// Its name in files.
    let name: String
    /// The place of the user in the forward pass: a layer's index; the number of layers for the objective.
    let stage: Int
    let fileAxes: [Int]
    /// Whether another has added the parameter.
    let isShared: Bool
  }

  /// Elements that an arena may have: more than any device holds, and few enough that no product overflows.
  static let mostElements = 1 << 60

  private struct Entry: Sendable {
    let spec: ParameterSpec
    /// Within the region of its role.
    let offset: Int
    /// Sets its first values apart from those of others.
    let draw: Int
  }

  private var entries: [Entry] = []
  private var counts = [Int](repeating: 0, count: ParameterSpec.Role.allCases.count)
  /// In the order in which they were added, which files keep.
  private(set) var uses: [Use] = []

  /// Adds a parameter.
  ///
  /// - Parameters:
  ///   - owner: the first part of its name in files, such as `encoder.0`.
  ///   - stage: the place of its user in the forward pass.
  /// - Returns: its place in the list.
  /// - Throws: `CinchError.usage` where the arena would be larger than any device.
  @discardableResult
  mutating func add(_ spec: ParameterSpec, owner: String, stage: Int) throws -> Int {
    // The first that a stage draws is drawn by its index alone.
    let earlier = uses.reversed().prefix { $0.stage == stage }.filter { use in
      !use.isShared && Self.isDrawn(entries[use.parameter].spec)
    }
    let draw = stage | earlier.count << 32
    let offset = counts[spec.role.rawValue]
    counts[spec.role.rawValue] += spec.shape.count
    guard spec.shape.count <= Self.mostElements, count <= Self.mostElements else {
      throw CinchError.usage("The network has more parameters than any device holds: choose narrower layers.")
    }
    entries.append(Entry(spec: spec, offset: offset, draw: draw))
    let parameter = entries.count - 1
    uses.append(
      Use(
        parameter: parameter, name: "\(owner).\(spec.name)", stage: stage, fileAxes: spec.fileAxes, isShared: false))
    return parameter
  }

  /// Has the weights of a stage begin otherwise than its layer says.
  mutating func setInitial(_ initial: ParameterSpec.Initial, at stage: Int) {
    for use in uses where use.stage == stage && !use.isShared && entries[use.parameter].spec.role == .weight {
      let entry = entries[use.parameter]
      var spec = entry.spec
      spec.initial = initial
      entries[use.parameter] = Entry(spec: spec, offset: entry.offset, draw: entry.draw)
    }
  }

  /// Names a further user of a parameter, as a tied decoder layer is of its mirror's weight.
  ///
  /// - Parameter fileAxes: as of `ParameterSpec`: the tensor as this user's files have it.
  mutating func share(_ parameter: Int, as name: String, fileAxes: [Int], owner: String, stage: Int) {
    uses.append(
      Use(parameter: parameter, name: "\(owner).\(name)", stage: stage, fileAxes: fileAxes, isShared: true))
  }

  private static func isDrawn(_ spec: ParameterSpec) -> Bool {
    if case .constant = spec.initial { false } else { true }
  }
}

// Where everything lies.
extension ParameterList {
  /// Weights, at the front of the arena.
  var weightCount: Int { counts[ParameterSpec.Role.weight.rawValue] }
  /// What is learned: weights and biases.
  var trainedCount: Int { weightCount + counts[ParameterSpec.Role.bias.rawValue] }
  /// The elements of the arena.
  var count: Int { counts.reduce(0, +) }

  func spec(_ parameter: Int) -> ParameterSpec { entries[parameter].spec }

  /// The elements of a parameter in the arena.
  func range(_ parameter: Int) -> Range<Int> {
    let entry = entries[parameter]
    let start = counts[..<entry.spec.role.rawValue].reduce(0, +) + entry.offset
    return start..<start + entry.spec.shape.count
  }

  /// The use that has a name in files.
  func use(named name: String) -> Use? { uses.first { $0.name == name } }

  /// What the layer or term at a stage uses, in the order in which it was added.
  func uses(at stage: Int) -> [Use] { uses.filter { $0.stage == stage } }

  /// Whether the gradient of a use is added to what is there. In a backward pass the last stage comes first and
  /// overwrites; those before it accumulate.
  func accumulates(_ use: Use) -> Bool {
    uses.contains { $0.parameter == use.parameter && $0.stage > use.stage }
  }

  /// The first values; see `Initialization`.
  func initialValues(seed: UInt64) -> [Float] {
    var values = [Float](repeating: 0, count: count)
    for (parameter, entry) in entries.enumerated() {
      let range = range(parameter)
      switch entry.spec.initial {
      case .constant(0): break
      case .constant(let value): for index in range { values[index] = value }
      case .uniform(let limit):
        values.replaceSubrange(
          range, with: Initialization.uniform(count: range.count, limit: limit, seed: seed, index: entry.draw))
      case .normal(let deviation):
        values.replaceSubrange(
          range, with: Initialization.normal(count: range.count, deviation: deviation, seed: seed, index: entry.draw))
      }
    }
    return values
  }
}

// Files keep PyTorch's shapes and order.
extension ParameterList {
  func fileShape(_ use: Use) -> Shape {
    let spec = entries[use.parameter].spec
    if !use.isShared, let shape = spec.fileShape { return shape }
    return Shape(use.fileAxes.map { spec.shape.dimensions[$0] })
  }

  /// For each element as files order it, its place in the arena.
  func offsets(_ use: Use) -> [Int] {
    let extents = entries[use.parameter].spec.shape.dimensions
    var strides = [Int](repeating: 1, count: extents.count)
    for axis in extents.indices.dropLast().reversed() { strides[axis] = strides[axis + 1] * extents[axis + 1] }
    var offsets = [range(use.parameter).lowerBound]
    for axis in use.fileAxes {
      offsets = offsets.flatMap { offset in (0..<extents[axis]).map { offset + $0 * strides[axis] } }
    }
    return offsets
  }

  /// Everything in an arena under its file name; what is shared under the name of each user.
  func named(_ arena: [Float]) -> [NamedParameter] {
    uses.map { use in
      NamedParameter(name: use.name, shape: fileShape(use), values: offsets(use).map { arena[$0] })
    }
  }

  /// The arena that holds the parameters of a file.
  /// - Throws: `CinchError.badData` where a name comes twice, a name or shape does not fit, or a value is no finite number.
  func arena(_ parameters: [NamedParameter]) throws -> [Float] {
    var named: [String: NamedParameter] = [:]
    for parameter in parameters {
      guard named.updateValue(parameter, forKey: parameter.name) == nil else {
        throw CinchError.badData("There are two parameters '\(parameter.name)': pass each once.")
      }
      if let bad = parameter.values.first(where: { !$0.isFinite }) {
        throw CinchError.badData("A value of '\(parameter.name)' is \(bad): every parameter must be a finite number.")
      }
    }
    var arena = [Float](repeating: 0, count: count)
    for use in uses where !use.isShared {
      guard let parameter = named[use.name] else {
        throw CinchError.badData("The model file has no '\(use.name)': it was made by another recipe than this one.")
      }
      let shape = fileShape(use)
      guard parameter.shape == shape, parameter.values.count == shape.count else {
        throw CinchError.badData(
          "'\(use.name)' in the model file is \(parameter.shape), but this recipe needs \(shape): "
            + "it was made by another recipe than this one.")
      }
      for (offset, value) in zip(offsets(use), parameter.values) { arena[offset] = value }
    }
    return arena
  }
}
