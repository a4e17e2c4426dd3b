import CinchBackend
import Testing

@testable import Cinch
@testable import CinchCore
@testable import CinchData

/// Tables with missing cells, completed.
@Suite struct ImputationTests {
  /// A category, a binary text and a number that follow from each other, and one that follows from nothing.
  private static func table(count: Int, missing: Double, seed: UInt64 = 1) throws -> (whole: Dataset, holed: Dataset) {
    let philox = Philox(seed: seed, stream: .test)
    var values: [Float] = []
    for row in 0..<count {
      let kind = Int(philox.word(element: row, step: 0) % 4)
      values += (0..<4).map { $0 == kind ? 1 : 0 }
      values += [kind < 2 ? 1 : 0, Float(10 * kind + 3), Philox.uniform(philox.word(element: row, step: 1))]
    }
    var whole = try Dataset(values: values, count: count, features: 7, name: "kinds")
    whole.schema = TableSchema(columns: [
      TableColumn(name: "kind", kind: .category(["a", "b", "c", "d"])),
      TableColumn(name: "low", kind: .binary(["n", "y"])),
      TableColumn(name: "size", kind: .number), TableColumn(name: "noise", kind: .number),
    ])
    let threshold = Philox.threshold(missing)
    let holed = try whole.hiding(whole.columns) { row, column in
      // Something of what belongs together is always there.
      column == Int(philox.word(element: row, step: 2) % 4)
        && UInt64(philox.word(element: row, step: 3)) < threshold
    }
    return (whole, holed)
  }

  private func trained(_ data: Dataset, on device: Device = .cpu) throws -> (Autoencoder, Dataset, Scaling) {
    let scaling = try Scaling.fit(.standard, to: data)
    let scaled = try scaling.apply(to: data)
    var recipe = Recipe.imputation(features: 7, columns: data.columns)
    recipe.epochs = 150
    recipe.batchSize = 32
    let trainer = try Trainer(recipe, on: device)
    try trainer.prepare(scaled, validation: nil)
    while case .finished = try trainer.trainEpoch(epochs: recipe.epochs) {}
    return (trainer.model, scaled, scaling)
  }

  /// What follows from other columns is found, and what is there stays, to the last bit.
  @Test func whatFollowsIsFound() throws {
    let (whole, holed) = try Self.table(count: 400, missing: 0.6)
    #expect(holed.missingCells > 150)
    let (model, scaled, scaling) = try trained(holed)
    let completed = try model.impute(scaled)
    #expect(completed.observed == nil && completed.missingCells == 0)
    let observed = try #require(holed.observed).values
    let raw = try scaling.invert(completed.values)
    for row in 0..<400 {
      for feature in 0..<7 {
        let place = row * 7 + feature
        if observed[place] != 0 {
          #expect(completed.values[place] == scaled.values[place])
        } else if feature < 5 {
          #expect(completed.values[place] == whole.values[place], "row \(row), feature \(feature)")
        } else if feature == 5 {
          #expect(abs(raw[place] - whole.values[place]) < 3, "row \(row): \(raw[place]), \(whole.values[place])")
        }
      }
    }
  }

  /// A row's imputation depends on nothing but the row.
  @Test(arguments: [Device.reference, .cpu, .opencl(family: .cpu), .opencl(family: .gpu)])
  func theOtherRowsDoNotMatter(_ device: Device) throws {
    let (_, holed) = try Self.table(count: 150, missing: 0.9)
    let scaled = try Scaling.fit(.standard, to: holed).apply(to: holed)
    let model = try Autoencoder(.imputation(features: 7, columns: holed.columns), on: device)
    let whole = try model.impute(scaled).values
    let draws = try model.impute(scaled, draws: 3, seed: 4)
    #expect(draws[0].values != draws[1].values && draws[1].values != draws[2].values)
    #expect(try model.impute(scaled, draws: 2, seed: 4)[1].values == draws[1].values)
    #expect(try model.impute(scaled, draws: 1, seed: 5)[0].values != draws[0].values)
    for order in [[149], [3, 77, 140, 3], Array((0..<150).reversed())] {
      let part = scaled.gather(order[...])
      let (some, drawn) = (try model.impute(part).values, try model.impute(part, draws: 2, seed: 4)[1].values)
      for (place, row) in order.enumerated() {
        #expect(some[place * 7..<place * 7 + 7] == whole[row * 7..<row * 7 + 7])
        #expect(drawn[place * 7..<place * 7 + 7] == draws[1].values[row * 7..<row * 7 + 7])
      }
    }
  }

