import Cinch
import Foundation

/// Where a lecture's computations run, and where its pictures and runs go.
struct Setting {
  var folder: String
  var device: Device

  init(folder: String, device: Device) {
    self.folder = folder
    self.device = device
  }

  func path(_ name: String) -> String { "\(folder)/\(name)" }

  /// A model that has been trained for the recipe's epochs.
  func trained(_ recipe: Recipe, on data: Dataset) throws -> Autoencoder {
    let trainer = try Trainer(recipe, on: device)
    try trainer.prepare(data)
    while case .finished = try trainer.trainEpoch(epochs: recipe.epochs) {}
    return trainer.model
  }

  /// A picture with words above it.
  func write(_ picture: RasterImage, _ caption: String, to name: String) throws {
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    try PNG.write(try ImageGrid.captioned(picture, caption), to: path(name))
    print("picture: \(path(name))")
  }
}

/// A table in Markdown.
struct Table {
  private var rows: [[String]]

  init(_ columns: [String]) { rows = [columns, columns.map { _ in "---" }] }

  mutating func add(_ cells: [String]) { rows.append(cells) }

  func show() {
    print("")
    for row in rows { print("| " + row.joined(separator: " | ") + " |") }
  }
}

extension Double {
  /// With so many digits behind the point.
  func digits(_ count: Int) -> String {
    let scale = (0..<count).reduce(1.0) { value, _ in 10 * value }
    let whole = Int((abs(self) * scale).rounded())
    let part = String(whole % Int(scale))
    let sign = self < 0 && whole > 0 ? "-" : ""
    guard count > 0 else { return "\(sign)\(whole)" }
    return "\(sign)\(whole / Int(scale))." + String(repeating: "0", count: count - part.count) + part
  }
}

extension ErrorRate {
  /// 11.2 % ± 0.6
  var text: String { "\((100 * error).digits(2)) % ± \((100 * interval).digits(2))" }
}

extension Autoencoder {
  /// A layer's parameter, by its name in files.
  func parameter(_ name: String) throws -> NamedParameter {
    guard let found = try parameters().first(where: { $0.name == name }) else {
      throw CinchError.usage("There is no parameter '\(name)'.")
    }
    return found
  }

  /// The mean over samples of ‖x̂ − x‖².
  func squaredError(_ data: Dataset, seenAs input: Dataset? = nil) throws -> Double {
    let reconstructed = try reconstruct(input ?? data)
    var sum = 0.0
    for (a, b) in zip(reconstructed.values, data.values) { sum += Double((a - b) * (a - b)) }
    return sum / Double(data.count)
  }
}
