import CinchCore
import CinchData
import FoundationEssentials
import Glibc

/// A folder that holds one training run.
///
/// | file | what it holds |
/// |---|---|
/// | `config.json` | `RunConfig` |
/// | `scaling.safetensors` | of `zca` scaling: `matrix` and `inverse`, `[features, features]` |
/// | `model.safetensors` | the weights, under `encoder.0.weight`, `encoder.0.bias`, …, `decoder.0.weight`, …, shaped as PyTorch's |
/// | `checkpoint.safetensors` | the run's whole state, in the device's own precision: what `--resume` goes on from |
/// | `history.csv` | one row per epoch |
/// | `reconstructions.png` | originals, what the encoder saw of them where they were corrupted, reconstructions |
/// | `filters.png` | the first layer's weights, one tile per unit or kernel |
/// | `pca.safetensors` | PCA of the training samples, once an evaluation has compared with it |
/// | `scores.safetensors` | the training samples' scores, and the threshold of an anomaly, once samples have been scored |
/// | `pictures/` | those of epochs, where `Run.Settings.pictureInterval` asks for them |
/// | `events.out.tfevents.…` | what TensorBoard shows, where `Run.Settings.tensorBoard` asks for it |
/// | `features.png` | of convolutions: a sample, and what each encoder layer's filters find in it |
///
/// Every file is written whole or not at all, but for TensorBoard's, which are appended to. What a run is made of carries its
/// `RunIdentity`: `config.json` as a member, the safetensors as metadata, `history.csv` as its column `run`, pictures as text
/// beside the pixels.
public struct RunFolder: Sendable, Hashable {
  public let path: String

  public init(_ path: String) { self.path = path }

  package enum File: String, CaseIterable {
    case config = "config.json"
    case scaling = "scaling.safetensors"
    case model = "model.safetensors"
    case checkpoint = "checkpoint.safetensors"
    case history = "history.csv"
    case reconstructions = "reconstructions.png"
    case filters = "filters.png"
    case features = "features.png"
    case principalComponents = "pca.safetensors"
    case scores = "scores.safetensors"
    case trace = "trace.json"
    case sweep = "sweep.json"
    case sweepTable = "sweep.csv"
  }

  package func path(of file: File) -> String { path + "/" + file.rawValue }

  package func has(_ file: File) -> Bool { FileManager.default.fileExists(atPath: path(of: file)) }

  /// Makes a folder for a new run.
  ///
  /// - Parameters:
  ///   - path: where; nil takes `runs/YYYY-MM-DD-NAME`, or the first of `…-2`, `…-3`, … that is free.
  ///   - name: the recipe's, for a folder without a path.
  /// - Throws: `CinchError.usage` where the folder holds a run already, `.inputOutput` where it cannot be made.
  public static func create(at path: String?, name: String) throws -> RunFolder {
    guard let path else { return try createDefault(name: name) }
    let folder = RunFolder(path)
    try folder.requireNoRun()
    try folder.create()
    folder.removeLeftovers()
    return folder
  }

  /// - Throws: `CinchError.usage` where the folder holds a run already.
  package func requireNoRun() throws {
    // A checkpoint alone is what an end before the first update leaves.
    guard !has(.config), !has(.model) else {
      // An imported run has nothing to go on from.
      throw has(.checkpoint)
        ? CinchError.usage(
          "'\(path)' already holds a run: name another folder, or go on with it by \(.resume, path).")
        : CinchError.usage("'\(path)' already holds a run: name another folder.")
    }
    // Without a run they are somebody else's, and a run would write over them.
    let others: [File] = [
      .history, .reconstructions, .filters, .features, .trace, .principalComponents, .scores, .sweepTable,
    ]
    if let file = others.first(where: has) {
      throw CinchError.usage(
        "'\(self.path(of: file))' is there already, and a run would replace it: name another folder, or move it.")
    }
  }

