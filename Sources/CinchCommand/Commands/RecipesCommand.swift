import ArgumentParser
import Cinch

struct RecipesCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "recipes", abstract: "Lists the recipes with their defaults.",
    discussion: """
      A stack of them is trained layer by layer with 'cinch pretrain'. With --json, prints a recipe as a file to change and pass to 'cinch train --recipe'; without a name, all of \
      them in one array.
      """)

  @Argument(
    help: ArgumentHelp("One recipe alone.", valueName: "recipe"),
    completion: .list(Recipe.all.map(\.name)))
  var name: String?

  @Flag(help: "Prints recipes as JSON.")
  var json = false

  func run() throws {
    let named = try name.map { try Recipe.named($0) }
    if json {
      return try Output.result(try named.map { try JSONCoding.document($0) } ?? JSONCoding.document(Recipe.all))
    }
    if let named { return try Output.result(try text(named)) }
    let kinds = try Recipe.byKind.map { kind, recipes in
      try ([kind.capitalisedFirst] + recipes.map { try text($0) }).joined(separator: "\n")
    }
    try Output.result(kinds.joined(separator: "\n\n"))
  }

  private func text(_ recipe: Recipe) throws -> String {
    var facts = Facts()
    facts.add(recipe.name, "\(try recipe.layersText()) \(recipe.activationsText)")
    facts.add("", recipe.objectiveText + (recipe.corruptionText.map { ", corruption \($0)" } ?? ""))
    facts.add("", recipe.trainingText)
    return facts.text(width: 15)
  }
}

extension String {
  fileprivate var capitalisedFirst: String { prefix(1).uppercased() + dropFirst() }
}
