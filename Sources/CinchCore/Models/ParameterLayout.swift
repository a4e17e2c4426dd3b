import CinchBackend
import CinchData

/// Where each layer's weight and bias lie in the arena, and how files order them.
struct ParameterLayout: Sendable {
  struct Slot: Sendable {
    /// Offsets into the arena; a tied layer shares its mirror's weight.
    var weight: Int
    var bias: Int
    /// As the device keeps it.
    var weightShape: Shape
    var biasCount: Int
    var isTied: Bool
  }

  let layers: [ResolvedLayer]
  /// One for every layer with parameters, by its index.
  private(set) var slots: [Int: Slot] = [:]
  let weightCount: Int
  let count: Int

  init(_ shape: NetworkShape, tied: Bool, encoderCount: Int) {
    layers = shape.layers
    var offset = 0
    for (index, layer) in layers.enumerated() {
      guard let weightShape = Self.weightShape(of: layer) else { continue }
      let mirror = tied && index >= encoderCount ? slots[2 * encoderCount - 1 - index] : nil
      slots[index] = Slot(
        weight: mirror?.weight ?? offset, bias: 0, weightShape: mirror?.weightShape ?? weightShape,
        biasCount: layer.output.units, isTied: mirror != nil)
      if mirror == nil { offset += weightShape.count }
    }
    weightCount = offset
    for index in layers.indices {
      guard let count = slots[index]?.biasCount else { continue }
      slots[index]?.bias = offset
      offset += count
    }
    count = offset
  }

  private static func weightShape(of layer: ResolvedLayer) -> Shape? {
    switch layer.kind {
    case .dense: [layer.output.count, layer.input.count]
    case .convolution(let geometry), .transposedConvolution(let geometry): geometry.weightShape
    case .maxPool, .averagePool, .unpool, .upsample: nil
    }
  }

  /// The first parameters; see `Initialization`.
  func initialValues(seed: UInt64) -> [Float] {
    var values = [Float](repeating: 0, count: count)
    for (index, layer) in layers.enumerated() {
      guard let slot = slots[index], !slot.isTied else { continue }
      let fans = Initialization.fans(of: layer)
      let limit = Initialization.limit(
        inputs: fans.in, outputs: fans.out, activation: layer.spec.activation, isOutput: index == layers.count - 1)
      values.replaceSubrange(
        slot.weight..<slot.weight + slot.weightShape.count,
        with: Initialization.uniform(count: slot.weightShape.count, limit: limit, seed: seed, index: index))
    }
    return values
  }
}

// Files keep PyTorch's shapes and order.
extension ParameterLayout {
  /// `[units, inputs]`; of a convolution `[filters, channels, rows, columns]`, of a transposed one
  /// `[channels, filters, rows, columns]`.
  func fileShape(_ index: Int) -> Shape {
    switch layers[index].kind {
    case .convolution(let geometry), .transposedConvolution(let geometry):
      [geometry.outputChannels, geometry.channels, geometry.kernelHeight, geometry.kernelWidth]
    default: [layers[index].output.count, layers[index].input.count]
    }
  }

  /// For each element of a weight as files order it, its offset in the device's weight.
  func deviceOffsets(_ index: Int, _ slot: Slot) -> [Int] {
    let count = slot.weightShape.count
    switch layers[index].kind {
    case .convolution(let g), .transposedConvolution(let g):
      let taps = g.kernelHeight * g.kernelWidth
      return (0..<count).map { element in
        let (pair, tap) = element.quotientAndRemainder(dividingBy: taps)
        let (small, large) = pair.quotientAndRemainder(dividingBy: g.channels)
        return (tap * g.channels + large) * g.outputChannels + small
      }
    default:
      guard slot.isTied else { return Array(0..<count) }
      let (units, inputs) = (layers[index].output.count, layers[index].input.count)
      return (0..<count).map { ($0 % inputs) * units + $0 / inputs }
    }
  }

  /// Every weight and bias under its file name.
  func named(_ arena: [Float]) -> [NamedParameter] {
    layers.indices.flatMap { index -> [NamedParameter] in
      guard let slot = slots[index] else { return [] }
      let name = layers[index].name
      return [
        NamedParameter(
          name: name + ".weight", shape: fileShape(index),
          values: deviceOffsets(index, slot).map { arena[slot.weight + $0] }),
        NamedParameter(
          name: name + ".bias", shape: [slot.biasCount], values: Array(arena[slot.bias..<slot.bias + slot.biasCount])),
      ]
    }
  }

  /// The arena that holds the parameters of a file.
  /// - Throws: `CinchError.badData` where a name or shape does not fit.
  func arena(_ parameters: [NamedParameter]) throws -> [Float] {
    let named = Dictionary(parameters.map { ($0.name, $0) }) { first, _ in first }
    var arena = [Float](repeating: 0, count: count)
    func values(_ name: String, _ shape: Shape) throws -> [Float] {
      guard let parameter = named[name] else {
        throw CinchError.badData("The model file has no '\(name)': it was made by another recipe than this one.")
      }
      guard parameter.shape == shape, parameter.values.count == shape.count else {
        throw CinchError.badData(
          "'\(name)' in the model file is \(parameter.shape), but this recipe needs \(shape): "
            + "it was made by another recipe than this one.")
      }
      return parameter.values
    }
    for index in layers.indices {
      guard let slot = slots[index] else { continue }
      if !slot.isTied {
        let weight = try values(layers[index].name + ".weight", fileShape(index))
        for (offset, value) in zip(deviceOffsets(index, slot), weight) { arena[slot.weight + offset] = value }
      }
      let bias = try values(layers[index].name + ".bias", [slot.biasCount])
      arena.replaceSubrange(slot.bias..<slot.bias + slot.biasCount, with: bias)
    }
    return arena
  }
}
