import Cinch
import CinchData
import TestSupport

/// A kind of file, some that are as they should be, and how a program reads one.
struct Format {
  var name: String
  /// What the file must be called in its folder.
  var file: String
  var seeds: [Seed]
  /// - Throws: `CinchError`.
  var read: (_ path: String) throws -> Void

  /// A file; half of the time what is inside is changed, and what is around it made right again.
  struct Seed: Sendable {
    var inner: [UInt8]
    var wrap: @Sendable ([UInt8]) -> [UInt8] = { $0 }

    var file: [UInt8] { wrap(inner) }
  }

  /// What is read: the same for the same seed and index.
  func input(seed: UInt64, index: Int) -> [UInt8] {
    var generator = FixedGenerator(state: seed &* 0x2545_F491_4F6C_DD1D ^ UInt64(truncatingIfNeeded: index))
    let place = Int.random(in: seeds.indices, using: &generator)
    guard Bool.random(using: &generator) else {
      return Mutation.apply(to: seeds.map(\.file), of: place, &generator)
    }
    return seeds[place].wrap(Mutation.apply(to: seeds.map(\.inner), of: place, &generator))
  }

  static let names = [
    "idx", "idx-gz", "npy", "npy-gz", "npz", "csv", "csv-gz", "table", "schema", "labels", "png", "jpeg", "safetensors",
    "recipe", "config", "model", "codes", "scores",
  ]

  /// - Parameter folder: where runs that files belong to are made.
  static func named(_ name: String, in folder: String) throws -> Format {
    func load(_ file: String, _ seeds: [Seed], _ options: Dataset.LoadOptions = .init()) -> Format {
      Format(name: name, file: file, seeds: seeds) { _ = try Dataset.load($0, options: options) }
    }
    switch name {
    case "idx": return load("a-images-idx3-ubyte", Seeds.idx.map { Seed(inner: $0) })
    case "idx-gz": return load("a.idx.gz", Seeds.idx.map { Seed(inner: $0, wrap: gzip) })
    case "npy": return load("a.npy", Seeds.npy.map { Seed(inner: $0) })
    case "npy-gz": return load("a.npy.gz", Seeds.npy.map { Seed(inner: $0, wrap: gzip) })
    case "npz": return load("a.npz", Seeds.npz)
    case "csv": return load("a.csv", Seeds.numbers.map { Seed(inner: Array($0.utf8)) })
    case "csv-gz": return load("a.csv.gz", Seeds.numbers.map { Seed(inner: Array($0.utf8), wrap: gzip) })
    case "table":
      var options = Dataset.LoadOptions()
      options.idColumn = "1"
      options.labelColumn = "2"
      options.rare = 2
      return load("a.csv", Seeds.tables.map { Seed(inner: Array($0.utf8)) }, options)
    case "schema":
      var options = Dataset.LoadOptions()
      let first = folder + "/first.csv"
      try AtomicFile.write(Seeds.tables[0], to: first)
      options.schema = try Dataset.load(first).schema
      return load("a.csv", Seeds.tables.map { Seed(inner: Array($0.utf8)) }, options)
    case "labels":
      let data = folder + "/data.csv"
      try AtomicFile.write("a,b\n1,2\n3,4\n", to: data)
      let seeds = Seeds.labels.map { Seed(inner: $0) }
      return Format(name: name, file: "labels", seeds: seeds) { path in
        var options = Dataset.LoadOptions()
        options.labels = path
        _ = try Dataset.load(data, options: options)
      }
    case "png": return load("a.png", Seeds.png.map { Seed(inner: $0, wrap: Seeds.pngWithChecksums) })
    case "jpeg": return load("a.jpg", Seeds.jpeg.map { Seed(inner: $0) })
    case "safetensors":
      let path = folder + "/a.safetensors"
      try Seeds.safetensors().write(to: path)
      let seed = Seed(inner: try FileBytes.read(path), wrap: Seeds.safetensorsWithLength)
      return Format(name: name, file: "a.safetensors", seeds: [seed]) { _ = try Safetensors(contentsOf: $0) }
    case "recipe":
      let seeds = try [Recipe.deep(layers: [8, 4, 2]), .vae(), .conv(), .classifier(), .rbm()].map {
        Seed(inner: Array(try JSONCoding.document($0).utf8))
      }
      return Format(name: name, file: "recipe.json", seeds: seeds) { try Recipe.load($0).validate() }
    default: return try ofRun(name, in: folder)
    }
  }

  /// Files of a run's folder, and those that its model makes.
  private static func ofRun(_ name: String, in folder: String) throws -> Format {
    let run = folder + "/run"
    var recipe = Recipe.deep(layers: [8, 4, 2])
    recipe.epochs = 1
    let table = folder + "/train.csv"
    let values = (0..<80).map { Float($0 * 37 % 101) / 101 }
    try CSVWriter.write(values: values, features: 8, columnNames: (1...8).map { "c\($0)" }, to: table)
    let data = DataSource(table)
    _ = try Run.create(recipe, data: data, in: run, on: .reference).train()
    let model = try Autoencoder.load(run, on: .reference)
    func kept(_ file: String) throws -> Seed {
      let bytes = try FileBytes.read("\(run)/\(file)")
      return file == "config.json" ? Seed(inner: bytes) : Seed(inner: bytes, wrap: Seeds.safetensorsWithLength)
    }
    func inPlace(_ file: String, _ read: @escaping () throws -> Void) throws -> Format {
      Format(name: name, file: "input", seeds: [try kept(file)]) { path in
        try AtomicFile.write(try FileBytes.read(path), to: "\(run)/\(file)")
        try read()
      }
    }
    switch name {
    case "config": return try inPlace("config.json") { _ = try RunFolder(run).config() }
    case "model": return try inPlace("model.safetensors") { _ = try Autoencoder.load(run, on: .reference) }
    case "scores":
      _ = try AnomalyDetector(run, model)
      return try inPlace("scores.safetensors") { _ = try AnomalyDetector(run, model) }
    default:
      let samples = try data.load()
      let seeds = try [1, 5, 16].map { bits in
        Seed(inner: try model.compress(samples, bits: bits).bytes, wrap: Seeds.codesWithChecksums)
      }
      return Format(name: name, file: "a.cinch", seeds: seeds) { path in
        _ = try model.decompress(try CodeStream(contentsOf: path))
      }
    }
  }
}
