import Cinch
import CinchData

extension JSON {
  /// Named numbers.
  static func metrics(_ metrics: Metrics?) -> JSON? {
    metrics.map { .map(Dictionary(uniqueKeysWithValues: $0.map { ($0.name, $0.value) })) }
  }
}
