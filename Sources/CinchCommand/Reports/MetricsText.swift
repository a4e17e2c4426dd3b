import Cinch
import CinchData

extension Metrics {
  /// What one line of a report has room for: the error per element, or else what comes first.
  var headlineValue: Double { self[Reconstruction.perElementName] ?? first { _ in true }?.value ?? .nan }

  /// per element 0.01788; cross entropy 0.4513
  var headline: String {
    let name = self[Reconstruction.perElementName] == nil ? names.first ?? "" : "per element"
    return "\(name.replacing("_", with: " ")) \(NumberText.short(headlineValue))"
  }
}

extension JSON {
  /// Named numbers.
  static func metrics(_ metrics: Metrics?) -> JSON? {
    metrics.map { .map($0.byName) }
  }
}
