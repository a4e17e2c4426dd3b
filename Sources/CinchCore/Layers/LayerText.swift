import CinchBackend
import CinchData

/// Layers as the command line writes them: `conv 16 3x3 s2, conv 32 3x3 s2` or `conv 16 3x3, maxpool 2, conv 8 3x3`.
///
/// | layer | words |
/// |---|---|
/// | convolution | `conv FILTERS [KxK] [sS] [dD] [valid, same or pP] [ACTIVATION]` |
/// | pooling | `maxpool SIZE [sS]`, `avgpool SIZE [sS]` |
/// | dropout | `dropout RATE` |
/// | dense, behind those | `dense UNITS [ACTIVATION]` |
///
/// An extent is one number, or rows x columns: `3`, `3x5`. Kernels are 3x3 and padding is `same` unless said.
public enum LayerText {
  /// Why a text is not a layer, as a part of a sentence.
  struct Refusal: Error {
    let why: String

    init(_ why: String) { self.why = why }
  }

  /// The encoder's layers that a text names.
  ///
  /// - Parameters:
  ///   - activation: of every convolution that names none.
  ///   - codeActivation: of the last convolution, likewise; nil takes `activation`.
  /// - Throws: `CinchError.usage` naming the layer and the word that does not fit.
  public static func parse(
    _ text: String, activation: Activation, codeActivation: Activation? = nil
  ) throws -> [LayerSpec] {
    let parts = words(text)
    let code = parts.lastIndex { kind($0.first)?.hasParameters ?? false }
    return try parts.enumerated().map { index, words in
      do {
        return try layer(words, index == code ? codeActivation ?? activation : activation)
      } catch let refusal as Refusal {
        throw CinchError.usage(
          "'\(words.joined(separator: " "))' is not a layer, for \(refusal.why): "
            + "write \(.layers, #""conv 16 3x3 s2, conv 32 3x3 s2""#).")
      }
    }
  }

  /// Whether a text names layers, and not numbers of units.
  public static func namesLayers(_ text: String) -> Bool {
    words(text).contains { $0.count > 1 || kind($0.first) != nil }
  }

  private static func words(_ text: String) -> [[String]] {
    text.split(separator: ",", omittingEmptySubsequences: false).map { part in
      part.split(whereSeparator: \.isWhitespace).map(String.init)
    }
  }

  private static func kind(_ word: String?) -> (any LayerDefinition.Type)? {
    LayerSpec.kinds.first { kind in word.map(kind.words.contains) ?? false }
  }

  private static func layer(_ words: [String], _ activation: Activation) throws -> LayerSpec {
    guard let name = words.first else { throw Refusal("it is empty") }
    guard let kind = kind(name) else {
      let known = LayerSpec.kinds.compactMap { $0.words.first }
      throw Refusal(
        "there is no layer '\(name)'; there are \(known.dropLast().joined(separator: ", ")) and \(known.last ?? "")")
    }
    return try kind.parse(words.dropFirst(), name: name, activation: activation)
  }

  /// The word behind a layer's name.
  static func first(_ words: ArraySlice<String>, of name: String) throws -> String {
    guard let word = words.first else { throw Refusal("'\(name)' needs a number behind it") }
    return word
  }

  /// `3` or `3x5`; nil for anything else.
  static func extent(_ text: some StringProtocol) -> Extent? {
    let parts = text.split(separator: "x", omittingEmptySubsequences: false).map { Int($0) }
    switch (parts.count, parts.first ?? nil, parts.last ?? nil) {
    case (1, let both?, _): return Extent(both)
    case (2, let rows?, let columns?): return Extent(rows, columns)
    default: return nil
    }
  }
}
