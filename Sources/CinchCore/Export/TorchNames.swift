import CinchBackend
import CinchData

/// An `nn.Sequential` of PyTorch's, and the parameters that its `load_state_dict` takes.
package struct TorchSequence: Sendable {
  /// As Python makes it: `nn.Sequential(nn.Linear(784, 32), nn.ReLU(), …)`.
  package let text: String
  /// `0.weight`, `0.bias`, `2.weight`, …
  package let parameters: [NamedParameter]
}

extension Recipe {
  /// A part of a model of this recipe as PyTorch has it. A classifier ends with logits, as `nn.CrossEntropyLoss` takes them.
  ///
  /// - Parameters:
  ///   - part: which.
  ///   - parameters: by their names in files.
  /// - Throws: `CinchError.usage` where a layer is no module of a sequence, `.badData` where parameters do not fit.
  package func torchSequence(_ part: ModelPart, parameters: [NamedParameter]) throws -> TorchSequence {
    let network = try resolved()
    let named = network.parameters.named(try network.parameters.arena(parameters))
    let modules = try network.layers[network.range(of: part)].flatMap { try $0.kind.modules(of: $0) }
    var renamed: [NamedParameter] = []
    for (index, module) in modules.enumerated() {
      guard let layer = module.layer else { continue }
      for var parameter in named where parameter.name.hasPrefix(layer + ".") {
        parameter.name = "\(index)\(parameter.name.dropFirst(layer.count))"
        renamed.append(parameter)
      }
    }
    let text = modules.map { "nn.\($0.text)" }.joined(separator: ", ")
    return TorchSequence(text: "nn.Sequential(\(text))", parameters: renamed)
  }

  /// A part of a model under Cinch's own names.
  ///
  /// - Throws: `CinchError.usage` where the part is none by itself, `.badData` where parameters do not fit.
  package func parameters(of part: ModelPart, _ parameters: [NamedParameter]) throws -> [NamedParameter] {
    let network = try resolved()
    let named = network.parameters.named(try network.parameters.arena(parameters))
    guard part != .all else { return named }
    let range = try network.range(of: part)
    return zip(network.parameters.uses, named).filter { range.contains($0.0.stage) }.map(\.1)
  }

  /// The parameters of a model of this recipe from those of a file: under Cinch's names, or under those of an
  /// `nn.Sequential` (`0.weight`, `2.bias`), or of two called `encoder` and `decoder`, in their order.
  ///
  /// What is no layer's, such as the variance that a loss learns, begins as a new model's where the file does not have it.
  ///
  /// - Parameters:
  ///   - parameters: as the file has them.
  ///   - path: the file.
  /// - Returns: all of the model's, and the names of those that begin anew.
  /// - Throws: `CinchError.badData` naming the first that does not fit.
  package func imported(
    _ parameters: [NamedParameter], from path: String
  ) throws -> (all: [NamedParameter], begun: [String]) {
    let network = try resolved()
    let (list, layers) = (network.parameters, network.layers.count)
    let own = list.uses.filter { $0.stage < layers }
    let (names, known) = (Set(parameters.map(\.name)), Set(list.uses.map(\.name)))
    var renamed = parameters
    if let missing = own.first(where: { !names.contains($0.name) }) {
      guard !names.isSubset(of: known) else {
        throw CinchError.badData(
          "'\(path)' has no '\(missing.name)', which a model of '\(name)' needs: import it with the recipe of its layers."
        )
      }
      renamed = try TorchNames.ordered(parameters, path)
      try match(&renamed, own, list, path)
    } else if let stranger = parameters.first(where: { !known.contains($0.name) }) {
      throw CinchError.badData(
        "'\(stranger.name)' in '\(path)' is no parameter of '\(name)': import it with the recipe of its layers.")
    }
    for use in own {
      guard let parameter = renamed.first(where: { $0.name == use.name }), parameter.shape != list.fileShape(use) else {
        continue
      }
      throw mismatch(parameter, use, list, path)
    }
    let given = Set(renamed.map(\.name))
    let begun = list.named(list.initialValues(seed: seed)).filter { !given.contains($0.name) }
    renamed += begun
    try requireTies(renamed, own, list, path)
    return (renamed, begun.map(\.name))
  }

