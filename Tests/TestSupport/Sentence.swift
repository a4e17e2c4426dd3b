/// Whether a text of an error has the form that all of them have: it begins with a capital letter, a number, an option or
/// a name in quotes, and ends with a full stop.
public func isSentence(_ text: String) -> Bool {
  guard let first = text.first, text.hasSuffix("."), !text.hasSuffix("..") else { return false }
  return first.isUppercase || first.isNumber || "'\"“-".contains(first)
}
