import CinchBackend

/// NumPy's .npz format: arrays with names, each a .npy file in a .zip archive.
struct NPZ {
  private let archive: Zip
  private let path: String
  /// The names of the arrays, in the order of the file.
  let names: [String]

  /// What samples are called where nobody says it, and what their labels are called then.
  private static let conventions: [(samples: String, labels: [String])] = [
    ("x", ["y", "labels"]), ("X", ["y", "Y", "labels"]), ("data", ["labels", "target", "y"]),
    ("images", ["labels", "y"]),
  ]
  /// Behind these names, of training samples the second: as in Keras's `mnist.npz`.
  private static let parts = ["", "_train", "_test", "_val"]

  /// - Throws: `CinchError.badData` where the archive is damaged or has no arrays.
  init(_ file: FileContents, path: String) throws {
    archive = try Zip(file, path: path)
    self.path = path
    names = archive.entries.map(\.name).filter { $0.hasSuffix(Self.ending) }.map { String($0.dropLast(4)) }
    guard !names.isEmpty else {
      throw CinchError.badData("'\(path)' holds no arrays: write it with numpy.savez('x.npz', x=array).")
    }
    guard Set(names).count == names.count else {
      throw CinchError.badData("'\(path)' holds two arrays of one name: write it again with a name for each.")
    }
  }

  private static let ending = ".npy"

  /// The array of samples, and labels where there are some that go with it by their names.
  ///
  /// - Parameter wanted: the array's name; nil for the only one, or the one that is named as samples usually are.
  /// - Throws: `CinchError.usage` where it is not there or there are several; as `NPY.read`.
  func samples(_ wanted: String?, takesLabels: Bool) throws -> (array: NumericArray, labels: [Int]?) {
    let name = try samplesName(wanted)
    let array = try read(name, scalesBytes: true)
    guard takesLabels, let beside = labelsName(beside: name) else { return (array, nil) }
    // Texts are no numbers either.
    guard let labels = try? wholeNumbers(beside), labels.count == array.shape.rows else {
      LoadProgress.note(
        "left the array '\(beside)' of '\(path)' out: labels are one whole number for each of \(array.shape.rows) samples"
      )
      return (array, nil)
    }
    return (array, labels)
  }

  /// The only array, or the one that is named as labels usually are.
  /// - Throws: `CinchError.badData` where there is none; as `NPY.read`.
  func labels() throws -> NumericArray {
    let usual = Self.parts.prefix(2).flatMap { part in ["y", "Y", "labels", "target"].map { $0 + part } }
    guard let name = names.count == 1 ? names.first : usual.first(where: names.contains) else {
      throw CinchError.badData("'\(path)' holds \(list), none of which is called y or labels: write those alone.")
    }
    return try read(name, scalesBytes: false)
  }

  private func read(_ name: String, scalesBytes: Bool) throws -> NumericArray {
    guard let entry = archive.entries.first(where: { $0.name == name + Self.ending }) else {
      throw CinchError.usage("'\(path)' has no array '\(name)', but \(list): choose one with \(.array).")
    }
    return try NPY.read(try archive.contents(of: entry), scalesBytes: scalesBytes, path: "\(path):\(name)")
  }

  private func samplesName(_ wanted: String?) throws -> String {
    if let wanted {
      return wanted.hasSuffix(Self.ending) && !names.contains(wanted) ? String(wanted.dropLast(4)) : wanted
    }
    if names.count == 1 { return names[0] }
    let usual = Self.parts.prefix(2).flatMap { part in Self.conventions.map { $0.samples + part } }
    let found = usual.filter(names.contains)
    guard found.count == 1 else {
      throw CinchError.usage("'\(path)' holds the arrays \(list): choose the samples with \(.array, names[0]).")
    }
    return found[0]
  }

  private func labelsName(beside samples: String) -> String? {
    for part in Self.parts {
      for convention in Self.conventions where convention.samples + part == samples {
        return convention.labels.map { $0 + part }.first(where: names.contains)
      }
    }
    return nil
  }

  private var list: String {
    names.prefix(12).map { "'\($0)'" }.joined(separator: ", ") + (names.count > 12 ? ", …" : "")
  }

  /// Nil where an array is no list of whole numbers.
  private func wholeNumbers(_ name: String) throws -> [Int]? {
    let array = try read(name, scalesBytes: false)
    guard array.shape.columns == 1 else { return nil }
    let labels = array.values.compactMap(Labels.whole)
    return labels.count == array.shape.rows ? labels : nil
  }
}
