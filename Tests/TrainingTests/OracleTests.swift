import CinchBackend
import Foundation
import Testing

@testable import Cinch
@testable import CinchCore

/// What theory says a trained model must have become.
@Suite struct OracleTests {
  /// A linear autoencoder reaches PCA's error and spans its subspace (Baldi & Hornik 1989).
  @Test(arguments: [Device.cpu, .opencl()])
  func linearAutoencoderIsPCA(_ device: Device) async throws {
    let (samples, features, code) = (512, 20, 4)
    let data = try correlated(samples: samples, features: features)
    let principal = try PrincipalComponents(data, count: code)

    var recipe = Recipe.linear(layers: [features, code])
    recipe.batchSize = samples
    recipe.optimizer.learningRate = 0.02
    recipe.schedule = Schedule(.cosine)
    let trainer = try Trainer(recipe, on: device)
    for try await _ in trainer.fit(data, epochs: 1500) {}

    // sse is half the squared error.
    let error = try trainer.model.evaluate(data).reconstruction.perSample * 2
    #expect(error < principal.squaredError * 1.01)
    #expect(error > principal.squaredError * (1 - 1e-4), "nothing with a linear decoder beats PCA")

    // The decoder's columns span what the model can reproduce.
    let decoder = try #require(try trainer.model.parameters().first { $0.name == "decoder.0.weight" })
    let columns = (0..<code).map { unit in (0..<features).map { Double(decoder.values[$0 * code + unit]) } }
    #expect(principal.largestAngle(to: columns) < 2, "degrees")
  }

  /// Gaussian samples along random directions, each with less variance than the one before, off the origin.
  private func correlated(samples: Int, features: Int) throws -> Dataset {
    let philox = Philox(seed: 8, stream: .test)
    func normal(_ index: Int) -> Double {
      let words = philox.block(index: index, step: 0)
      return (-2 * log(Double(Philox.uniform(words.x)) + 1e-7)).squareRoot()
        * cos(2 * .pi * Double(Philox.uniform(words.y)))
    }
    let mixing = (0..<features * features).map { normal($0) / Double(features).squareRoot() }
    var values: [Float] = []
    for sample in 0..<samples {
      let factors = (0..<features).map { normal(1000 + sample * features + $0) * pow(0.75, Double($0)) }
      for row in 0..<features {
        values.append(Float(0.3 + (0..<features).reduce(0.0) { $0 + mixing[row * features + $1] * factors[$1] }))
      }
    }
    return try Dataset(values: values, count: samples, features: features, name: "correlated")
  }

  /// KL sparsity drives the code's mean activation to ρ.
  @Test(arguments: [(Device.cpu, UInt64(1)), (.opencl(), 42)])
  func sparsityReachesRho(_ device: Device, seed: UInt64) async throws {
    let images = try Images.fashionMNIST()
    var recipe = Recipe.sparse(layers: [784, 196], rho: 0.05, beta: 3)
    recipe.seed = seed
    let trainer = try Trainer(recipe, on: device)
    for try await _ in trainer.fit(images, epochs: 20) {}
    let activation = try trainer.model.evaluate(images.prefix(10_000)).meanActivation
    #expect(abs(activation - 0.05) <= 0.2 * 0.05, "ρ̂ is \(activation)")
  }

  /// A masking autoencoder fills in what is missing better than leaving it missing, and better than one that
  /// never saw corruption.
  @Test func denoisingDenoises() async throws {
    let images = try Images.fashionMNIST()
    func restored(_ recipe: Recipe) async throws -> Double {
      let trainer = try Trainer(recipe, on: .opencl())
      for try await _ in trainer.fit(try images.prefix(10_000), epochs: 3) {}
      let clean = try images.subset(10_000..<10_500)
      let corrupted = try Autoencoder(.denoising(layers: [784, 8], corruption: .masking(0.3)), on: .reference)
        .corrupt(clean, step: 7)
      let output = try trainer.model.reconstruct(corrupted)
      return zip(output.values, clean.values).reduce(0.0) { $0 + Double(($1.0 - $1.1) * ($1.0 - $1.1)) }
    }
    let denoiser = try await restored(.denoising(layers: [784, 256], corruption: .masking(0.3)))
    var plain = Recipe.denoising(layers: [784, 256])
    plain.corruption = nil
    let copier = try await restored(plain)
    #expect(denoiser < 0.95 * copier, "\(denoiser) against \(copier)")
  }

