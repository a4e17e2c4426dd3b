import CinchBackend
import CinchCore
import CinchData

// Samples as a few bytes each: their codes, quantised.
extension Autoencoder {
  /// The codes of samples, quantised and entropy-coded: lossy compression by the model. A variational autoencoder gives the
  /// means of its codes.
  ///
  /// ```swift
  /// let stream = try model.compress(images, bits: 6)
  /// try stream.write(to: "images.cinch")
  /// let decoded = try model.decompress(CodeStream(contentsOf: "images.cinch"))
  /// ```
  ///
  /// - Parameters:
  ///   - data: the samples, scaled as those that the model was trained on.
  ///   - bits: of a quantised value, 1 ... 16.
  /// - Returns: what `decompress` takes, in memory.
  /// - Throws: `CinchError.usage` where `bits` are others, or the decoder needs more than codes, as one that unpools does, or
  ///   there is none; `.badData` where the features do not fit, or codes are too large.
  public func compress(_ data: Dataset, bits: Int = 8) throws -> CodeStream {
    try CodeStream.require(bits: bits)
    // What cannot be decoded is refused before it is compressed.
    _ = try decode(try encode(try data.prefix(1)))
    return try CodeStream(
      quantising: try encode(data), bits: bits, sampleShape: recipe.inputShape.sampleShape, origin: try origin())
  }

  /// The samples that compressed codes stand for.
  ///
  /// - Parameter stream: of this model, with the weights that it has now.
  /// - Returns: the samples as `decode` gives them, scaled as the model's training samples.
  /// - Throws: `CinchError.badData` where another model made the stream, or it is damaged; `.unavailable` where there is no
  ///   room for its codes.
  public func decompress(_ stream: CodeStream) throws -> Dataset { try decode(try codes(of: stream)) }

  /// The codes of a stream, as far as quantising left them.
  ///
  /// - Parameter stream: of this model, with the weights that it has now.
  /// - Throws: as `decompress`.
  public func codes(of stream: CodeStream) throws -> Dataset {
    try require(stream)
    return try stream.codes()
  }

  private func origin() throws -> CodeStream.Origin {
    var sum = Checksum()
    for parameter in try parameters() { parameter.values.withUnsafeBytes { sum.add($0) } }
    return CodeStream.Origin(
      run: run?.identity?.run, architecture: try RunIdentity.checksum(recipe.architecture), weights: sum.text)
  }

  private func require(_ stream: CodeStream) throws {
    let own = try origin()
    guard stream.origin.architecture == own.architecture, stream.codeShape == network.codeShape.sampleShape,
      stream.sampleShape == recipe.inputShape.sampleShape
    else {
      throw CinchError.badData(
        "'\(stream.name)' was compressed by a model with other layers than this one: name the run that compressed it.")
    }
    // A model that was not loaded from a run may be any run's: its weights tell.
    if let run = own.run, let other = stream.origin.run, run != other {
      throw CinchError.badData(
        "'\(stream.name)' was compressed by another run than this one: name the run that compressed it.")
    }
    guard stream.origin.weights == own.weights else {
      throw CinchError.badData(
        "'\(stream.name)' was compressed with other weights than this model has now: bring those back, or compress the "
          + "samples again.")
    }
  }
}
