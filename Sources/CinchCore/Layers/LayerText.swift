import CinchBackend
import CinchData

/// Layers as the command line writes them: `conv 16 3x3 s2, conv 32 3x3 s2` or `conv 16 3x3, maxpool 2, conv 8 3x3`.
///
/// | layer | words |
/// |---|---|
/// | convolution | `conv FILTERS [KxK] [sS] [dD] [valid, same or pP] [ACTIVATION]` |
/// | pooling | `maxpool SIZE [sS]`, `avgpool SIZE [sS]` |
///
/// An extent is one number, or rows x columns: `3`, `3x5`. Kernels are 3x3 and padding is `same` unless said.
public enum LayerText {
  /// The encoder's layers that a text names.
  ///
  /// - Parameters:
  ///   - activation: of every convolution that names none.
  ///   - codeActivation: of the last convolution, likewise; nil takes `activation`.
  /// - Throws: `CinchError.usage` naming the layer and the word that does not fit.
  public static func parse(
    _ text: String, activation: Activation, codeActivation: Activation? = nil
  ) throws -> [LayerSpec] {
    let parts = text.split(separator: ",", omittingEmptySubsequences: false).map { part in
      (text: String(part), words: part.split(whereSeparator: \.isWhitespace).map(String.init))
    }
    let code = parts.lastIndex { $0.words.first.map(convolutions.contains) ?? false }
    return try parts.enumerated().map { index, part in
      try layer(part.words, index == code ? codeActivation ?? activation : activation, text: part.text)
    }
  }

  private static let convolutions = ["conv", "convolution"]

  private static func layer(_ words: [String], _ activation: Activation, text: String) throws -> LayerSpec {
    func refuse(_ why: String) -> CinchError {
      .usage("'\(text.trimmed)' is not a layer, for \(why): write \(.layers, #""conv 16 3x3 s2, conv 32 3x3 s2""#).")
    }
    guard let kind = words.first else { throw refuse("it is empty") }
    guard words.count > 1 else { throw refuse("'\(kind)' needs a number behind it") }
    let rest = words.dropFirst(2)
    switch kind {
    case "conv", "convolution":
      guard let filters = Int(words[1]), filters > 0 else { throw refuse("'\(words[1])' is no number of filters") }
      var spec = ConvolutionSpec(filters: filters, activation: activation)
      var said: [String: String] = [:]
      for word in rest {
        guard let what = read(word, into: &spec) else {
          throw refuse("'\(word)' is no kernel, stride, dilation, padding or activation")
        }
        if let before = said.updateValue(word, forKey: what) {
          throw refuse("'\(before)' and '\(word)' both give its \(what)")
        }
      }
      return .convolution(spec)
    case "maxpool", "pool", "avgpool":
      guard let size = extent(words[1]) else { throw refuse("'\(words[1])' is no window size") }
      var spec = PoolSpec(size)
      for word in rest {
        guard word.hasPrefix("s"), let stride = extent(word.dropFirst()) else { throw refuse("'\(word)' is no stride") }
        spec.stride = stride
      }
      return kind == "avgpool" ? .averagePool(spec) : .maxPool(spec)
    default: throw refuse("there is no layer '\(kind)'; there are conv, maxpool and avgpool")
    }
  }

  /// Reads one word of a convolution, and tells what it gives; nil where it means nothing.
  private static func read(_ word: String, into spec: inout ConvolutionSpec) -> String? {
    if let activation = Activation(rawValue: word) {
      spec.activation = activation
      return "activation"
    }
    if word == "valid" || word == "same" {
      spec.padding = word == "same" ? .same : .valid
      return "padding"
    }
    if let kernel = extent(word) {
      spec.kernel = kernel
      return "kernel"
    }
    guard let value = extent(word.dropFirst()) else { return nil }
    switch word.first {
    case "s":
      spec.stride = value
      return "stride"
    case "d":
      spec.dilation = value
      return "dilation"
    case "p":
      spec.padding = .explicit(top: value.height, bottom: value.height, left: value.width, right: value.width)
      return "padding"
    default: return nil
    }
  }

  private static func extent(_ text: some StringProtocol) -> Extent? {
    let parts = text.split(separator: "x", omittingEmptySubsequences: false).map { Int($0) }
    switch (parts.count, parts.first ?? nil, parts.last ?? nil) {
    case (1, let both?, _): return Extent(both)
    case (2, let rows?, let columns?): return Extent(rows, columns)
    default: return nil
    }
  }
}

extension String {
  fileprivate var trimmed: String { split(whereSeparator: \.isWhitespace).joined(separator: " ") }
}
