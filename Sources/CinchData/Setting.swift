extension CinchError {
  /// What a user can set, by its name in Swift. Errors name settings, and whoever shows an error words them: the program
  /// `cinch` as its options.
  public enum Setting: String, Sendable, Hashable, CaseIterable {
    case layers, activation, codeActivation, outputActivation, loss, sigma, learningRate, momentum, historySize,
      warmUpEpochs,
      gradientClip,
      batchSize, epochs
    case weightDecay, rho, beta, sparsityMomentum, betaWarmUp, chainSteps, l1, contraction, corruption,
      corruptionLevel,
      validationSplit, patience, frozenLayers
    /// The units of a closed form's code: the last number in `layers`.
    case components
    /// Where the samples come from, and those that are held out.
    case data, validation
    case scaling, zcaEpsilon, imageShape, layout, array, header, labelColumn, labels, columns, drop, idColumn,
      categories,
      missing, rare, patches,
      patchCount, resize, crop, colour
    /// Whether a file that is there is replaced.
    case overwriting
    /// How many scores lie above a threshold: shares of the samples at hand, or of the training samples.
    case contamination, falseAlarms
    /// Going on with the run in a folder, its value.
    case resume
    /// Whether a run may go on with other data than it was started with.
    case changedData
    /// The named recipes, and the devices of this machine.
    case recipes = "JSONCoding"
    case devices = "DeviceList"
    /// What makes a run.
    case training
  }

  /// A sentence that may name settings.
  ///
  /// ```swift
  /// throw CinchError.usage("\(.batchSize) must lie between 1 and \(most), not \(batchSize).")
  /// ```
  public struct Message: Sendable, Hashable {
    fileprivate enum Part: Sendable, Hashable {
      case text(String)
      case setting(Setting, value: String?)
    }

    fileprivate var parts: [Part]

    public init(_ text: String) { parts = [.text(text)] }

    /// The sentence, each setting worded by `word`, which is told the value that goes with it, if any.
    public func worded(_ word: (Setting, String?) -> String) -> String {
      parts.map { part in
        switch part {
        case .text(let text): text
        case .setting(let setting, let value): word(setting, value)
        }
      }.joined()
    }

    /// The message as a part of another: without its full stop.
    public var clause: Message {
      var message = self
      if case .text(let text)? = parts.last, text.hasSuffix(".") {
        message.parts[parts.count - 1] = .text(String(text.dropLast()))
      }
      return message
    }

    public static func + (left: Message, right: Message) -> Message {
      var sum = left
      sum.parts += right.parts
      return sum
    }
  }
}

extension CinchError.Message: CustomStringConvertible {
  /// Settings by their names in Swift: `batchSize`, `activation sigmoid`.
  public var description: String { worded { [$0.rawValue, $1].compactMap { $0 }.joined(separator: " ") } }
}

extension CinchError.Message: ExpressibleByStringInterpolation {
  public struct StringInterpolation: StringInterpolationProtocol {
    fileprivate var parts: [CinchError.Message.Part] = []

    public init(literalCapacity: Int, interpolationCount: Int) { parts.reserveCapacity(2 * interpolationCount + 1) }

    public mutating func appendLiteral(_ text: String) { if !text.isEmpty { parts.append(.text(text)) } }
    /// Names of files and columns may have ends of lines in them, and a sentence has none.
    public mutating func appendInterpolation<Value>(_ value: Value) { parts.append(.text("\(value)".inOneLine)) }
    public mutating func appendInterpolation(_ message: CinchError.Message) { parts += message.parts }
    public mutating func appendInterpolation(_ setting: CinchError.Setting) {
      parts.append(.setting(setting, value: nil))
    }
    /// A setting with a value to give it.
    public mutating func appendInterpolation<Value>(_ setting: CinchError.Setting, _ value: Value) {
      parts.append(.setting(setting, value: "\(value)".inOneLine))
    }
  }

  public init(stringLiteral value: String) { parts = [.text(value)] }
  public init(stringInterpolation: StringInterpolation) { parts = stringInterpolation.parts }
}
