import ArgumentParser
import Cinch

// Names of the command line that the library knows as enumerations.
extension Activation: ExpressibleByArgument {}
extension Loss: ExpressibleByArgument {}
extension Optimizer.Rule: ExpressibleByArgument {}
extension Schedule.Kind: ExpressibleByArgument {}
extension Corruption.Kind: ExpressibleByArgument {}
extension Scaling.Kind: ExpressibleByArgument {}
extension ImageLayout: ExpressibleByArgument {}
extension ModelPart: ExpressibleByArgument {}
extension ModelExport.Names: ExpressibleByArgument {}
/// `--grey`, `--colour`.
extension ImageColour: EnumerableFlag {}

extension Device: ExpressibleByArgument {
  public init?(argument: String) {
    guard let device = try? Device(argument) else { return nil }
    self = device
  }

  public static var allValueStrings: [String] { ["auto", "opencl", "opencl:P", "opencl:P:D", "cpu", "reference"] }

  // P and D stand for numbers.
  public static var defaultCompletionKind: CompletionKind { .list(["auto", "opencl", "cpu", "reference"]) }
}

/// A device of which only OpenCL's are any use; others are refused when they are opened.
struct OpenCLDevice: ExpressibleByArgument {
  let value: Device

  init(_ value: Device) { self.value = value }

  init?(argument: String) {
    guard let value = Device(argument: argument) else { return nil }
    self.value = value
  }

  var defaultValueDescription: String { "\(value)" }

  static var allValueStrings: [String] { Device.allValueStrings.filter { $0.hasPrefix("opencl") } }
  static var defaultCompletionKind: CompletionKind { .list(["opencl"]) }
}

/// One value for all layers of a stack, or one for each, separated by commas.
struct PerLayer<Value: LosslessStringConvertible>: ExpressibleByArgument {
  private let values: [Value]

  init?(argument: String) {
    let parts = argument.split(separator: ",", omittingEmptySubsequences: false)
    values = parts.compactMap { Value(String($0)) }
    guard values.count == parts.count else { return nil }
  }

  private init(_ value: Value) { values = [value] }

  /// - Throws: `CinchError.usage` where there are several.
  func single(_ option: String) throws -> Value {
    guard values.count == 1 else {
      throw CinchError.usage("\(option) takes one value, not \(values.count): several are for the layers of a stack.")
    }
    return values[0]
  }

  /// That of a layer, counted from 0.
  /// - Throws: `CinchError.usage` where there are neither one nor as many as layers.
  func of(_ layer: Int, in layers: Int, _ option: String) throws -> PerLayer {
    guard values.count == 1 || values.count == layers else {
      throw CinchError.usage(
        "\(option) has \(values.count) values for \(NumberText.counted(layers, "layer")): give one for all, or one for each."
      )
    }
    return PerLayer(values.count == 1 ? values[0] : values[layer])
  }
}

/// What a Boltzmann machine's visible units are.
enum VisibleUnits: String, CaseIterable, ExpressibleByArgument {
  case bernoulli, gaussian
}

enum HeaderChoice: String, CaseIterable, ExpressibleByArgument {
  case auto, yes, no

  init(_ header: CSVHeader) {
    self =
      switch header {
      case .automatic: .auto
      case .present: .yes
      case .absent: .no
      }
  }

  var header: CSVHeader {
    switch self {
    case .auto: .automatic
    case .yes: .present
    case .no: .absent
    }
  }
}

/// Whole numbers separated by commas.
func parseExtents(_ text: String, option: String, example: String) throws -> [Int] {
  let parts = text.split(separator: ",", omittingEmptySubsequences: false)
  return try parts.map { part in
    guard let number = Int(part.trimmingPrefix(while: \.isWhitespace)), number > 0 else {
      let place = parts.count > 1 ? " in '\(text)'" : ""
      throw CinchError.usage(
        "\(option) takes whole numbers of 1 or more, separated by commas, not '\(part)'\(place) (\(example)).")
    }
    return number
  }
}

/// Names separated by commas.
func parseNames(_ text: String, option: String) throws -> [String] {
  let names = text.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
  guard names.allSatisfy({ !$0.isEmpty }) else {
    throw CinchError.usage(
      "\(option) takes names of columns, or their numbers from 1, separated by commas, not '\(text)'.")
  }
  return names
}

/// A height and a width with an x between.
func parseSize(_ text: String, option: String, example: String) throws -> ImageSize {
  let extents = text.split(separator: "x", omittingEmptySubsequences: false).map { Int($0) }
  guard extents.count == 2, let height = extents[0], let width = extents[1], height >= 1, width >= 1 else {
    throw CinchError.usage("\(option) takes a height and a width of 1 or more, not '\(text)': \(option) \(example).")
  }
  return ImageSize(height: height, width: width)
}
