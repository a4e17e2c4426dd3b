import TestSupport

/// What the sources declare: the ops of the protocols, their defaults, and what each backend has of its own.
struct OpSources {
  /// An op as a protocol requires it.
  struct Requirement: Hashable {
    /// The name of its file: `Matmul`.
    let family: String
    let function: Function
  }

  /// The throwing requirements, file by file. What does not throw asks for a number.
  let ops: [Requirement]
  /// The functions that extensions of the protocols give to every backend.
  let defaults: [Function]

  /// Awaits ops and is none itself; the case of `read` is about it.
  private static let wait = "synchronize"

  init() throws {
    let folder = "Sources/CinchBackend/Ops"
    var ops: [Requirement] = [], defaults: [Function] = []
    for file in try Repository.files(folder) {
      let source = Source(try Repository.text("\(folder)/\(file)"))
      for body in source.bodies(of: /protocol +\w+Ops\b/) {
        let functions = body.functions.filter { $0.isThrowing && $0.name != Self.wait }
        ops += functions.map { Requirement(family: String(file.dropLast(6)), function: $0) }
      }
      for body in source.bodies(of: /extension +(\w+Ops|Backend)\b/) { defaults += body.functions }
    }
    self.ops = ops
    self.defaults = defaults
  }

  /// The signatures of the functions in a backend's folder.
  static func signatures(in folder: String) throws -> Set<String> {
    var found: Set<String> = []
    for file in try Repository.files(folder) where file.hasSuffix(".swift") {
      found.formUnion(Source(try Repository.text("\(folder)/\(file)")).functions.map(\.signature))
    }
    return found
  }

  /// The ops that an op's default calls; nil where it has none.
  func made(of function: Function) -> [String]? {
    let names = Set(ops.map(\.function.name))
    guard let body = defaults.first(where: { $0.signature == function.signature })?.body else { return nil }
    return body.matches(of: /(\w+)\(/).map { String($0.1) }.filter(names.contains)
  }
}

/// A function by its name and argument labels.
struct Function: Hashable {
  let name: String
  let labels: [String]
  let isThrowing: Bool
  let body: String

  var signature: String { "\(name)(\(labels.map { $0 + ":" }.joined()))" }
}

/// Swift source without its comments: enough of a parser for declarations.
private struct Source {
  private let text: Substring

  init(_ text: String) {
    let lines = text.split(separator: "\n").map { $0.prefix(upTo: $0.firstRange(of: "//")?.lowerBound ?? $0.endIndex) }
    self.text = lines.joined(separator: "\n")[...]
  }

  private init(part: Substring) { text = part }

  /// What stands between the braces of every declaration that begins so.
  func bodies(of declaration: some RegexComponent) -> [Source] {
    text.matches(of: declaration).compactMap { match in
      text[match.range.upperBound...].firstIndex(of: "{").map { Source(part: inside(from: $0)) }
    }
  }

  var functions: [Function] {
    text.matches(of: /func +(\w+)(<[^(]*>)?\(/).map { match in
      let parameters = inside(from: text.index(before: match.range.upperBound))
      let rest = text[parameters.endIndex...].dropFirst()
      // Up to what is declared next.
      let head = rest.prefix(upTo: rest.firstMatch(of: /[{}]|\b(func|var)\b/)?.range.lowerBound ?? rest.endIndex)
      let hasBody = rest[head.endIndex...].first == "{"
      return Function(
        name: String(match.1), labels: Self.labels(parameters), isThrowing: head.contains(/\bthrows\b/),
        body: hasBody ? String(inside(from: head.endIndex)) : "")
    }
  }

  /// What the bracket at `start` encloses.
  private func inside(from start: Substring.Index) -> Substring {
    var depth = 0
    for index in text[start...].indices {
      if "([{".contains(text[index]) { depth += 1 }
      if ")]}".contains(text[index]) { depth -= 1 }
      if depth == 0 { return text[text.index(after: start)..<index] }
    }
    return text[start...].dropFirst()
  }

  private static func labels(_ parameters: Substring) -> [String] {
    var depth = 0
    var parts = [""]
    for character in parameters {
      if "([<".contains(character) { depth += 1 }
      if ")]>".contains(character) { depth -= 1 }
      if character == ",", depth == 0 { parts.append("") } else { parts[parts.count - 1].append(character) }
    }
    return parts.compactMap { $0.split(whereSeparator: { $0.isWhitespace || $0 == ":" }).first.map(String.init) }
  }
}