  /// The contractive penalty makes ‖∂h/∂x‖² smaller than training without it does.
  @Test func contractionContracts() async throws {
    let images = try Images.fashionMNIST().prefix(5_000)
    func jacobian(_ contraction: Double) async throws -> Double {
      let trainer = try Trainer(.contractive(layers: [784, 64], contraction: contraction), on: .cpu)
      for try await _ in trainer.fit(images, epochs: 4) {}
      let weight = try #require(try trainer.model.parameters().first { $0.name == "encoder.0.weight" }).values
      let codes = try trainer.model.encode(images.prefix(200)).values
      let norms = (0..<64).map { unit in weight[unit * 784..<(unit + 1) * 784].reduce(0) { $0 + $1 * $1 } }
      return codes.enumerated().reduce(0.0) { sum, code in
        let slope = code.element * (1 - code.element)
        return sum + Double(slope * slope * norms[code.offset % 64])
      }
    }
    let (with, without) = (try await jacobian(1), try await jacobian(1e-9))
    #expect(with < 0.5 * without, "\(with) against \(without)")
  }
}

/// PCA by orthogonal iteration in Double.
struct PrincipalComponents {
  /// Orthonormal, strongest first.
  private(set) var directions: [[Double]] = []
  /// The mean squared distance of a sample from its projection.
  private(set) var squaredError = 0.0

  init(_ data: Dataset, count: Int) throws {
    let d = data.features
    var mean = [Double](repeating: 0, count: d)
    for (index, value) in data.values.enumerated() { mean[index % d] += Double(value) / Double(data.count) }
    var covariance = [Double](repeating: 0, count: d * d)
    for sample in 0..<data.count {
      let row = try data.sample(sample).enumerated().map { Double($0.element) - mean[$0.offset] }
      for i in 0..<d { for j in 0..<d { covariance[i * d + j] += row[i] * row[j] / Double(data.count) } }
    }
    directions = (0..<count).map { k in (0..<d).map { sin(Double(1 + k) * Double($0 + 1)) } }
    for _ in 0..<2000 {
      directions = Self.orthonormal(
        directions.map { v in (0..<d).map { i in (0..<d).reduce(0) { $0 + covariance[i * d + $1] * v[$1] } } })
    }
    let total = (0..<d).reduce(0) { $0 + covariance[$1 * d + $1] }
    let kept = directions.reduce(0.0) { sum, v in
      sum + (0..<d).reduce(0) { s, i in s + v[i] * (0..<d).reduce(0) { $0 + covariance[i * d + $1] * v[$1] } }
    }
    squaredError = total - kept
  }

  static func orthonormal(_ vectors: [[Double]]) -> [[Double]] {
    var basis: [[Double]] = []
    for vector in vectors {
      var v = vector
      for _ in 0..<2 {
        for b in basis {
          let dot = zip(v, b).reduce(0) { $0 + $1.0 * $1.1 }
          for i in v.indices { v[i] -= dot * b[i] }
        }
      }
      let norm = v.reduce(0) { $0 + $1 * $1 }.squareRoot()
      basis.append(v.map { $0 / norm })
    }
    return basis
  }

  /// The largest principal angle between the subspaces, in degrees: the largest distance of a unit vector of
  /// theirs from ours is its sine.
  func largestAngle(to vectors: [[Double]]) -> Double {
    let theirs = Self.orthonormal(vectors)
    // The residual (I − PPᵀ)Q; the root of the largest eigenvalue of its Gram matrix is the sine.
    let residual = theirs.map { q in
      directions.reduce(q) { r, p in
        let dot = zip(q, p).reduce(0) { $0 + $1.0 * $1.1 }
        return zip(r, p).map { $0 - dot * $1 }
      }
    }
    let gram = residual.map { a in residual.map { b in zip(a, b).reduce(0) { $0 + $1.0 * $1.1 } } }
    var v = [Double](repeating: 1, count: gram.count)
    var eigenvalue = 0.0
    for _ in 0..<500 {
      let w = gram.map { row in zip(row, v).reduce(0) { $0 + $1.0 * $1.1 } }
      eigenvalue = w.reduce(0) { $0 + $1 * $1 }.squareRoot()
      guard eigenvalue > 0 else { return 0 }
      v = w.map { $0 / eigenvalue }
    }
    return asin(min(1, eigenvalue.squareRoot())) * 180 / .pi
  }
}
