extension String {
  /// Whether a file of this name is of a kind, in capitals or not.
  ///
  /// - Parameter ending: in small letters: `.csv`.
  func isNamed(_ ending: String) -> Bool { lowercased().hasSuffix(ending) }
}
