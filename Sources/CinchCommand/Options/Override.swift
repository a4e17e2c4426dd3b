/// An option that replaces a setting: how a refusal names it, and what it does where it is given.
///
/// Each group of options declares its overrides in one list, in the order in which they apply. `--resume` refuses what
/// that list holds, so no option is applied to a new run and silently ignored there.
struct Override<Subject> {
  /// As it is typed: `--lr`.
  let name: String
  /// Nil where the option was not given.
  private let change: ((inout Subject) throws -> Void)?

  init<Value>(_ name: String, _ value: Value?, _ apply: @escaping (inout Subject, Value) throws -> Void) {
    self.name = name
    change = value.map { value in { try apply(&$0, value) } }
  }

  init<Value>(_ name: String, _ value: Value?, _ setting: WritableKeyPath<Subject, Value>) {
    self.init(name, value) { $0[keyPath: setting] = $1 }
  }

  init<Value>(_ name: String, _ value: Value?, _ setting: WritableKeyPath<Subject, Value?>) {
    self.init(name, value) { $0[keyPath: setting] = $1 }
  }

  var isGiven: Bool { change != nil }

  func apply(to subject: inout Subject) throws { try change?(&subject) }
}

extension Array {
  /// Replaces what the options that were given say.
  func apply<Subject>(to subject: inout Subject) throws where Element == Override<Subject> {
    for override in self { try override.apply(to: &subject) }
  }

  /// The names of the options that were given.
  func given<Subject>() -> [String] where Element == Override<Subject> { filter(\.isGiven).map(\.name) }
}
