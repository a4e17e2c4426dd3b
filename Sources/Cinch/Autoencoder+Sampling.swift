import CinchBackend
import CinchCore
import CinchData

// New samples: decoded from codes that nobody encoded.
extension Autoencoder {
  /// Samples that the decoder makes of codes drawn from a distribution: means, to which a decoder's own noise is not added.
  ///
  /// - Parameters:
  ///   - count: how many.
  ///   - distribution: nil takes the prior N(0, I), which a variational autoencoder and probabilistic PCA have.
  ///   - seed: the same gives the same samples; more of them begin with fewer.
  /// - Throws: `CinchError.usage` where there is no prior, the distribution is of other codes, or `count` is less than 1.
  public func sample(_ count: Int, from distribution: CodeDistribution? = nil, seed: UInt64 = 0) throws -> Dataset {
    try decode(try ofItsCodes(distribution).draw(count, seed: seed))
  }

  /// A distribution, or where none is given the prior.
  /// - Throws: `CinchError.usage` where there is no prior, or the distribution is of other codes.
  private func ofItsCodes(_ given: CodeDistribution?) throws -> CodeDistribution {
    guard let distribution = given ?? prior else {
      throw CinchError.usage(
        "The codes of '\(recipe.name)' have no prior: fit a distribution to the codes of samples, or train a variational "
          + "autoencoder or ppca.")
    }
    guard distribution.units == network.codeShape.count else {
      throw CinchError.usage(
        "The distribution is of codes of \(distribution.units) units, but those of '\(recipe.name)' are "
          + "\(network.codeShape): fit one to the model's own codes.")
    }
    return distribution
  }

  /// N(0, I), where the model gives its code that prior, as variational autoencoders and `ppca` do; else nil.
  public var prior: CodeDistribution? {
    guard recipe.penalties.prior != nil || recipe.closedForm == .ppca else { return nil }
    return .standardNormal(units: network.codeShape.count)
  }

  /// Samples of a restricted Boltzmann machine: what the visible units of chains of Gibbs sampling are after so many steps,
  /// from hidden units that are 0 or 1 with equal chance. Means are given, of which the last step draws none.
  ///
  /// - Parameters:
  ///   - count: of chains.
  ///   - steps: how often visible and hidden units are drawn in turns; the more, the closer to the model's distribution.
  ///   - seed: the same gives the same chains.
  /// - Throws: `CinchError.usage` where the model is no Boltzmann machine, or a number is less than 1; `.unavailable` where
  ///   there is no room for the samples.
  public func gibbs(_ count: Int, steps: Int = 1000, seed: UInt64 = 0) throws -> Dataset {
    guard recipe.objective.chain != nil else {
      throw CinchError.usage("Gibbs sampling needs a Boltzmann machine, which '\(recipe.name)' is not: train rbm.")
    }
    guard (1...1_000_000).contains(count), (1...1_000_000).contains(steps) else {
      throw CinchError.usage("\(count) chains of \(steps) steps are not possible: choose 1 to 1000000 of each.")
    }
    let values = try withSession { try $0.gibbs(count, steps: steps, seed: seed) }
    return try Dataset(values: values, count: count, sampleShape: recipe.inputShape.sampleShape, name: "samples")
  }

  /// A mixture of normal distributions, fitted to the codes of samples: see `CodeDistribution.fitted`.
  /// - Throws: `CinchError.badData` where the features do not fit; as `CodeDistribution.fitted`.
  public func codeDistribution(of data: Dataset, components: Int = 1) throws -> CodeDistribution {
    try .fitted(
      to: try encode(try data.prefix(CodeDistribution.mostCodes)), components: components, seed: recipe.seed)
  }

  /// What is decoded on the straight line between the codes of two samples, these included.
  ///
  /// - Parameters:
  ///   - first: its first sample.
  ///   - last: its first sample.
  ///   - steps: how many samples come out.
  /// - Throws: `CinchError.usage` where there are fewer than two steps, `.badData` where the features do not fit.
  public func interpolate(from first: Dataset, to last: Dataset, steps: Int = 10) throws -> Dataset {
    guard (2...100_000).contains(steps) else {
      throw CinchError.usage("An interpolation of \(steps) steps is not possible: choose 2 to 100000.")
    }
    let (a, b) = (try encode(first.prefix(1)).sample(0), try encode(last.prefix(1)).sample(0))
    let values = (0..<steps).flatMap { step in
      let share = Float(step) / Float(steps - 1)
      return zip(a, b).map { $0 + share * ($1 - $0) }
    }
    return try decode(try Dataset(values: values, count: steps, sampleShape: [a.count], name: "interpolated codes"))
  }

  /// What is decoded on a square grid over a code of two units, from −2.5 to 2.5 standard deviations of a distribution about
  /// its mean: the first unit from left to right, the second from the bottom up.
  ///
  /// - Parameters:
  ///   - distribution: as of `sample`.
  ///   - side: samples in a row.
  /// - Throws: `CinchError.usage` where the code has not two units, there is no prior, or the distribution is of other codes.
  public func codeGrid(side: Int = 15, over distribution: CodeDistribution? = nil) throws -> Dataset {
    guard network.codeShape.count == 2 else {
      throw CinchError.usage(
        "A grid of codes needs a code of two units, not of \(network.codeShape): train with \(.layers, "…,2").")
    }
    let distribution = try ofItsCodes(distribution)
    guard (2...300).contains(side) else {
      throw CinchError.usage("A grid of \(side) codes a side is not possible: choose 2 to 300.")
    }
    let (mean, deviation) = distribution.moments
    let places = (0..<side).map { 5 * Double($0) / Double(side - 1) - 2.5 }
    let values = places.reversed().flatMap { y in
      places.flatMap { x in [Float(mean[0] + x * deviation[0]), Float(mean[1] + y * deviation[1])] }
    }
    return try decode(try Dataset(values: values, count: side * side, sampleShape: [2], name: "a grid of codes"))
  }
}
