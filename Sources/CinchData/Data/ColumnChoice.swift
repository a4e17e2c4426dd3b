import CSamples
import CinchBackend

/// Which of a table's columns are features, and which hold labels or name the rows.
struct ColumnChoice {
  let header: TableHeader
  private let path: String
  /// The features' places in a row, in the order of the schema.
  private(set) var features: [Int] = []
  private(set) var labelPlace: Int?
  private(set) var idPlace: Int?
  /// Places of columns whose cells are categories even where they are numbers.
  private(set) var categories: Set<Int> = []

  /// - Parameter isToldOnce: whether what is passed over has been told.
  /// - Throws: `CinchError.usage` where a column that is named is not there, or has another use; `.badData` where the table has
  ///   not the schema's columns.
  init(_ header: TableHeader, _ selection: TableSelection, path: String, isToldOnce: Bool = false) throws {
    (self.header, self.path) = (header, path)
    labelPlace = try selection.labelColumn.map { try find($0) }
    idPlace = try idPlace(selection)
    if let labelPlace, labelPlace == idPlace {
      throw CinchError.usage(
        "The column '\(header.named[labelPlace])' of '\(path)' cannot both hold the labels and name the rows: name another with "
          + "\(.labelColumn), or with \(.idColumn).")
    }
    guard let schema = selection.schema else {
      try choose(selection)
      return
    }
    try find(schema, selection)
    categories = try Set(selection.categories.map { try find($0) })
    if selection.columns == nil, !isToldOnce { note(but: selection.drop) }
  }

  /// The columns of a run's table.
  private mutating func find(_ known: TableSchema, _ selection: TableSelection) throws {
    let named = header.named
    try known.validate()
    try requireAgreement(of: selection, with: known)
    let others = named.indices.filter { $0 != labelPlace && $0 != idPlace }
    if known.columns.map(\.name) == others.map({ named[$0] }) {
      features = others
      return
    }
    try requireDifferentNames()
    features = try known.columns.map { column in
      guard let place = named.firstIndex(of: column.name) else {
        throw CinchError.badData(
          "'\(path)' has no column '\(column.name)', which the run was trained with: add it, or train anew without it."
        )
      }
      return place
    }
    guard Set(features).count == features.count else {
      throw CinchError.badData(
        "The run was trained with two columns of one name, which only a table of the same columns in the same order can have: "
          + "give '\(path)' those, or train anew with names that differ.")
    }
    if let labelPlace, features.contains(labelPlace) {
      throw CinchError.usage(
        "The column '\(named[labelPlace])' is one of the features that the run was trained with, so that it would be told by "
          + "itself: name other labels, or train anew with "
          + "\(.drop, TableColumn.typed(named[labelPlace], place: labelPlace)).")
    }
    if let idPlace, features.contains(idPlace) {
      throw CinchError.usage(
        "The column '\(named[idPlace])' is one of the features that the run was trained with: name the rows by another with "
          + "\(.idColumn), or train anew with \(.drop, TableColumn.typed(named[idPlace], place: idPlace)).")
    }
  }

  /// Of a table that nothing is known of.
  private mutating func choose(_ selection: TableSelection) throws {
    let named = header.named
    let dropped = try Set(selection.drop.map { try find($0) })
    let wanted = try selection.columns?.map { try find($0) } ?? Array(named.indices)
    features = wanted.filter { $0 != labelPlace && $0 != idPlace && !dropped.contains($0) }
    guard !features.isEmpty else {
      throw CinchError.usage("No column of '\(path)' is left as a feature: leave fewer out.")
    }
    guard Set(features).count == features.count else {
      throw CinchError.usage("A column of '\(path)' is named twice in \(.columns): name each once.")
    }
    categories = try Set(selection.categories.map { try find($0) })
    if let lost = categories.subtracting(features).min() {
      throw CinchError.usage(
        "The column '\(named[lost])' is named in \(.categories), but is no feature: leave it out there, or add it.")
    }
    if let rare = selection.rare, rare < 2 {
      throw CinchError.usage("\(.rare) says how often a text must occur: \(rare) means nothing, use 2 or more.")
    }
  }

  /// A run's columns, and what they mean, are settled: refuses by name what would change them.
  private func requireAgreement(of selection: TableSelection, with schema: TableSchema) throws {
    let names = Set(schema.columns.map(\.name))
    if let lost = selection.drop.first(where: names.contains) {
      throw CinchError.usage(
        "The column '\(lost)' is one of the features that the run was trained with: give it, or train anew with \(.drop, lost)."
      )
    }
    if let columns = selection.columns, columns.allSatisfy(header.named.contains),
      let lost = schema.columns.first(where: { !columns.contains($0.name) })
    {
      throw CinchError.usage(
        "The run was trained with the column '\(lost.name)', too: name it in \(.columns), or train anew without it.")
    }
    if let number = schema.columns.first(where: { $0.kind == .number && selection.categories.contains($0.name) }) {
      throw CinchError.usage(
        "The run was trained with numbers in the column '\(number.name)': leave it out of \(.categories), or train anew."
      )
    }
  }

  private func find(_ wanted: String) throws -> Int {
    let names = header.named
    if let index = names.firstIndex(of: wanted) { return index }
    if let number = Int(wanted), number > 0, number <= names.count { return number - 1 }
    let some = names.prefix(8).joined(separator: ", ") + (names.count > 8 ? ", …" : "")
    throw CinchError.usage(
      "'\(path)' has no column '\(wanted)'\(Suggestion.text(for: wanted, among: names)): name one of \(some), or a number "
        + "from 1 to \(names.count).")
  }

  func requireDifferentNames() throws {
    if let twice = Dictionary(grouping: header.named, by: { $0 }).first(where: { $0.value.count > 1 })?.key {
      throw CinchError.badData("'\(path)' has two columns '\(twice)': give each a name of its own.")
    }
  }

  /// Where the rows' names are: in the column that is named, or else in that of the run's table.
  private func idPlace(_ selection: TableSelection) throws -> Int? {
    if let column = selection.idColumn, selection.schema?.idColumn != column { return try find(column) }
    guard let column = selection.schema?.idColumn ?? selection.idColumn, !selection.drop.contains(column) else {
      return nil
    }
    guard selection.schema != nil else { return try find(column) }
    guard let place = header.named.firstIndex(of: column) else {
      throw CinchError.badData(
        "'\(path)' has no column '\(column)', which names the rows of the run's table: add it, name another with \(.idColumn), "
          + "or do without it by \(.drop, column).")
    }
    return place
  }

  /// Tells which columns are passed over.
  private func note(but expected: [String]) {
    let names = header.named
    let used = Set(features + [labelPlace, idPlace].compactMap { $0 })
    let ignored = names.indices.filter { !used.contains($0) && !expected.contains(names[$0]) }.map { names[$0] }
    guard !ignored.isEmpty else { return }
    let list = ignored.prefix(8).joined(separator: ", ") + (ignored.count > 8 ? ", …" : "")
    LoadProgress.note("ignored the column\(ignored.count == 1 ? "" : "s") \(list) of '\(path)'")
  }

  /// What a scan does with each column.
  func uses(_ selection: TableSelection) -> [cinch_use] {
    var uses = [cinch_use](repeating: cinch_skip, count: header.named.count)
    for (index, place) in features.enumerated() {
      let isText = selection.schema.map { $0.columns[index].texts != nil } ?? categories.contains(place)
      uses[place] = isText ? cinch_text : cinch_number
    }
    if let labelPlace { uses[labelPlace] = cinch_label }
    if let idPlace { uses[idPlace] = cinch_name }
    return uses
  }
}
