import CinchCore
import CinchData
import Foundation
import Testing

/// How recipes are written and read.
@Suite struct RecipeCodingTests {
  private func decode(_ text: String) throws -> Recipe {
    try JSONCoding.decoder.decode(Recipe.self, from: Data(text.utf8))
  }

  @Test func aRecipeIsWrittenInItsParts() throws {
    var recipe = Recipe.undercomplete(layers: [8, 3])
    recipe.corruption = .masking(0.25)
    recipe.patience = 4
    let data = try JSONCoding.encoder.encode(recipe)
    let object = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
    #expect(Set(object.keys) == ["format", "name", "architecture", "objective", "training"])
    #expect(object["format"] as? Int == 2)
    func keys(_ part: String) -> Set<String> { Set(((object[part] as? [String: Any]) ?? [:]).keys) }
    #expect(keys("architecture") == ["kind", "constraint", "input", "encoder", "decoder", "tied"])
    #expect(keys("objective") == ["loss", "penalties", "corruption"])
    #expect(
      keys("training") == ["optimizer", "schedule", "batch_size", "epochs", "seed", "validation_split", "patience"])
    #expect(try JSONCoding.decoder.decode(Recipe.self, from: data) == recipe)
  }

  /// Short forms, and what a file leaves out, mean the same in both formats.
  @Test(arguments: [
    (
      #"{"layers": [20, 8, 3], "activation": "tanh", "output_activation": "linear", "loss": "mse", "epochs": 7}"#,
      #"""
      {"format": 2, "architecture": {"layers": [20, 8, 3], "activation": "tanh", "output_activation": "linear"},
       "objective": {"loss": "mse"}, "training": {"epochs": 7}}
      """#
    ),
    (
      #"""
      {"name": "mine", "input": 6, "tied": true, "encoder": [{"type": "dense", "units": 2, "activation": "relu"}],
       "corruption": {"kind": "masking", "level": 0.5}, "seed": 5, "gradient_clip": 2}
      """#,
      #"""
      {"format": 2, "name": "mine", "objective": {"corruption": {"kind": "masking", "level": 0.5}},
       "training": {"seed": 5, "gradient_clip": 2},
       "architecture": {"kind": "autoencoder", "input": 6, "tied": true,
                        "encoder": [{"type": "dense", "units": 2, "activation": "relu"}]}}
      """#
    ),
  ])
  func bothFormatsMeanTheSame(flat: String, parts: String) throws {
    let recipe = try decode(parts)
    #expect(try decode(flat) == recipe)
    try recipe.validate()
  }

  /// In a file without a format, as Cinch 0.1 wrote them, two names stand for constraints; in one with it they do not.
  @Test func namesAreOnlyNames() throws {
    let text = #"{"format": 2, "name": "undercomplete", "architecture": {"layers": [8, 8]}}"#
    #expect(try decode(text).autoencoder?.constraint == nil)
    #expect(try decode(#"{"name": "undercomplete", "layers": [8, 8]}"#).autoencoder?.constraint == .undercomplete)
  }

  @Test(arguments: [
    (#"{"format": 2, "architecture": {"layers": [8, 2]}, "epochs": 3}"#, "Unknown setting 'epochs' in the recipe"),
    (#"{"format": 2, "architecture": {"layers": [8, 2], "loss": "sse"}}"#, "Unknown setting 'loss' in an autoencoder"),
    (#"{"format": 2, "architecture": {"kind": "tree"}}"#, "'tree' is none of autoencoder"),
    (#"{"format": 2, "architecture": {"layers": [8, 2]}, "objective": {"x": 1}}"#, "setting 'x' in the objective"),
    (#"{"format": 2, "architecture": {"layers": [8, 2]}, "training": {"x": 1}}"#, "setting 'x' in training"),
    (#"{"layers": [8, 2], "kind": "autoencoder"}"#, "Unknown setting 'kind' in the recipe"),
    (#"{"format": 1, "layers": [8, 2]}"#, "Expected 2, or no format"),
    (#"{"format": "2", "layers": [8, 2]}"#, "Expected a whole number"),
  ])
  func whatAFormatDoesNotKnowIsRefused(text: String, words: String) {
    let error = #expect(throws: DecodingError.self) { try decode(text) }
    guard case .dataCorrupted(let context) = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(context.debugDescription.contains(words), "\(context.debugDescription)")
  }

  @Test func aFormatWithoutAnArchitectureIsRefused() {
    #expect(throws: DecodingError.self) { try decode(#"{"format": 2, "name": "mine"}"#) }
  }

  @Test func aLaterFormatNeedsANewerCinch() {
    let error = #expect(throws: CinchError.self) { try decode(#"{"format": 3, "topology": {}}"#) }
    guard case .badData(let message) = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(message.description.contains("format 3") && message.description.contains("use a newer Cinch"))
  }
}
