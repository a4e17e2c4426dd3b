import ArgumentParser
import Cinch

// Names of the command line that the library knows as enumerations.
extension Activation: ExpressibleByArgument {}
extension ReconstructionLoss: ExpressibleByArgument {}
extension Optimizer.Rule: ExpressibleByArgument {}
extension Schedule.Kind: ExpressibleByArgument {}
extension Corruption.Kind: ExpressibleByArgument {}
extension Scaling.Kind: ExpressibleByArgument {}
extension ImageLayout: ExpressibleByArgument {}

enum HeaderChoice: String, CaseIterable, ExpressibleByArgument {
  case auto, yes, no

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
  let numbers = parts.compactMap { Int($0.trimmingPrefix(while: \.isWhitespace)) }
  guard numbers.count == parts.count, numbers.allSatisfy({ $0 > 0 }) else {
    throw CinchError.usage(
      "\(option) takes whole numbers of 1 or more, separated by commas, not '\(text)' (\(example)).")
  }
  return numbers
}