  @Test func rubinsRules() throws {
    var data = try Dataset(missing: [1, .nan, 3, 5, .nan, 6], count: 3, features: 2, columnNames: ["a", "b"])
    data.schema = nil
    func completed(_ a: Float, _ b: Float) throws -> Dataset { try data.completed(with: [1, b, 3, 5, a, 6]) }
    let estimates = try RubinEstimate.of([completed(2, 4), completed(5, 4)], data: data)
    #expect(estimates.map(\.name) == ["a", "b"] && estimates.map(\.missing) == [1, 1])
    // 1, 3, 2: mean 2, s² 1; 1, 3, 5: mean 3, s² 4.
    #expect(estimates[0].mean == 2.5)
    #expect(abs(estimates[0].within - 2.5 / 3) < 1e-12 && abs(estimates[0].between - 0.5) < 1e-12)
    #expect(abs(estimates[0].total - (2.5 / 3 + 1.5 * 0.5)) < 1e-12)
    #expect(abs(estimates[0].fractionMissing - 0.75 / (2.5 / 3 + 0.75)) < 1e-12)
    #expect(estimates[1].between == 0 && estimates[1].total == estimates[1].within)
    #expect(try RubinEstimate.of([completed(2, 4)], data: data)[0].between == 0)
    #expect(throws: CinchError.self) { try RubinEstimate.of([], data: data) }
    let spread = try ImputationSpread([completed(2, 4), completed(5, 4)])
    #expect(spread.variance(4..<5, of: .number) == 4.5 && spread.variance(1..<2, of: .number) == 0)
    #expect(spread.variance(6..<7, of: .number) == nil && spread.variance(4..<5, of: .category(3)) == nil)
  }

  /// Large numbers that differ by little, and columns of two texts and of more.
  @Test func spreadsAreOfTheColumnsKind() throws {
    let numbers: [Float] = [16_777_216, 16_777_218, 16_777_220, 16_777_218]
    let draws = try numbers.enumerated().map { draw, number in
      let texts: [Float] = draw == 0 ? [1, 1, 0, 0] : draw < 3 ? [0, 1, 0, 0] : [0, 0, 0, 1]
      return try Dataset(values: [number] + texts, count: 1, features: 5)
    }
    let spread = try ImputationSpread(draws)
    #expect(spread.variance(0..<1, of: .number) == Float(8.0 / 3))
    #expect(spread.variance(1..<2, of: .binary) == 0.25 && spread.variance(2..<3, of: .binary) == 0.25)
    #expect(spread.variance(2..<5, of: .category(3)) == 0.25)
    let same = try ImputationSpread(Array(repeating: draws[0], count: 7))
    #expect(same.variance(0..<1, of: .number) == 0 && same.variance(2..<5, of: .category(3)) == 0)
  }

  /// Numbers by hand.
  @Test func baselinesAreWhatTheySay() throws {
    let numbers = try Dataset(missing: [1, 1, 2, 2, .nan, 9, 9, .nan, 4, 4, 8, 8], count: 6, features: 2)
    let baselines = ImputationBaselines(numbers, [.number, .number])
    #expect(baselines.means()[4] == 24 / 5 && baselines.means()[7] == 24 / 5)
    #expect(baselines.medians()[4] == 4 && baselines.medians()[7] == 4)
    // The row of 9 has the neighbours 8, 4, 2 and 1, for one does not have the column; all others have fewer than five.
    #expect(baselines.neighbours(seed: 1)[4] == 3.75)
    // One component goes through them all.
    let line = (0..<20).flatMap { row -> [Float] in [Float(row), row == 7 ? .nan : 2 * Float(row) + 1] }
    let fitted = try ImputationBaselines(
      Dataset(missing: line, count: 20, features: 2), [.number, .number]
    ).principalComponents(seed: 1)
    #expect(abs(fitted[15] - 15) < 0.1)

    let (whole, holed) = try Self.table(count: 300, missing: 0.6)
    let texts = ImputationBaselines(holed, whole.columns)
    let completed = try holed.completed(with: texts.neighbours(seed: 1), columns: whole.columns)
    let observed = try #require(holed.observed).values
    let right = try (0..<300).filter { observed[$0 * 7] == 0 }.count {
      try completed.sample($0)[..<4] == whole.sample($0)[..<4]
    }
    #expect(right > 10)
    let modes = try holed.completed(with: texts.means(), columns: whole.columns)
    let first = try #require((0..<300).first { observed[$0 * 7] == 0 })
    #expect(try modes.sample(first).prefix(4).reduce(0, +) == 1)
  }

