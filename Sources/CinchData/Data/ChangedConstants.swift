/// Samples in which a feature is not what it was in every sample that a scaling was fitted to. Scaling makes 0 of such a feature
/// whatever it holds, so nothing that a model makes of them can tell these samples from others.
public struct ChangedConstants: Sendable, Hashable {
  /// For each sample, how many such features have another value.
  public let counts: [Int]
  /// The features, counted from 0 with channels first, that have another value in some sample.
  public let features: [Int]

  /// How many samples have another value in some feature.
  public var samples: Int { counts.count { $0 > 0 } }
}

extension Dataset {
  /// What `minmax` or `standard` scaling has hidden of these samples.
  ///
  /// - Returns: nil where they are not scaled so, or every feature varied when the scaling was fitted.
  public func changedConstants() -> ChangedConstants? {
    guard case .affine(let affine)? = rows.scaler else { return nil }
    let constants = affine.scale.indices.filter { affine.scale[$0] == 0 }
    guard !constants.isEmpty else { return nil }
    // As they lie in the storage, in whose order the scaling is.
    var (raw, seen) = (rows, observed)
    raw.scaler = nil
    raw.transposition = nil
    seen?.transposition = nil
    var counts = [Int](repeating: 0, count: count)
    var changed = [Bool](repeating: false, count: affine.scale.count)
    var row = 0
    replacing(raw, seen).forEachObservedRow { values, observed in
      for place in constants where observed?[place] ?? 1 != 0 {
        let (value, constant) = (Double(values[place]) * affine.raw, affine.offset[place])
        // A mean, or a byte that was divided by 255, has rounding in it.
        guard abs(value - constant) > 2 * Double(Float.ulpOfOne) * abs(constant) else { continue }
        counts[row] += 1
        changed[place] = true
      }
      row += 1
    }
    let order = self.features(inStorageOf: rows)
    return ChangedConstants(counts: counts, features: constants.filter { changed[$0] }.map { order[$0] }.sorted())
  }
}
