import ArgumentParser
import Cinch

struct RecipesCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "recipes", abstract: "Lists the recipes with their defaults.",
    discussion: """
      With --json, prints a recipe as a file to change and pass to 'cinch train --recipe'; without a name, all of \
      them in one array.
      """)

  @Argument(help: ArgumentHelp("One recipe alone.", valueName: "recipe"))
  var name: String?

  @Flag(help: "Prints recipes as JSON.")
  var json = false

  func run() throws {
    let named = try name.map { try Recipe.named($0) }
    if json {
      return try Output.result(try named.map { try JSONCoding.document($0) } ?? JSONCoding.document(Recipe.all))
    }
    let texts = try (named.map { [$0] } ?? Recipe.all).map { recipe in
      var facts = Facts()
      facts.add(recipe.name, "\(try recipe.layersText()) \(recipe.activationsText)")
      facts.add("", recipe.objectiveText + (recipe.corruptionText.map { ", corruption \($0)" } ?? ""))
      facts.add("", recipe.trainingText)
      return facts.text(width: 15)
    }
    try Output.result(texts.joined(separator: "\n"))
  }
}
