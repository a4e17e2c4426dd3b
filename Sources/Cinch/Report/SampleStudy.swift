import CinchBackend
import CinchCore
import CinchData

/// A run's model and some of its samples, spread evenly, that a report looks at.
struct SampleStudy {
  let model: Autoencoder
  let config: RunConfig
  /// The samples looked at, as the model takes them.
  let samples: Dataset
  /// Their numbers in the data, from 0.
  let numbers: [Int]
  /// Samples of the data in all.
  let all: Int

  /// The most samples whose errors and codes are looked at, and values of these.
  private static let mostSamples = 10_000
  private static let mostValues = 1 << 25
  /// Samples that pass at a time.
  private static let rowsAtOnce = 512

  /// - Throws: `CinchError.badData` where the data do not fit, `.unavailable` where there is no room.
  init(_ model: Autoencoder, _ config: RunConfig, _ data: Dataset) throws {
    self.model = model
    self.config = config
    all = data.count
    let most = min(Self.mostSamples, max(Self.mostValues / data.features, 16))
    numbers = Self.spread(data.count, most: most)
    try HostMemory.require(16 * numbers.count * data.features, for: "the samples that the report looks at")
    samples = try config.prepare(data.gather(numbers[...]))
  }

  /// Numbers below `count`, at most so many, at equal distances.
  static func spread(_ count: Int, most: Int) -> [Int] {
    count <= most ? Array(0..<count) : (0..<most).map { $0 * count / most }
  }

  /// 10,000 of 60,000 samples
  func text(_ count: Int) -> String {
    count == all
      ? NumberText.counted(all, "sample") : "\(NumberText.grouped(count)) of \(NumberText.counted(all, "sample"))"
  }

  /// What tells a sample: its row in the data, from 1 as everywhere, its name and its label.
  func label(_ place: Int) -> String {
    var parts = ["row \(numbers[place] + 1)"]
    if let name = samples.sampleNames?[place] { parts.append(name) }
    if let label = className(place) { parts.append("label \(label)") }
    return parts.joined(separator: ", ")
  }

  /// The label as the data have it.
  func className(_ place: Int) -> String? {
    guard let labels = samples.classLabels else { return nil }
    return config.classes == nil ? labels.text(labels.values[place]) : config.className(labels.values[place])
  }

  /// Calls `body` with some rows at a time, and where they begin.
  func inBatches(_ body: (_ start: Int, _ batch: Dataset) throws -> Void) throws {
    for start in stride(from: 0, to: samples.count, by: Self.rowsAtOnce) {
      try body(start, samples.subset(start..<min(start + Self.rowsAtOnce, samples.count)))
    }
  }

  /// What a sample is as an image; nil where it is none.
  var image: ImageShape? { ImageShape(config.shape) }
}

/// How far reconstructions are from samples.
struct ReconstructionErrors {
  /// The mean of (x̂ − x)² over what is there of each sample.
  private(set) var samples: [Double] = []
  /// The mean of (x̂ − x)² of each feature, over the samples that have it.
  private(set) var features: [Double]
  /// The mean of (x̂ − x)² over all that is there.
  let mean: Double
  /// Places of samples, the smallest error first.
  let order: [Int]

  init(_ study: SampleStudy) throws {
    let width = study.samples.features
    var sums = [Double](repeating: 0, count: width)
    var counts = [Double](repeating: 0, count: width)
    var errors: [Double] = []
    try study.inBatches { _, batch in
      let (values, made) = (batch.values, try study.model.reconstruct(batch).values)
      let observed = batch.observedValues
      values.withUnsafeBufferPointer { values in
        made.withUnsafeBufferPointer { made in
          for row in 0..<batch.count {
            var (sum, count) = (0.0, 0.0)
            for feature in 0..<width {
              let place = row * width + feature
              let weight = observed.map { Double($0[place]) } ?? 1
              let d = Double(made[place]) - Double(values[place])
              sum += weight * d * d
              count += weight
              sums[feature] += weight * d * d
              counts[feature] += weight
            }
            errors.append(count > 0 ? sum / count : 0)
          }
        }
      }
    }
    guard errors.allSatisfy(\.isFinite) else {
      throw CinchError.badData("Some reconstructions are no finite numbers: train anew, with a smaller learning rate.")
    }
    samples = errors
    mean = sums.reduce(0, +) / max(counts.reduce(0, +), .leastNormalMagnitude)
    features = zip(sums, counts).map { $1 > 0 ? $0 / $1 : 0 }
    order = errors.indices.sorted { errors[$0] != errors[$1] ? errors[$0] < errors[$1] : $0 < $1 }
  }
}
