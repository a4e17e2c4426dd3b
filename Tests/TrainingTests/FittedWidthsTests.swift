import Cinch
import CinchData
import Testing

@testable import CinchCore

/// Widths of named recipes on data of any width.
@Suite struct FittedWidthsTests {
  private static let inputs = [1, 2, 3, 8, 20, 300, 783, 785, 1000, 5000]
  private static var dense: [Recipe] { Recipe.all.filter { !$0.isOfImages && $0.classifier == nil } }
  /// Meant to be wider than the input, or as wide as they like.
  private static let wide: Set<String> = ["overcomplete", "denoising", "imputation"]

  @Test(arguments: inputs) func everyRecipeFits(_ input: Int) throws {
    // One feature has no variance beside its component's.
    for recipe in Self.dense where recipe.name != "ppca" || input > 1 {
      let fitted = recipe.fitted(to: input)
      let network = try fitted.resolved()
      #expect(network.input.count == input && network.widths.last == input, "\(recipe.name)")
      #expect(fitted.encoder.count == recipe.encoder.count && fitted.name == recipe.name)
      #expect(network.widths.allSatisfy { $0 >= 1 })
      if recipe.name == "overcomplete" {
        #expect(network.codeUnits > input)
      } else if !Self.wide.contains(recipe.name) {
        #expect(network.codeUnits < max(input, 2), "\(recipe.name): \(network.widths)")
        #expect(!fitted.mayCopyItsInput || input == 1, "\(recipe.name)")
      }
      // One feature cannot be compressed, and the recipe that insists on it says so.
      let isRefused = input == 1 && recipe.autoencoder?.constraint == .undercomplete
      // Its columns are the data's.
      if !isRefused, recipe.name != "imputation" { try fitted.validate() }
    }
  }

  @Test func widthsFollowTheirRule() throws {
    func widths(_ recipe: Recipe, _ input: Int) throws -> [Int] {
      try recipe.fitted(to: input).resolved().widths
    }
    #expect(try widths(.deep(), 784) == [784, 128, 32, 128, 784])
    #expect(try widths(.deep(), 5000) == [5000, 128, 32, 128, 5000])
    #expect(try widths(.deep(), 300) == [300, 128, 32, 128, 300])
    #expect(try widths(.deep(), 20) == [20, 10, 5, 10, 20])
    #expect(try widths(.deep(), 8) == [8, 4, 2, 4, 8])
    #expect(try widths(.deep(), 3) == [3, 2, 1, 2, 3])
    #expect(try widths(.linear(), 20) == [20, 10, 20])
    #expect(try widths(.sparse(), 300) == [300, 150, 300])
    // The first layer spreads out, as in the source; the rest narrows.
    #expect(try widths(.hinton(), 783).prefix(5) == [783, 999, 500, 250, 30])
    #expect(try widths(.hinton(), 20).prefix(5) == [20, 26, 13, 7, 4])
    #expect(try widths(.overcomplete(), 5000) == [5000, 6531, 5000])
    #expect(try widths(.overcomplete(), 3) == [3, 4, 3])
    #expect(try widths(.denoising(), 20) == [20, 26, 20])
    #expect(try widths(.imputation(), 20).prefix(4) == [20, 27, 34, 41])
    #expect(try widths(.rbm(), 20).prefix(2) == [20, 13])
    // Twice as many numbers as units before the code is drawn.
    #expect(try widths(.vae(), 8) == [8, 4, 4, 2, 4, 8])
    #expect(Recipe.classifier().fitted(to: 20) == Recipe.classifier().adopting(features: 20))
    #expect(Recipe.deep().fitted(to: 784) == Recipe.deep())
  }

  @Test(arguments: [1 << 60, 1 << 60 + 1, Int.max - 3, .max]) func noDeviceHoldsSoManyFeatures(_ input: Int) {
    for recipe in Self.dense {
      #expect(throws: CinchError.self, "\(recipe.name)") { try recipe.fitted(to: input).validate() }
    }
  }

  @Test(arguments: [-1, Int.min, 1 << 40, Int.max - 3, .max]) func noTableHasSoManyNumbers(_ features: Int) {
    let recipe = Recipe.imputation(features: features)
    #expect(throws: CinchError.self) { try recipe.validate() }
    #expect(throws: CinchError.self) { try recipe.fitted(to: 20).validate() }
  }

  @Test func whatCanCopyItsInputIsKnown() {
    #expect(Recipe.linear(layers: [8, 8]).mayCopyItsInput && Recipe.deep(layers: [8, 16, 9]).mayCopyItsInput)
    for recipe in [
      Recipe.linear(layers: [8, 7]), .sparse(layers: [8, 16]), .sparseL1(layers: [8, 16]), .denoising(layers: [8, 16]),
      .contractive(layers: [8, 16]), .overcomplete(layers: [8, 16]), .vae(layers: [8, 16, 8]), .rbm(layers: [8, 16]),
      .conv(), .classifier(layers: [8, 16]),
    ] {
      #expect(!recipe.mayCopyItsInput, "\(recipe.name)")
    }
  }

  /// Whatever penalty there is: what it says of itself decides.
  @Test func aPenaltyOnALayerKeepsFromCopying() {
    for penalties in [
      Penalties(weightDecay: 1), Penalties(kl: KLSettings(rho: 0.1, beta: 1)), Penalties(l1: 1),
      Penalties(contraction: 1),
      Penalties(prior: PriorSettings()),
    ] {
      var recipe = Recipe.linear(layers: [8, 8])
      recipe.penalties = penalties
      let isOnLayer = penalties.active.contains { !$0.sites(encoderCount: 1).isEmpty }
      #expect(isOnLayer == (penalties.weightDecay == 0))
      #expect(recipe.mayCopyItsInput == !isOnLayer, "\(penalties.names)")
    }
  }
}
