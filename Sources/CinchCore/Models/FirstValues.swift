import CinchBackend
import CinchData
import Glibc

extension Network {
  /// Sets first values that follow from what a new model is trained on: the visible biases of a restricted Boltzmann
  /// machine, which without weights then has the data's means. They are log(p/(1 − p)) of Bernoulli units that are on p of
  /// the time (Hinton, "A practical guide to training restricted Boltzmann machines", 2010, section 8), p kept within
  /// 1/(n+1) and n/(n+1) for n samples, and the means of gaussian units.
  ///
  /// - Parameter data: as a device holds them, channels last.
  func setFirstValues(from data: FeedSource<B>) throws {
    guard recipe.objective.chain != nil else { return }
    let (_, visible) = try boltzmannLayers()
    let count = Double(data.count)
    let values = try data.featureMeans(on: backend).map { mean -> Float in
      guard visible.resolved.spec.activation == .sigmoid else { return Float(mean) }
      let p = min(max(mean, 1 / (count + 1)), count / (count + 1))
      return Float(log(p / (1 - p)))
    }
    try backend.write(Scalars.scalars(values), to: visible.bias.value)
  }
}

extension FeedSource {
  /// Each feature's mean over samples, added up on the host, so that every device comes to the same from the same samples.
  fileprivate func featureMeans(on backend: B) throws -> [Double] {
    switch self {
    case .samples(let data): return data.featureMeans()
    case .rows(let rows, _):
      var sums = [Double](repeating: 0, count: rows.columns)
      for start in stride(from: 0, to: rows.rows, by: 1024) {
        let n = min(1024, rows.rows - start)
        let values = Scalars.doubles(try backend.read(rows.slice(at: start * rows.columns, shape: [n, rows.columns])))
        for place in values.indices { sums[place % rows.columns] += values[place] }
      }
      return sums.map { $0 / Double(rows.rows) }
    }
  }
}
