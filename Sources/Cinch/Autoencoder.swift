import CinchBackend
import CinchCore
import CinchData
import Glibc
import Synchronization

/// An autoencoder on a device: encodes, decodes, reconstructs, evaluates; is saved and loaded.
///
/// Safe to share between tasks: calls take turns.
public final class Autoencoder: Sendable {
  public let recipe: Recipe
  /// What follows from the recipe's layers: shapes and parameters.
  public let network: ResolvedNetwork
  /// Where it runs.
  public let device: DeviceInfo
  /// What there is to say about the choice of device; nil where it was named.
  public let deviceNote: String?
  /// How it was trained, where it was loaded from a run folder.
  public let run: RunConfig?
  private let lock = Mutex(())
  /// The thread that has the lock; 0 where none has.
  private let holder = Atomic<UInt>(0)
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

  init(_ recipe: Recipe, on device: Device, run: RunConfig?, profiler: Profiler? = nil) throws {
    let opened = try device.open(profiler: profiler)
    let session = try Autoencoder.reporting { try openSession(recipe, on: opened.backend) }
    self.recipe = recipe
    network = session.resolved
    self.device = session.device
    deviceNote = opened.note
    self.run = run
    self.session = session
  }

  /// Codes of every sample: `[units]`, or `[channels, height, width]` where the code is an image.
  /// - Throws: `CinchError.badData` where the features do not fit.
  public func encode(_ data: Dataset) throws -> Dataset {
    try check(data)
    return try result(of: data, "codes", network.codeShape.sampleShape) { try $0.encode(data) }
  }

  /// Samples from codes, as `encode` gives them or flattened.
  /// - Throws: `CinchError.badData` where the codes are of another shape; `CinchError.usage` where the decoder needs
  ///   more than codes, as one that unpools does.
  public func decode(_ codes: Dataset) throws -> Dataset { try decode(codes, in: .nchw) }

  /// - Parameter order: in which the result keeps the channels of images, for who writes them so.
  package func decode(_ codes: Dataset, in order: ImageLayout) throws -> Dataset {
    let shape = network.codeShape.sampleShape
    guard codes.features == shape.count, codes.sampleShape.dimensions.count < 3 || codes.sampleShape == shape else {
      throw CinchError.badData(
        "The codes in '\(codes.name)' are \(codes.sampleShape), but this model's are \(shape): "
          + "pass codes that it encoded itself.")
    }
    return try result(of: codes, "decoded", recipe.inputShape.sampleShape, in: order) {
      try $0.decode(codes, in: order)
    }
  }

  /// x̂ of every sample; the input is not corrupted.
  /// - Throws: `CinchError.usage` where the model is a classifier, `.badData` where the features do not fit.
  public func reconstruct(_ data: Dataset) throws -> Dataset { try reconstruct(data, in: .nchw) }

  /// - Parameter order: in which the result keeps the channels of images, for who writes them so.
  package func reconstruct(_ data: Dataset, in order: ImageLayout) throws -> Dataset {
    try check(data)
    let shape = order == .nchw ? data.sampleShape : recipe.inputShape.sampleShape
    return try result(of: data, "reconstructions", shape, in: order) { try $0.reconstruct(data, in: order) }
  }

  /// The most probable class of every sample; of equals the first.
  /// - Throws: `CinchError.usage` where the model is no classifier, `.badData` where the features do not fit.
  public func classify(_ data: Dataset) throws -> [Int] {
    try check(data)
    return try withSession { try $0.classify(data) }
  }

  /// The mean of the loss and the mean activation of the code.
  public func evaluate(_ data: Dataset) throws -> Evaluation {
    try withSession { try $0.evaluate(data) }
  }

  /// A lower bound of log p(x) of a variational autoencoder, averaged over samples: nats. One code of each sample gives
  /// the evidence lower bound; the more codes, the tighter it is (Burda, Grosse and Salakhutdinov, "Importance weighted
  /// autoencoders", ICLR 2016):
  ///
  ///     log 1/K Σ_k p(x|z_k) p(z_k) / q(z_k|x),  z_k from q(z|x)
  ///
  /// - Parameters:
  ///   - data: the samples.
  ///   - draws: K.
  /// - Throws: `CinchError.usage` where the code is not drawn, or K is less than 1; `.badData` where the features do not fit.
  public func importanceWeightedBound(_ data: Dataset, draws: Int) throws -> Double {
    guard recipe.penalties.prior != nil else {
      throw CinchError.usage("Only a variational autoencoder has a bound of log p(x): train one, such as vae.")
    }
    guard (1...1_000_000).contains(draws) else {
      throw CinchError.usage("A bound of \(draws) codes a sample is not possible: choose 1 to 1000000.")
    }
    return try withSession { try $0.importanceWeightedBound(data, draws: draws) }
  }

