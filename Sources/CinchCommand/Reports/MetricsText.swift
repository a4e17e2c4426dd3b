import Cinch
import CinchData

extension Metrics {
  /// What one line of a report has room for: the error of classes, the error per element, or else what comes first.
  private var headlineName: String? {
    [Metrics.errorName, Reconstruction.perElementName].first { self[$0] != nil } ?? names.first
  }

  /// 0.01788; 11.2 %
  var headlineValue: String {
    guard let name = headlineName, let value = self[name] else { return "" }
    return name == Metrics.errorName ? "\(NumberText.short(100 * value)) %" : NumberText.short(value)
  }

  /// per element 0.01788; error 11.2 %
  var headline: String {
    let name = (headlineName ?? "").replacing("reconstruction_", with: "").replacing("_", with: " ")
    return "\(name) \(headlineValue)"
  }
}

extension JSON {
  /// Named numbers.
  static func metrics(_ metrics: Metrics?) -> JSON? {
    metrics.map { .map($0.byName) }
  }
}