  @Test func comparisonsHideWhatIsKnown() throws {
    let (_, holed) = try Self.table(count: 300, missing: 0.2)
    var recipe = Recipe.imputation(of: holed)
    recipe.epochs = 60
    recipe.batchSize = 32
    let comparison = try ImputationComparison(holed, hiding: 0.2, recipe: recipe, seed: 3, on: .cpu)
    let known = 300 * 4 - holed.missingCells
    #expect(abs(comparison.hidden - known / 5) < known / 20)
    #expect(comparison.columns == ["kind", "low", "size", "noise"])
    let scores = Dictionary(uniqueKeysWithValues: comparison.scores.map { ($0.method, $0) })
    let model = try #require(scores[.autoencoder]), mean = try #require(scores[.mean])
    #expect(try #require(model.accuracy) > 0.75 && #require(mean.accuracy) < 0.6)
    #expect(try #require(model.rmse) < 0.8 * #require(mean.rmse))
    // Nothing is known of noise.
    #expect(try #require(model.columns[3]) > 0.2)
    let again = try ImputationComparison(holed, hiding: 0.2, recipe: recipe, seed: 3, on: .cpu)
    #expect(again.scores == comparison.scores)
    #expect(throws: CinchError.interrupted) {
      try ImputationComparison(holed, hiding: 0.2, recipe: recipe, on: .cpu) { _ in false }
    }
    // Where an epoch has one update, too.
    recipe.batchSize = 512
    var asked = 0
    #expect(throws: CinchError.interrupted) {
      try ImputationComparison(holed, hiding: 0.2, recipe: recipe, on: .cpu) { _ in
        asked += 1
        return false
      }
    }
    #expect(asked == 1)
    for share in [0, 1, -1, Double.nan] {
      #expect(throws: CinchError.self) { try ImputationComparison(holed, hiding: share, recipe: recipe, on: .cpu) }
    }
  }

  /// More weight decay would leave nothing of a table of few rows but the means of its columns.
  @Test func verySmallTablesAreLearned() throws {
    let line = try Dataset(values: (0..<31).flatMap { [Float($0), Float(2 * $0)] }, count: 31, features: 2)
    #expect(Recipe.imputation(of: line).penalties.weightDecay == 0.1)
    let (_, larger) = try Self.table(count: 400, missing: 0.2)
    #expect(Recipe.imputation(of: larger).penalties.weightDecay == 0.025)
    let comparison = try ImputationComparison(line, hiding: 0.2, on: .cpu)
    let scores = Dictionary(uniqueKeysWithValues: comparison.scores.map { ($0.method, $0) })
    let model = try #require(scores[.autoencoder]?.rmse), mean = try #require(scores[.mean]?.rmse)
    #expect(model < 0.85 * mean)
  }

  @Test func whatCannotBeIsRefused() throws {
    let (_, holed) = try Self.table(count: 20, missing: 0.5)
    let deep = try Autoencoder(.deep(layers: [7, 3]), on: .cpu)
    #expect(throws: CinchError.self) { try deep.impute(holed, draws: 2) }
    let model = try Autoencoder(.imputation(features: 7, columns: holed.columns), on: .cpu)
    for draws in [0, -1, 1001] { #expect(throws: CinchError.self) { try model.impute(holed, draws: draws) } }
    for recipe in [Recipe.classifier(layers: [7, 3]), .conv(image: ImageShape(channels: 1, height: 8, width: 8))] {
      let other = try Autoencoder(recipe, on: .cpu)
      #expect(throws: CinchError.self) { try other.impute(holed) }
    }
    let images = try Dataset(values: [Float](repeating: 0, count: 64), count: 1, sampleShape: [8, 8])
    #expect(throws: CinchError.self) { try ImputationComparison(images, hiding: 0.2, on: .cpu) }
  }
}