  /// Whether a file may be written.
  ///
  /// - Parameter overwriting: whether one that is there is replaced.
  /// - Throws: `CinchError.usage` where it is a run's own, or there already.
  package static func requireFree(_ path: String, _ overwriting: Bool) throws {
    // What a link leads to is what would be replaced.
    let url = URL(filePath: AtomicFile.place(of: path))
    let (folder, name) = (RunFolder(url.deletingLastPathComponent().path), url.lastPathComponent)
    guard
      !(folder.has(.config) || folder.isSweep) || File(rawValue: name) == nil && !name.hasPrefix(EventFile.prefix)
    else {
      throw CinchError.usage("'\(path)' is a run's own file: choose another.")
    }
    guard overwriting || !FileManager.default.fileExists(atPath: path) else {
      throw CinchError.usage("'\(path)' is there already: choose another file, or say \(.overwriting).")
    }
  }

  /// The right to write here.
  /// - Throws: `CinchError.unavailable` where somebody has it, `.inputOutput`.
  func lock() throws -> FolderLock { try FolderLock(path) }

  /// Removes files, where they are there.
  func remove(_ files: [File]) throws {
    for file in files where unlink(path(of: file)) != 0 && errno != ENOENT {
      throw CinchError.system(errno, "remove '\(path(of: file))'")
    }
  }

  /// Removes what programs that were killed had begun to write here.
  package func removeLeftovers() {
    for name in (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? [] {
      guard let writer = AtomicFile.writer(ofTemporary: name), kill(writer, 0) != 0, errno == ESRCH else { continue }
      unlink(path + "/" + name)
    }
  }

  private static func createDefault(name: String) throws -> RunFolder {
    try RunFolder("runs").create()
    let safe = String(
      name.map { $0.isASCII && ($0.isLetter || $0.isNumber || "-_".contains($0)) ? $0 : "-" }.prefix(64))
    let stem = "runs/\(today)-\(safe)"
    for number in 1...9999 {
      let path = number == 1 ? stem : "\(stem)-\(number)"
      // Making the folder claims it: two programs that start together get two folders.
      if mkdir(path, 0o777) == 0 { return RunFolder(path) }
      guard errno == EEXIST else { throw refusal(path) }
    }
    throw CinchError.inputOutput("'\(stem)' and 9998 numbered ones exist already: name a folder of your own.")
  }

  /// Makes the folder and those above it, where they are missing.
  package func create() throws {
    var isFolder = false
    if FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) {
      guard isFolder else {
        throw CinchError.inputOutput("'\(path)' is a file, not a folder: name another folder.")
      }
      guard access(path, W_OK | X_OK) == 0 else { throw Self.refusal(path) }
      return
    }
    let parent = URL(fileURLWithPath: path).deletingLastPathComponent().path
    if parent != path, !FileManager.default.fileExists(atPath: parent) { try RunFolder(parent).create() }
    guard mkdir(path, 0o777) == 0 || errno == EEXIST else { throw Self.refusal(path) }
  }

  /// The folders that a folder at `path` would be made with, the innermost first.
  static func missing(_ path: String) -> [String] {
    var missing: [String] = []
    var url = URL(fileURLWithPath: path)
    while !FileManager.default.fileExists(atPath: url.path), url.path != "/" {
      missing.append(url.path)
      url.deleteLastPathComponent()
    }
    return missing
  }

  /// Of folders, the innermost first, those that hold nothing.
  static func removeEmpty(_ folders: [String]) { for folder in folders { rmdir(folder) } }

  private static func refusal(_ path: String) -> CinchError {
    .system(errno, "write to the folder '\(path)'")
  }

  private static var today: String {
    var now = time(nil)
    var parts = tm()
    localtime_r(&now, &parts)
    func padded(_ value: Int32) -> String { value < 10 ? "0\(value)" : "\(value)" }
    return "\(parts.tm_year + 1900)-\(padded(parts.tm_mon + 1))-\(padded(parts.tm_mday))"
  }
}

