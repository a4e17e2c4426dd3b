import CinchBackend
import Foundation
import Synchronization
import Testing

@testable import CinchData

/// Tables with columns of text.
@Suite struct TableTests {
  private func load(
    _ text: String, _ change: (inout Dataset.LoadOptions) -> Void = { _ in }
  ) throws -> Dataset { try load(Array(text.utf8), change) }

  private func load(
    _ bytes: [UInt8], _ change: (inout Dataset.LoadOptions) -> Void = { _ in }
  ) throws -> Dataset {
    let folder = try TemporaryFolder()
    var options = Dataset.LoadOptions()
    change(&options)
    return try Dataset.load(try folder.file("t.csv", bytes), options: options)
  }

  private static let birds = """
    id,island,length,sex
    a,Torgersen,39.1,male
    b,Biscoe,37.5,female
    c,"Dream",40,female
    d,Biscoe,41.25,male

    """

  @Test func textBecomesNumbers() throws {
    let data = try load(Self.birds) { $0.idColumn = "id" }
    #expect(data.columnNames == ["island=Biscoe", "island=Dream", "island=Torgersen", "length", "sex=male"])
    #expect(data.values == [0, 0, 1, 39.1, 1, 1, 0, 0, 37.5, 0, 0, 1, 0, 40, 0, 1, 0, 0, 41.25, 1])
    let schema = try #require(data.schema)
    #expect(schema.idColumn == "id")
    #expect(
      schema.columns == [
        TableColumn(name: "island", kind: .category(["Biscoe", "Dream", "Torgersen"])),
        TableColumn(name: "length", kind: .number, fill: 39.4625, decimals: 2),
        TableColumn(name: "sex", kind: .binary(["female", "male"])),
      ])
    #expect(try JSONCoding.decoder.decode(TableSchema.self, from: JSONCoding.encoder.encode(schema)) == schema)
    #expect(schema.cells(data.values[..<5]) == ["Torgersen", "39.1", "male"])
    #expect(schema.cells([0.2, 0.5, 0.3, 1, 0.4][...]) == ["Dream", "1.0", "female"])
    #expect(schema.cells([0.2, 0.5, 0.3, -1.006, 0.4][...], rounded: true) == ["Dream", "-1.01", "female"])
    #expect(schema.cells([0.2, 0.5, 0.3, -0.001, 0.4][...], rounded: true) == ["Dream", "0.00", "female"])
  }

  /// By name, in any order, whatever else is there.
  @Test func laterTablesAreReadAlike() throws {
    let first = try load(Self.birds) { $0.drop = ["id"] }
    let later = try load("sex,other,length,island\nfemale,1,3,Dream\n") { $0.schema = first.schema }
    #expect(later.values == [0, 1, 0, 3, 0])
    #expect(later.columnNames == first.columnNames)
    func refusal(_ text: String, _ words: String...) {
      let error = #expect(throws: CinchError.self) { try load(text) { $0.schema = first.schema } }
      for word in words { #expect(error?.description.contains(word) == true, "\(error?.description ?? "") \(word)") }
    }
    refusal("sex,length\nmale,1\n", "no column 'island'")
    refusal("sex,length,island\nmale,1,Java\n", "line 2", "'Java'", "Biscoe, Dream, Torgersen")
    refusal("sex,length,island\nmale,x,Dream\n", "line 2", "'length'", "no number")
    let missing = try load("sex,length,island\nmale,NA,Dream\n") { $0.schema = first.schema }
    #expect(missing.values == [0, 1, 0, 39.4625, 1] && missing.observed?.values == [1, 1, 1, 0, 1])
    // A feature would be told by itself.
    let leak = #expect(throws: CinchError.self) {
      try load(Self.birds) {
        $0.schema = first.schema
        $0.labelColumn = "sex"
      }
    }
    #expect(leak?.description.contains("told by itself") == true)
    // Neither does it name the rows, nor is it left out, or something else.
    let asks: [(String, (inout Dataset.LoadOptions) -> Void)] = [
      ("name the rows by another", { $0.idColumn = "sex" }), ("drop sex", { $0.drop = ["sex"] }),
      ("with the column 'length', too", { $0.columns = ["sex", "island"] }),
      ("numbers in the column 'length'", { $0.categories = ["length"] }),
    ]
    for (text, ask) in asks {
      for table in [Self.birds, "sex,length,island\nmale,1,Dream\n"] {
        expectError(text, exitCode: 64) {
          _ = try load(table) {
            $0.schema = first.schema
            ask(&$0)
          }
        }
      }
    }
    // Two columns of one name can only be told apart by their places.
    let twins = try load("a,a,b\n1,2,3\n4,5,6\n")
    #expect(try load("a,a,b\n7,8,9\n") { $0.schema = twins.schema }.values == [7, 8, 9])
    expectError("two columns of one name", exitCode: 65) { _ = try load("a,b\n1,2\n") { $0.schema = twins.schema } }
    // Numbers alone, in another order.
    let numbers = try load("a,b\n1,2\n3,4\n")
    #expect(numbers.schema?.isPlain == true)
    let turned = try load("b,a\n2,1\n") { $0.schema = numbers.schema }
    #expect(turned.values == [1, 2])
  }

  /// As Latin-1 has it: nothing is put in the place of what cannot be read.
  @Test func textThatIsNotUTF8IsRefused() throws {
    func latin(_ text: String) -> [UInt8] { text.unicodeScalars.map { UInt8(truncatingIfNeeded: $0.value) } }
    let table = latin("id,town,x\nä,\"Ulm\n\",1\nb,Köln,2\nc,Ulm,3\n")
    expectError("line 4, column 'town' is not UTF-8: save the table as UTF-8") {
      _ = try load(table) { $0.drop = ["id"] }
    }
    expectError("line 4, column 'town' is not UTF-8") {
      _ = try load(table) { ($0.labelColumn, $0.drop) = ("town", ["id"]) }
    }
    expectError("line 2, column 'id' is not UTF-8") {
      _ = try load(table) { ($0.idColumn, $0.drop) = ("id", ["town"]) }
    }
    let later = latin("id,x\n\"a\nb\",1\nc,2\nö,3\n")
    expectError("line 5, column 'id' is not UTF-8") { _ = try load(later) { $0.idColumn = "id" } }
    expectError("line 1, column 2 is not UTF-8") { _ = try load(latin("a,ö\n1,2\n")) }
    // What is left out may be anything.
    #expect(try load(table) { $0.columns = ["x"] }.values == [1, 2, 3])
    // A character that lies across two cells is none.
    let torn = Array("id,x\n".utf8) + [0xC3] + Array(",1\n".utf8) + [0xA9] + Array(",2\n".utf8)
    expectError("line 2, column 'id' is not UTF-8") { _ = try load(torn) { $0.idColumn = "id" } }
  }

  /// Unicode spells é in two ways.
  @Test func spellingsOfATextAreOneText() throws {
    let text = "town,x\nOrl\u{E9}ans,1\nOrle\u{301}ans,2\nUlm,3\n"
    let labelled = try load(text) { $0.labelColumn = "town" }
    #expect(labelled.labels == [0, 0, 1] && labelled.classNames?.count == 2)
    #expect(try load(text).values == [0, 1, 0, 2, 1, 3])
    let folder = try TemporaryFolder()
    let names = try folder.file("y.txt", text: "e\u{301}\nz\n\u{E9}\n")
    var options = Dataset.LoadOptions()
    options.labels = names
    #expect(try Dataset.load(try folder.file("x.csv", text: "1\n2\n3\n"), options: options).labels == [1, 0, 1])
    options.labels = try folder.file("z.txt", [0x61, 0x0A, 0xE9, 0x0A, 0x62, 0x0A])
    expectError("line 2, column 1 is not UTF-8") { _ = try Dataset.load(folder.path + "/x.csv", options: options) }
  }

  @Test func endingsMayBeCapitals() throws {
    let folder = try TemporaryFolder()
    let table = Array("a,b\n1,2\n".utf8)
    #expect(try Dataset.load(try folder.file("T.CSV", table)).columnNames == ["a", "b"])
    #expect(try Dataset.load(try folder.file("T.Csv.GZ", gzip(table))).values == [1, 2])
    #expect(try Dataset.columnNames(of: folder.path + "/T.Csv.GZ") == ["a", "b"])
  }

  /// Whatever rows the scaling was fitted to, and whatever stood there when the table was read.
  @Test func aMissingNumberGoesInAsZero() throws {
    let table = try load("a,b\n1,1\n,2\n3,4\n20,\n40,8\n")
    #expect(table.schema?.columns[0].fill == 16)
    let training = try table.subset(0..<3)
    let scaling = try Scaling.fit(.standard, to: training)
    let scaled = try scaling.apply(to: table)
    #expect(scaled.values[2] == 0 && abs(scaled.values[0] + 1) < 1e-6 && abs(scaled.values[6] - 18) < 1e-5)
    #expect(abs(scaled.values[7]) < 1e-6 && scaled.observedValues?.filter { $0 == 0 }.count == 2)
  }

  @Test func theFirstUnknownLabelIsNamed() throws {
    let table = try load("a,y\n1,3\n2,7\n3,100\n4,9\n") { $0.labelColumn = "y" }
    expectError("Row 2 of") { _ = try table.labelled(by: ["3"]) }
  }

  @Test func columnsAreChosen() throws {
    #expect(try load(Self.birds) { $0.columns = ["length"] }.values == [39.1, 37.5, 40, 41.25])
    #expect(try load(Self.birds) { $0.columns = ["4", "3"] }.values.prefix(2) == [1, 39.1])
    let labelled = try load(Self.birds) {
      $0.labelColumn = "island"
      $0.drop = ["id"]
    }
    #expect(labelled.labels == [2, 0, 1, 0] && labelled.classNames == ["Biscoe", "Dream", "Torgersen"])
    #expect(labelled.features == 2)
    #expect(throws: CinchError.self) { try load(Self.birds) { $0.columns = ["weight"] } }
    #expect(throws: CinchError.self) { try load(Self.birds) { $0.columns = ["sex", "4"] } }
    for number in [5, 0, -1, Int.min, Int.max] {
      #expect(throws: CinchError.self) { try load(Self.birds) { $0.columns = ["\(number)"] } }
    }
    expectError("cannot both hold the labels and name the rows", exitCode: 64) {
      _ = try load(Self.birds) { ($0.labelColumn, $0.idColumn) = ("island", "2") }
    }
  }

  @Test(arguments: [
    ("a,b\n1,\n2,NA\n", ["'b'", "no value in any row", "drop"]),
    ("a,b\n1,?\n2,x\n", ["'x' in every row"]), ("a,b\n1,2\n3,x\n", ["line 3", "'x'", "'b'", "other cells"]),
    ("a,b\n1,x\n2,x\n", ["'x' in every row", "drop"]), ("a,b,a\n1,x,1\n2,y,1\n", ["two columns 'a'"]),
    ("a;b\n1,5;2\n3,5;4\n", ["line 2", "'1,5'", "'a'", "write points"]),
    ("a;b\n3;1,0\n1,5;2\n", ["line 3", "'1,5'", "'a'", "write points"]),
    ("a;b\n1,5;2\nx;4\n3;4\n", ["line 2", "'1,5'", "'a'", "other cells"]),
    ("a,\n1,\n2,\n", ["The column ''", "drop 2"]), ("a,b c\n1,x\n2,x\n", ["The column 'b c'", "drop 2"]),
    ("\"b,c\",a\n,1\n,2\n", ["The column 'b,c'", "drop 1"]), ("a,-b\n1,\n2,\n", ["The column '-b'", "drop 2"]),
    ("a,größe_1.5\n1,\n2,\n", ["drop größe_1.5"]), ("a,b\n1,x\n2\n", ["line 3"]), ("a,b\n", ["no rows"]),
  ])
  func whatMeansNothingIsRefused(_ text: String, _ words: [String]) {
    let error = #expect(throws: CinchError.self) { try load(text) }
    for word in words { #expect(error?.description.contains(word) == true, "\(error?.description ?? "") \(word)") }
  }

  private static let holes = """
    who,age,colour,paid,note
    a,1.5,red,1,-999
    b,NA,red,0,3
    c,?,,1,4
    d,4.5,blue,,5
    e,,"green",NaN,N/A
    f,3,null,1,6

    """

  /// What is missing has the mean or the most frequent text, and is known to be missing, by every view of the data.
  @Test func missingCellsAreKnown() throws {
    let data = try load(Self.holes) {
      $0.idColumn = "who"
      $0.missing = ["-999"]
    }
    let schema = try #require(data.schema)
    #expect(
      schema.columns == [
        TableColumn(name: "age", kind: .number, fill: 3, decimals: 1),
        TableColumn(name: "colour", kind: .category(["blue", "green", "red"])),
        TableColumn(name: "paid", kind: .binary(["0", "1"])),
        TableColumn(name: "note", kind: .number, fill: 4.5, decimals: 0),
      ])
    #expect(schema.missing == ["-999"])
    let observed = try #require(data.observed)
    #expect(try data.sample(2) == [3, 0, 0, 0, 1, 4] && data.sample(4) == [3, 0, 1, 0, 0.5, 4.5])
    #expect(
      observed.values == [
        1, 1, 1, 1, 1, 0, 0, 1, 1, 1, 1, 1, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 0, 1, 0, 1, 1, 1, 0, 0, 1, 0, 0, 0, 1, 1,
      ])
    #expect(try data.subset(3..<5).observed?.values == Array(observed.values[18..<30]))
    let (training, validation) = try data.split(validation: 0.5, seed: 3)
    let parts = try #require(training.observed?.values) + #require(validation.observed?.values)
    #expect(parts.reduce(0, +) == observed.values.reduce(0, +) && parts != observed.values)

    // Deviations are of the cells that are there; texts are not scaled.
    let scaling = try Scaling.fit(.standard, to: data)
    #expect(scaling.offset == [3, 0, 0, 0, 0, 4.5])
    let (age, note) = ((4.5 / 3).squareRoot(), 1.25.squareRoot())
    for (value, wanted) in zip(scaling.scale, [age, 1, 1, 1, 1, note]) { #expect(abs(value - wanted) < 1e-12) }
    let scaled = try scaling.apply(to: data)
    #expect(try scaled.observed?.values == observed.values && scaled.sample(4) == [0, 0, 1, 0, 0.5, 0])

    #expect(try Scaling.fit(.minmax, to: data).scale == [3, 1, 1, 1, 1, 3])
    let whitened = #expect(throws: CinchError.self) { try Scaling.fit(.zca, to: data) }
    #expect(whitened?.description.contains("missing cells") == true)

    // Other cells that are missing are other data.
    var (whole, holed) = (Checksum(), Checksum())
    try load("a,b\n1,2\n3,4\n5,3\n").add(to: &whole)
    try load("a,b\n1,2\n3,4\n5,NA\n").add(to: &holed)
    #expect(whole.text != holed.text)
  }

  /// Numbers for missing cells are told however they are spelt, in columns of text as well.
  @Test func missingNumbersHaveSpellings() throws {
    let text = "a,b,c\n-999.0,1,x\n2,-9.99e2,-999\n3,4,y\n5,6,-999.00\n"
    let data = try load(text) { $0.missing = ["-999"] }
    #expect(data.observed?.values == [0, 1, 1, 1, 0, 0, 1, 1, 1, 1, 1, 0])
    #expect(data.schema?.columns.map(\.kind) == [.number, .number, .binary(["x", "y"])])
    let later = try load("a,b,c\n-999.000,1,y\n") { $0.schema = data.schema }
    #expect(later.observed?.values == [0, 1, 1])
    #expect(try load("a,b\n-999.5,1\n2,3\n") { $0.missing = ["-999"] }.observed == nil)
    let folder = try TemporaryFolder()
    var source = DataSource(try folder.file("t.csv", text: text))
    source.options.missing = ["-999"]
    let rewriter = try TableRewriter(source, try #require(data.schema))
    try rewriter.write(to: folder.path + "/u.csv") { _, _, isMissing in isMissing ? "?" : nil }
    #expect(
      try FileBytes.read(folder.path + "/u.csv") == Array("a,b,c\n?,1,x\n2,?,?\n3,4,y\n5,6,?\n".utf8))
  }

  /// Neither of a file nor of a caller.
  @Test func whatIsNoSchemaIsRefused() throws {
    func schema(_ kind: TableColumn.Kind, fill: Double? = nil, decimals: Int? = nil) -> TableSchema {
      TableSchema(columns: [
        TableColumn(name: "a", kind: .number), TableColumn(name: "b", kind: kind, fill: fill, decimals: decimals),
      ])
    }
    for (bad, words) in [
      (TableSchema(columns: []), "there are no columns"), (schema(.category(["x", "x", "y"])), "the texts"),
      (schema(.category(["x", "y"])), "the texts"), (schema(.binary(["x"])), "the texts"),
      (schema(.binary(["x", "x"])), "the texts"), (schema(.number, fill: 1e300), "such numbers as 'b'"),
      (schema(.number, fill: -1e39), "such numbers as 'b'"), (schema(.number, decimals: -1), "such numbers as 'b'"),
      (schema(.number, decimals: 10), "such numbers as 'b'"),
    ] {
      expectError(words, exitCode: 64) { _ = try load("a,b\n1,x\n2,y\n") { $0.schema = bad } }
      let data = try JSONCoding.encoder.encode(bad)
      let error = #expect(throws: DecodingError.self) { try JSONCoding.decoder.decode(TableSchema.self, from: data) }
      #expect(error.map { JSONCoding.explain($0).contains(words) } == true, "\(bad)")
    }
    #expect(throws: CinchError.self) {
      try load("a,b\n1,2\n") { $0.schema = schema(.number, fill: .nan) }
    }
    let possible = schema(.number, fill: -3.4e38, decimals: 9)
    #expect(try load("a,b\n1,\n") { $0.schema = possible }.values == [1, -3.4e38])
    #expect(try JSONCoding.decoder.decode(TableSchema.self, from: JSONCoding.encoder.encode(possible)) == possible)
  }

  /// Numbers that are named are texts, rare and unseen ones are others.
  @Test func categoriesAreAsked() throws {
    let text = "a,b\n1,u\n2,u\n1,v\n3,w\n2,u\n"
    let data = try load(text) {
      $0.categories = ["a"]
      $0.rare = 2
    }
    let schema = try #require(data.schema)
    #expect(
      schema.columns == [
        TableColumn(name: "a", kind: .category(["1", "2", "other"]), takesUnseen: true),
        TableColumn(name: "b", kind: .binary(["u", "other"]), takesUnseen: true),
      ])
    #expect(try data.sample(3) == [0, 0, 1, 1])
    #expect(try load("b,a\nx,9\nu,1.0\n") { $0.schema = schema }.values == [0, 0, 1, 1, 1, 0, 0, 0])
    #expect(try JSONCoding.decoder.decode(TableSchema.self, from: JSONCoding.encoder.encode(schema)) == schema)
    for change: (inout Dataset.LoadOptions) -> Void in [
      { $0.categories = ["c"] }, { $0.rare = 1 }, { $0.rare = 9 },
      {
        $0.categories = ["a"]
        $0.drop = ["a"]
      },
    ] {
      #expect(throws: CinchError.self) { try load(text, change) }
    }
  }

  @Test func namesOfRowsAreNoCategory() throws {
    let rows = (0..<60).map { "name \($0),\($0)" }.joined(separator: "\n")
    let error = #expect(throws: CinchError.self) { try load("who,x\n" + rows) }
    #expect(
      error?.description.contains("60 different texts") == true && error?.description.contains("idColumn") == true)
    #expect(try load("who,x\n" + rows) { $0.idColumn = "who" }.features == 1)
  }

  /// Rows keep the names that the id column gives them, whatever becomes of the rows.
  @Test func rowsHaveTheNamesOfTheirIdColumn() throws {
    let data = try load(Self.birds) { $0.idColumn = "id" }
    #expect(data.sampleNames?.title == "id" && data.sampleNames.map(Array.init) == ["a", "b", "c", "d"])
    #expect(try data.subset(1..<3).sampleNames.map(Array.init) == ["b", "c"])
    let (training, validation) = try data.split(validation: 0.5, seed: 3)
    let halves = [training, validation].flatMap { $0.sampleNames.map(Array.init) ?? [] }
    #expect(Set(halves) == ["a", "b", "c", "d"])
    let first = try #require(data.sampleNames?.firstIndex(of: halves[0]))
    #expect(try training.sample(0) == data.sample(first))
    #expect(try load(Self.birds) { $0.drop = ["id"] }.sampleNames == nil)
    // Later tables are named by the same column, by another, or not at all.
    let later = "sex,who,length,island,id\nfemale,\"x, \"\"y\"\"\",3,Dream,\n"
    #expect(try load(later) { $0.schema = data.schema }.sampleNames.map(Array.init) == [""])
    let other = try load(later) {
      $0.schema = data.schema
      $0.idColumn = "who"
    }
    #expect(other.sampleNames?.title == "who" && other.sampleNames.map(Array.init) == ["x, \"y\""])
    let without = "sex,length,island\nfemale,3,Dream\n"
    expectError("no column 'id'", "names the rows", "idColumn", "drop id") {
      _ = try load(without) { $0.schema = data.schema }
    }
    let nameless = try load(without) {
      $0.schema = data.schema
      $0.drop = ["id"]
    }
    #expect(nameless.sampleNames == nil && nameless.count == 1)
  }

  @Test func namesTakeTheirBytes() {
    let names = SampleNames((0..<1000).map { "row \($0)" })
    #expect(names.count == 1000 && names[999] == "row 999" && names.first == "row 0")
    #expect(Array(names.gather([7, 7, 0])) == ["row 7", "row 7", "row 0"])
    #expect(SampleNames(["a", "b"]) == ["a", "b"] && names != ["a"])
  }

  /// What is passed over is told once.
  @Test func columnsThatAreNotKnownAreTold() throws {
    let data = try load(Self.birds) { $0.idColumn = "id" }
    func notes(_ text: String, _ drop: [String]? = nil, schema: TableSchema?) throws -> [String] {
      let notes = Mutex<[String]>([])
      _ = try LoadProgress.observed({ _ in }, noting: { note in notes.withLock { $0.append(note) } }) {
        try load(text) {
          $0.schema = schema
          $0.drop = drop
        }
      }
      return notes.withLock { $0 }
    }
    // What may be a row of names is a sample where it has numbers.
    let years = "country,2019\nDE,1\nFR,2\n"
    #expect(try notes(years, schema: nil)[0].hasPrefix("took line 1 of '"))
    for text in ["country,year\nDE,1\nFR,2\n", "NA,1\n2,1\n"] { #expect(try notes(text, schema: nil).isEmpty) }
    // What 32 bits hold coarsely.
    let far = Mutex<[String]>([])
    try LoadProgress.observed({ _ in }, noting: { note in far.withLock { $0.append(note) } }) {
      let times = try load("year,time\n1970,1700000000\n2020,1700000500\n1990,1700001000\n")
      for kind in [Scaling.Kind.standard, .minmax, .none] { _ = try Scaling.fit(kind, to: times) }
    }
    let coarse = far.withLock { $0 }
    #expect(coarse.count == 2 && coarse.allSatisfy { $0.hasPrefix("column 'time' of '") }, "\(coarse)")
    let unmet = Mutex<[String]>([])
    try LoadProgress.observed({ _ in }, noting: { note in unmet.withLock { $0.append(note) } }) {
      _ = try load("a,b\n-9.0,2\n3,4\n") { $0.missing = ["-9", "-99", "none"] }
    }
    let unmetNotes = unmet.withLock { $0 }
    #expect(unmetNotes.count == 1 && unmetNotes[0].contains("is '-99' or 'none', which missing ones"), "\(unmetNotes)")
    let later = "sex,weight,length,island,id,age\nfemale,1,3,Dream,a,2\n"
    let told = try notes(later, schema: data.schema)
    #expect(told.count == 1 && told[0].hasPrefix("ignored the columns weight, age of '"), "\(told)")
    #expect(try notes(later, ["weight"], schema: data.schema)[0].hasPrefix("ignored the column age of '"))
    #expect(try notes(later, ["weight", "age"], schema: data.schema).isEmpty)
    #expect(try notes(Self.birds, schema: data.schema).isEmpty)
  }
}
