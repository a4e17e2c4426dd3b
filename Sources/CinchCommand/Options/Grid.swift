import ArgumentParser
import Cinch

/// `lr=1e-3,3e-3`: a setting and its values, which are separated by commas, or where there is one by semicolons.
struct GridAxis: ExpressibleByArgument {
  let name: String
  let values: [String]

  init?(argument: String) {
    let parts = argument.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
    guard parts.count == 2, !parts[0].isEmpty else { return nil }
    name = parts[0].hasPrefix("--") ? String(parts[0].dropFirst(2)) : parts[0]
    let separator: Character = parts[1].contains(";") || name == "layers" ? ";" : ","
    values = parts[1].split(separator: separator, omittingEmptySubsequences: false).map { $0.trimmed }
  }
}

extension Substring {
  fileprivate var trimmed: String {
    var text = self
    while text.first == " " { text.removeFirst() }
    while text.last == " " { text.removeLast() }
    return String(text)
  }
}

/// Every combination of the values of some settings.
struct Grid {
  let axes: [GridAxis]

  /// Settings that are no options of a recipe's.
  static let ownNames = ["code", "epochs", "scale"]

  /// - Throws: `CinchError.usage` where a setting is unknown, given twice or has no values, or there are too many combinations.
  init(_ axes: [GridAxis]) throws {
    guard !axes.isEmpty else {
      throw CinchError.usage("There is no grid: give one or more, as in --grid lr=1e-3,3e-3 --grid code=16,32.")
    }
    let names = Self.ownNames + Self.optionNames
    for axis in axes {
      guard names.contains(axis.name) else {
        throw CinchError.usage(
          "--grid \(axis.name)=… names no setting\(Suggestion.text(for: axis.name, among: names)): use one of "
            + "\(names.joined(separator: ", ")).")
      }
      guard !axis.values.contains("") else {
        throw CinchError.usage(
          "--grid \(axis.name)=… has an empty value: separate values by commas, as in lr=1e-3,3e-3.")
      }
      guard Set(axis.values).count == axis.values.count else {
        throw CinchError.usage("--grid \(axis.name)=… has a value twice: give each once.")
      }
    }
    guard Set(axes.map(\.name)).count == axes.count else {
      throw CinchError.usage("A setting has two grids: give all of its values in one --grid.")
    }
    if axes.contains(where: { $0.name == "code" }),
      let other = axes.first(where: { ["layers", "components"].contains($0.name) })
    {
      throw CinchError.usage(
        "--grid code=… and --grid \(other.name)=… both say how wide the code is: put all of it in one of them.")
    }
    var count = 1
    for axis in axes {
      count *= axis.values.count
      guard count <= Sweep.most else {
        throw CinchError.usage(
          "The grid has more than \(Sweep.most) combinations: give fewer values, or train parts of it in sweeps of their own."
        )
      }
    }
    self.axes = axes
  }

  /// The first setting varies slowest.
  var combinations: [[Sweep.Entry.Setting]] {
    axes.reduce([[]]) { combinations, axis in
      combinations.flatMap { settings in axis.values.map { settings + [Sweep.Entry.Setting(axis.name, $0)] } }
    }
  }

  /// The options of a recipe, without hyphens.
  static var optionNames: [String] {
    ((try? RecipeOptions.parse([]).overrides) ?? []).map { String($0.name.dropFirst(2)) }
  }

  /// Options that are switched on or off.
  private static let switches: Set<String> = ["tied", "persistent"]

  /// What `cinch train` would be given for one run: a combination's settings, and what holds for every run.
  struct Combination {
    let settings: [Sweep.Entry.Setting]
    let options: RecipeOptions
    let scale: Scaling.Kind?
    private let epochs: Int?
    private let codeUnits: Int?

    /// - Parameters:
    ///   - settings: the combination's own.
    ///   - options: those of the recipe that hold for every run; none is in `settings`, too.
    ///   - epochs: of every run, where the combination says nothing.
    ///   - scale: likewise.
    /// - Throws: `CinchError.usage` where a value means nothing.
    init(
      _ settings: [Sweep.Entry.Setting], with options: RecipeOptions, epochs: Int?, scale: Scaling.Kind?
    ) throws {
      var (words, epochs, scale, codeUnits): ([String], Int?, Scaling.Kind?, Int?) = ([], epochs, scale, nil)
      for setting in settings {
        switch setting.name {
        case "code": codeUnits = try Grid.number(setting)
        case "epochs": epochs = try Grid.number(setting)
        case "scale":
          guard let kind = Scaling.Kind(rawValue: setting.value) else {
            throw CinchError.usage(
              "--grid scale=\(setting.value) is none of \(Scaling.Kind.allCases.map(\.rawValue).joined(separator: ", "))."
            )
          }
          scale = kind
        case let name where Grid.switches.contains(name):
          guard ["yes", "no"].contains(setting.value) else {
            throw CinchError.usage("--grid \(name)=\(setting.value) is neither yes nor no: give yes,no.")
          }
          words.append(setting.value == "yes" ? "--\(name)" : "--no-\(name)")
        default: words += ["--\(setting.name)", setting.value]
        }
      }
      let own: RecipeOptions
      do { own = try RecipeOptions.parse(words) } catch {
        throw CinchError.usage(
          "--grid has a value that its setting does not take (\(CinchCommand.joined(RecipeOptions.message(for: error)).lowercasedFirst)): "
            + "give others."
        )
      }
      self.settings = settings
      self.options = options.merging(own)
      self.epochs = epochs
      self.scale = scale
      self.codeUnits = codeUnits
    }

    /// The run as `cinch train` begins it.
    ///
    /// - Parameters:
    ///   - recipe: with its own settings, not fitted to the data.
    ///   - isFromFile: whether it was loaded.
    ///   - data: what it is to be trained on.
    ///   - isFirst: whether what holds for every run is told.
    /// - Throws: what `RecipeOptions.begin` does, and `CinchError.usage` where the recipe has no code to make wider.
    func entry(of recipe: Recipe, isFromFile: Bool, with data: Dataset, isFirst: Bool) throws -> Sweep.Entry {
      var recipe = recipe
      recipe.epochs = epochs ?? recipe.epochs
      var begun = try options.begin(recipe, isFromFile: isFromFile, with: data, scale: scale, tellsOfInput: isFirst)
      // The other layers keep the widths that they have on the data.
      if let codeUnits { begun.recipe = try begun.recipe.giving(codeUnits: codeUnits) }
      return Sweep.Entry(settings: settings, recipe: begun.recipe, scaling: begun.scale)
    }
  }

  private static func number(_ setting: Sweep.Entry.Setting) throws -> Int {
    guard let number = Int(setting.value), number > 0 else {
      throw CinchError.usage(
        "--grid \(setting.name)=\(setting.value) is no number of 1 or more: give whole numbers.")
    }
    return number
  }
}

extension String {
  /// The first line as a part of a sentence.
  fileprivate var lowercasedFirst: String {
    var text = split(separator: "\n").first.map(String.init) ?? self
    while text.last == "." { text.removeLast() }
    return text.prefix(1).lowercased() + text.dropFirst()
  }
}