  /// log Z of a restricted Boltzmann machine of Bernoulli units, with which log p(v) = −F(v) − log Z, by annealed importance
  /// sampling (Salakhutdinov and Murray 2008).
  ///
  /// - Parameters:
  ///   - data: whose means chains begin with.
  ///   - chains: 2 or more; the more, the smaller the standard error, which is of what they differ by.
  ///   - temperatures: machines that chains pass through on their way from one without weights to this one.
  ///   - seed: the same gives the same chains.
  /// - Throws: `CinchError.usage` where the model is no such machine, or a number is too small; `.badData` where the
  ///   features do not fit.
  public func logPartition(
    _ data: Dataset, chains: Int = 100, temperatures: Int = 1000, seed: UInt64 = 0
  ) throws -> LogPartition {
    guard (2...100_000).contains(chains), (1...1_000_000).contains(temperatures) else {
      throw CinchError.usage(
        "\(chains) chains through \(temperatures) temperatures are not possible: choose 2 to 100000, and 1 to 1000000.")
    }
    return try withSession {
      try $0.logPartition(data, chains: chains, temperatures: temperatures, seed: seed)
    }
  }

  /// log Z of a restricted Boltzmann machine, added up over all states of its smaller side: of gaussian visible units over
  /// those of the hidden ones. In float32 the sums are right to about six digits of log Z.
  ///
  /// - Returns: nil where that side has more than 20 units: see `logPartition(_:chains:temperatures:seed:)`.
  /// - Throws: `CinchError.usage` where the model is no Boltzmann machine.
  public func exactLogPartition() throws -> LogPartition? { try withSession { try $0.exactLogPartition() } }

  /// Samples as the encoder of a denoising autoencoder sees them at an update; as they are where the recipe has no corruption.
  ///
  /// - Parameters:
  ///   - data: samples as the model takes them.
  ///   - seed: which numbers are drawn; nil takes the recipe's own.
  ///   - step: of which update.
  /// - Throws: `CinchError.badData` where the features do not fit.
  public func corrupt(_ data: Dataset, seed: UInt64? = nil, step: UInt64 = 0) throws -> Dataset {
    try check(data)
    return try corrupted(data, seed: seed, step: step)
  }

  /// The same of images of any size.
  func corrupted(_ data: Dataset, seed: UInt64?, step: UInt64) throws -> Dataset {
    try result(of: data, "corrupted", data.sampleShape) {
      try $0.corrupt(data, seed: seed ?? recipe.seed, step: step)
    }
  }

  /// Every weight and bias under its file name, shaped as PyTorch's layers have them: `encoder.0.weight` `[out, in]`,
  /// or `[filters, channels, rows, columns]` of a convolution, `encoder.0.bias`, …
  public func parameters() throws -> [NamedParameter] { try withSession { try $0.parameters() } }

  /// Replaces every weight and bias.
  /// - Throws: `CinchError.badData` where a name comes twice, a name or shape does not fit, or a value is no finite number.
  public func setParameters(_ parameters: [NamedParameter]) throws {
    try withSession { try $0.setParameters(parameters) }
  }

  /// Runs `body` with the session while no other task can, and words device errors for people.
  /// - Throws: `CinchError.usage` where `body` of a call of this thread asks again, as an observer of training may.
  package func withSession<T: Sendable>(_ body: (any Session) throws -> T) throws -> T {
    let thread = UInt(pthread_self())
    guard holder.load(ordering: .relaxed) != thread else {
      throw CinchError.usage("The model is in the middle of training: use it after the epoch, or train it by a Run.")
    }
    return try lock.withLock { _ in
      holder.store(thread, ordering: .relaxed)
      defer { holder.store(0, ordering: .relaxed) }
      return try Autoencoder.reporting { try body(session) }
    }
  }

  private static func reporting<T>(_ body: () throws -> T) throws -> T {
    do { return try body() } catch let error as BackendError { throw CinchError(error) }
  }

  func check(_ data: Dataset) throws {
    guard data.features == recipe.input else {
      throw CinchError.badData(
        "'\(data.name)' has \(data.featuresText) per sample, but this model takes \(recipe.inputShape): "
          + "pass data as it was trained on.")
    }
    try recipe.requireImages(data)
  }

  private func result(
    of data: Dataset, _ suffix: String, _ shape: Shape, in order: ImageLayout = .nchw,
    _ body: (any Session) throws -> [Float]
  ) throws -> Dataset {
    let values = try withSession(body)
    guard values.allSatisfy(\.isFinite) else {
      throw CinchError.diverged(
        "What the model makes of '\(data.name)' are no finite numbers: its weights or the values are too large; train anew with "
          + "a smaller \(.learningRate), or correct such rows.")
    }
    return try Dataset(
      stored: values, count: data.count, sampleShape: shape, layout: order, name: "\(data.name) \(suffix)")
  }
}