  /// Gives the parameters of a sequence the names of layers', one after the other.
  private func match(
    _ parameters: inout [NamedParameter], _ own: [ParameterList.Use], _ list: ParameterList, _ path: String
  ) throws {
    for (index, use) in zip(parameters.indices, own) {
      let parameter = parameters[index]
      let (kind, wanted) = (parameter.name.split(separator: ".").last, use.name.split(separator: ".").last)
      guard kind == wanted, parameter.shape == list.fileShape(use) else {
        throw mismatch(parameter, use, list, path)
      }
      parameters[index].name = use.name
    }
    if parameters.count > own.count {
      throw CinchError.badData(
        "'\(parameters[own.count].name)' in '\(path)' has no counterpart in '\(name)', which has \(own.count) weights and "
          + "biases: import it with the recipe of its layers.")
    }
    if own.count > parameters.count {
      throw CinchError.badData(
        "'\(path)' ends after \(parameters.count) weights and biases, but '\(name)' has \(own[parameters.count].name) behind "
          + "them: import it with the recipe of its layers.")
    }
  }

  private func mismatch(
    _ parameter: NamedParameter, _ use: ParameterList.Use, _ list: ParameterList, _ path: String
  ) -> CinchError {
    .badData(
      "'\(parameter.name)' in '\(path)' is \(parameter.shape), but \(use.name) of '\(name)' is \(list.fileShape(use)): import it "
        + "with the recipe of its layers.")
  }

  /// - Throws: `CinchError.badData` where weights that the recipe ties differ.
  private func requireTies(
    _ parameters: [NamedParameter], _ own: [ParameterList.Use], _ list: ParameterList, _ path: String
  ) throws {
    guard own.contains(where: \.isShared) else { return }
    let tied = list.named(try list.arena(parameters))
    for use in own where use.isShared {
      guard let given = parameters.first(where: { $0.name == use.name }),
        let expected = tied.first(where: { $0.name == use.name }), given.values != expected.values
      else { continue }
      throw CinchError.badData(
        "The weight \(use.name) in '\(path)' is not that of the layer it mirrors, as '\(name)' ties them: import it with a "
          + "recipe that does not (\"tied\": false).")
    }
  }
}

/// Names of parameters in files of PyTorch's.
private enum TorchNames {
  /// The parameters of a sequence in the order of its modules, or those of an encoder and then those of a decoder.
  /// - Throws: `CinchError.badData` naming the first whose place is not known.
  static func ordered(_ parameters: [NamedParameter], _ path: String) throws -> [NamedParameter] {
    struct Place: Comparable {
      let part: Int
      let module: Int
      let kind: Int

      static func < (left: Place, right: Place) -> Bool {
        (left.part, left.module, left.kind) < (right.part, right.module, right.kind)
      }
    }
    var prefixes: Set<String> = []
    let places = try parameters.map { parameter -> Place in
      let words = parameter.name.split(separator: ".", omittingEmptySubsequences: false)
      guard words.count > 1, let module = Int(words[words.count - 2]), module >= 0,
        let kind = ["weight", "bias"].firstIndex(of: words[words.count - 1])
      else {
        throw CinchError.badData(
          "'\(parameter.name)' in '\(path)' is named neither as a run's weights and biases are (encoder.0.weight) nor as those of "
            + "an nn.Sequential (0.weight, 0.bias): save the state_dict of such a module.")
      }
      let prefix = words.dropLast(2)
      prefixes.insert(prefix.joined(separator: "."))
      return Place(part: prefix.last == "decoder" ? 1 : 0, module: module, kind: kind)
    }
    let ends = prefixes.map { $0.split(separator: ".").last.map(String.init) ?? "" }
    guard prefixes.count == 1 || prefixes.count == 2 && Set(ends) == ["encoder", "decoder"] else {
      throw CinchError.badData(
        "'\(path)' has parameters of \(prefixes.count) sequences (\(prefixes.sorted().joined(separator: ", "))), whose order "
          + "is not known: save the state_dict of one nn.Sequential, or call them encoder and decoder.")
    }
    return zip(places, parameters).sorted { $0.0 < $1.0 }.map(\.1)
  }
}
