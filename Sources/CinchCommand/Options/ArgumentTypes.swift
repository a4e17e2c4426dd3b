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

extension Device: ExpressibleByArgument {
  public init?(argument: String) {
    guard let device = try? Device(argument) else { return nil }
    self = device
  }

  public static var allValueStrings: [String] { ["auto", "opencl", "opencl:P", "opencl:P:D", "cpu", "reference"] }

  // P and D stand for numbers.
  public static var defaultCompletionKind: CompletionKind { .list(["auto", "opencl", "cpu", "reference"]) }
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