// config.json
extension RunFolder {
  /// - Throws: `CinchError.inputOutput` where there is no run, `.badData` where its file is damaged.
  public func config() throws -> RunConfig {
    var isFolder = false
    guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else {
      throw CinchError.inputOutput("There is no run folder '\(path)': check the path.")
    }
    guard isFolder else {
      throw CinchError.inputOutput("'\(path)' is a file, not a run: name the folder that \(.training) saved.")
    }
    guard has(.config) else {
      throw CinchError.inputOutput(
        "'\(path)' holds no run, for it has no \(File.config.rawValue): name a folder that \(.training) saved.")
    }
    guard let bytes = FileManager.default.contents(atPath: path(of: .config)) else {
      throw CinchError.inputOutput("Cannot read '\(path(of: .config))': check its permissions.")
    }
    func damaged(_ why: CinchError.Message) -> CinchError {
      .badData("'\(path(of: .config))' is damaged: \(why); use an intact copy, or start a new run.")
    }
    let scaling = has(.scaling) ? try whitening() : nil
    let decoder = JSONCoding.decoder
    if let key = Whitening.Elsewhere.key {
      decoder.userInfo[key] = Whitening.Elsewhere(scaling?.matrices, path: path(of: .scaling))
    }
    do {
      let config = try decoder.decode(RunConfig.self, from: bytes)
      if config.scaling?.whitening != nil, let scaling {
        try RunIdentity.require(scaling.identity, of: path(of: .scaling), in: config)
      }
      try config.recipe.validate()
      if let identity = config.identity {
        guard try RunIdentity.checksum(config.recipe.architecture) == identity.architecture else {
          throw damaged("its layers are not those that the run was started with")
        }
      }
      return config
    } catch let error as DecodingError {
      throw damaged("\(JSONCoding.explain(error))")
    } catch CinchError.usage(let why) {
      throw damaged("its recipe makes no model (\(why.clause))")
    }
  }

  package func write(_ config: RunConfig) throws {
    // Before the configuration, which cannot be read without it.
    if let whitening = config.scaling?.whitening { try write(whitening, config.identity) }
    try AtomicFile.write(try JSONCoding.document(config) + "\n", to: path(of: .config))
    if config.scaling?.whitening == nil { try remove([.scaling]) }
  }
}

// scaling.safetensors
extension RunFolder {
  private static let (matrix, inverse) = ("matrix", "inverse")

  private func write(_ whitening: Whitening, _ identity: RunIdentity?) throws {
    let features = Int(Double(whitening.matrix.count).squareRoot())
    var file = Safetensors()
    file.metadata = ["cinch": CinchVersion.current]
    file.metadata.merge(identity?.metadata ?? [:]) { $1 }
    try file.add(Self.matrix, shape: [features, features], .float64(whitening.matrix))
    try file.add(Self.inverse, shape: [features, features], .float64(whitening.inverse))
    try file.write(to: path(of: .scaling))
  }

  private func whitening() throws -> (matrices: Whitening.Matrices, identity: RunIdentity?) {
    let path = path(of: .scaling)
    let file = try Safetensors(contentsOf: path)
    func values(_ name: String) throws -> [Double] {
      guard let entry = file[name], case .float64(let values) = entry.storage, values.allSatisfy(\.isFinite),
        entry.shape.dimensions.count == 2, entry.shape.dimensions[0] == entry.shape.dimensions[1]
      else {
        throw CinchError.badData(
          "'\(path)' is damaged: it has no square '\(name)' of finite 64-bit floats; use an intact copy.")
      }
      return values
    }
    let matrices = Whitening.Matrices(matrix: try values(Self.matrix), inverse: try values(Self.inverse))
    return (matrices, RunIdentity(file.metadata))
  }
}

// history.csv
extension RunFolder {
  /// The loss's metrics, the penalties, and the loss's metrics of the held-out samples.
  package func write(history: [Epoch], of recipe: Recipe, identity: RunIdentity?) throws {
    let (training, names) = (recipe.metricNames, recipe.heldOutMetricNames)
    let heldOut = names.map(Epoch.validationName)
    let layer = recipe.training.pretraining == nil ? [] : ["layer"]
    var columns =
      ["epoch"] + layer + ["loss"] + training + heldOut + ["learning_rate", "samples_per_second", "seconds"]
    // Rows of many runs can then stand in one table.
    if identity != nil { columns.append(RunIdentity.runKey) }
    var table = CSVWriter(columns: columns)
    for epoch in history {
      let values: [Double?] =
        [epoch.loss] + training.map { epoch.metrics[$0] } + names.map { epoch.validationMetrics?[$0] }
        + [epoch.learningRate, epoch.samplesPerSecond, epoch.seconds]
      let last = identity.map { [$0.run] } ?? []
      let place = ["\(epoch.number)"] + layer.map { _ in epoch.layer.map { "\($0)" } ?? "" }
      try table.append(place + values.map { $0.map { "\($0)" } ?? "" } + last)
    }
    try table.write(to: path(of: .history))
  }
}
