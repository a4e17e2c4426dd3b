import CinchBackend
import CinchCore
import Synchronization

/// An autoencoder on a device: encodes, decodes, reconstructs, evaluates; is saved and loaded.
///
/// Safe to share between tasks: calls take turns.
public final class Autoencoder: Sendable {
  public let recipe: Recipe
  /// Where it runs.
  public let device: DeviceInfo
  /// What there is to say about the choice of device; nil where it was named.
  public let deviceNote: String?
  /// How it was trained, where it was loaded from a run folder.
  public let run: RunConfig?
  private let lock = Mutex(())
  // Safe because it is touched only in `withSession`, under `lock`, and no closure there may hand it out: what
  // they return is Sendable, and a session is not.
  nonisolated(unsafe) private let session: any Session

  /// A model with first weights drawn from the recipe's seed.
  ///
  /// - Throws: `CinchError.usage` where the recipe makes no model, `CinchError.unavailable` where the device
  ///   does not exist.
  public convenience init(_ recipe: Recipe, on device: Device = .automatic) throws {
    try self.init(recipe, on: device, run: nil)
  }

  init(_ recipe: Recipe, on device: Device, run: RunConfig?) throws {
    let opened = try device.open()
    try recipe.requireFit(opened.backend)
    let session = try Autoencoder.reporting { try openSession(recipe, on: opened.backend) }
    self.recipe = recipe
    self.device = session.device
    deviceNote = opened.note
    self.run = run
    self.session = session
  }

  /// Codes of every sample: `samples × code units`.
  /// - Throws: `CinchError.badData` where the features do not fit.
  public func encode(_ data: Dataset) throws -> Dataset {
    try check(data, features: recipe.input)
    return try result(of: data, "codes") { try $0.encode(data.values) }
  }

  /// Samples from codes, as `encode` gives them.
  public func decode(_ codes: Dataset) throws -> Dataset {
    try check(codes, features: recipe.codeUnits)
    return try result(of: codes, "decoded") { try $0.decode(codes.values) }
  }

  /// x̂ of every sample; the input is not corrupted.
  public func reconstruct(_ data: Dataset) throws -> Dataset {
    try check(data, features: recipe.input)
    return try result(of: data, "reconstructions") { try $0.reconstruct(data.values) }
  }

  /// The mean reconstruction loss and the mean activation of the code.
  public func evaluate(_ data: Dataset) throws -> Evaluation {
    try recipe.validate(data)
    return try withSession { try $0.evaluate(data) }
  }

  /// Samples as the encoder of a denoising autoencoder sees them at an update.
  public func corrupt(_ data: Dataset, step: UInt64 = 0) throws -> Dataset {
    try check(data, features: recipe.input)
    return try result(of: data, "corrupted") { try $0.corrupt(data.values, step: step) }
  }

  /// Every weight `[out, in]` and bias `[out]` under its file name: `encoder.0.weight`, `encoder.0.bias`, …
  public func parameters() throws -> [NamedParameter] { try withSession { try $0.parameters() } }

  /// Replaces every weight and bias.
  /// - Throws: `CinchError.badData` where a name or shape does not fit.
  public func setParameters(_ parameters: [NamedParameter]) throws {
    try withSession { try $0.setParameters(parameters) }
  }

  /// Runs `body` with the session while no other task can, and words device errors for people.
  package func withSession<T: Sendable>(_ body: (any Session) throws -> T) throws -> T {
    try lock.withLock { _ in try Autoencoder.reporting { try body(session) } }
  }

  private static func reporting<T>(_ body: () throws -> T) throws -> T {
    do { return try body() } catch let error as BackendError { throw CinchError.unavailable(error.description) }
  }

  private func check(_ data: Dataset, features: Int) throws {
    guard data.features == features else {
      throw CinchError.badData(
        "'\(data.name)' has \(data.features) features a sample, but this model takes \(features) here.")
    }
  }

  private func result(
    of data: Dataset, _ suffix: String, _ body: (any Session) throws -> [Float]
  ) throws -> Dataset {
    let values = try withSession(body)
    return try Dataset(
      values: values, count: data.count, features: values.count / max(1, data.count), name: "\(data.name) \(suffix)")
  }
}
