import TestSupport
import Testing

@testable import CinchData

@Suite struct CSVTests {
  func read(_ text: String, header: CSVHeader = .automatic, label: String? = nil) throws -> CSV {
    try CSV(Array(text.utf8), header: header, labelColumn: label, path: "a.csv")
  }

  @Test func readsSeparatorsLineEndsAndBlanks() throws {
    for text in [
      "1,2\n3,4", "1,2\n3,4\n", "1,2\r\n3,4\r\n", "1;2\n3;4\n\n\n", "1\t2\n3\t4\n  \n", " 1 , 2 \n 3 ,4\n",
      "\u{FEFF}1,2\n3,4\n", "\"1\",2\n3,\"4\"\n", "+1,2.\n3e0,.4e1\n",
    ] {
      let table = try read(text)
      #expect(table.values == [1, 2, 3, 4], "\(text)")
      #expect(table.features == 2)
      #expect(table.columnNames == nil)
    }
    #expect(try read("1\n2\n").features == 1)
  }

  @Test func findsTheHeader() throws {
    #expect(try read("a,b\n1,2\n").columnNames == ["a", "b"])
    #expect(try read(",b\n1,2\n").columnNames == ["", "b"])
    #expect(try read("\"a, \"\"quoted\"\"\nname\" , b \r\n1,2\r\n").columnNames == ["a, \"quoted\"\nname", "b"])
    #expect(try read("1,2\n3,4\n", header: .present).columnNames == ["1", "2"])
    expectError("line 1, column 1", "“a”", "not a number") { _ = try read("a,b\n1,2\n", header: .absent) }
    expectError("header but no rows") { _ = try read("a,b\n") }
    // A damaged cell in the first row must not cost that row.
    expectError("line 1 mixes names and numbers", "header absent") { _ = try read("1,2,x\n4,5,6\n") }
    #expect(try read("a,1\n4,5\n", header: .present).columnNames == ["a", "1"])
    #expect(try read("a,,b\n4,5,6\n").columnNames?.count == 3)
  }

  @Test func countsLinesThroughQuotedHeaders() {
    expectError("line 4, column 2", "is empty") { _ = try read("\"a\nb\",c\n1,2\n3,\n") }
  }

  @Test func namesLineAndColumnOfWhatIsWrong() {
    expectError("line 3 has 1 columns where the first row has 2") { _ = try read("1,2\n3,4\n5\n6,7\n") }
    expectError("line 2", "column 3", "one more than the 2") { _ = try read("1,2\n3,4,x\n") }
    expectError("line 2 has 3 columns where the first row has 2") { _ = try read("1,2\n3,4,5\n") }
    expectError("line 2, column 2", "“two”") { _ = try read("1,2\n3,two\n") }
    expectError("line 2, column 1", "is empty", "impute") { _ = try read("1,2\n,4\n") }
    expectError("line 2, column 2", "is empty") { _ = try read("1,2\n3,") }
    expectError("line 2, column 1", "“1 2”") { _ = try read("1,2\n1 2,3\n") }
    expectError("line 2, column 2", "“0x10”") { _ = try read("1,2\n3,0x10\n") }
    expectError("line 2, column 1", "“1,5”") { _ = try read("1;2\n1,5;2\n") }
    expectError("line 2, column 1", "not a number") { _ = try read("1,2\n\"3,4\n") }
    expectError("line 2 is blank") { _ = try read("1,2\n\n3,4\n") }
    expectError("line 1 is blank") { _ = try read("\n1,2\n") }
    expectError("no rows") { _ = try read("   ") }
    expectError("never closed") { _ = try read("\"a,b\n1,2\n") }
  }

  @Test func refusesWhatIsNotFinite() {
    for word in ["nan", "NaN", "-nan", "+NAN"] {
      expectError("line 2, column 2", "NaN", "impute") { _ = try read("1,2\n3,\(word)\n") }
    }
    for word in ["inf", "-Infinity", "1e999"] {
      expectError("line 1, column 1", "infinite") { _ = try read("\(word),2\n3,4\n") }
    }
    expectError("line 1, column 2", "too large for a 32-bit float") { _ = try read("1,1e39\n") }
  }

  @Test func keepsLabelsApart() throws {
    for label in ["class", "2"] {
      let table = try read("a,class,b\n1,7,2\n3,-8,4\n", label: label)
      #expect(table.values == [1, 2, 3, 4])
      #expect(table.labels == Labels([7, -8]))
      #expect(table.columnNames == ["a", "b"])
    }
    // Names, in the order of the alphabet; numbers, however they are spelt, stay numbers.
    let named = try read("1,dog\n2,\"cat\"\n3, dog\n", label: "2")
    #expect(named.labels == Labels([1, 0, 1], names: ["cat", "dog"]))
    #expect(named.columnNames == nil)
    #expect(try read("1,2.0\n3,2\n", label: "2").labels == Labels([2, 2]))
    expectError("line 2, column 2", "no label") { _ = try read("1,2\n3,\n", label: "2") }
    expectError("only its label column") { _ = try read("1\n", label: "1") }
    expectError("no column z", exitCode: 64) { _ = try read("1,2\n", label: "z") }
    expectError("no column 3", exitCode: 64) { _ = try read("1,2\n", label: "3") }
  }

  @Test func parsesNumbersAsStrtod() throws {
    var generator = FixedGenerator(state: 1)
    var texts = [
      "0", "-0", "0.1", "1e22", "1e23", "9007199254740993", "123456789012345678901234567890", "4.9e-324", "1e-400",
      "0.000000000000000000000000000000000000001", "00001.50", "1e+5", "3.4028235e38", "1E-7",
    ]
    for _ in 0..<2000 {
      let bits = Double(bitPattern: generator.next())
      if bits.isFinite { texts.append(bits.description) }
      texts.append(Float.random(in: -1000...1000, using: &generator).description)
    }
    for text in texts {
      Array(text.utf8).withUnsafeBufferPointer { bytes in
        var position = 0
        let value = scanNumber(bytes, &position)
        #expect(value?.bitPattern == Double(text)?.bitPattern, "\(text)")
        #expect(position == bytes.count, "\(text)")
      }
    }
    for text in ["", "+", "-", ".", "e5", "-.", "na", "+-1"] {
      Array(text.utf8).withUnsafeBufferPointer { bytes in
        var position = 0
        #expect(scanNumber(bytes, &position) == nil, "\(text)")
        #expect(position == 0)
      }
    }
  }

  @Test func writerQuotesAndReadsBack() throws {
    let folder = try TemporaryFolder()
    let path = folder.path + "/a.csv"
    var table = CSVWriter(columns: ["epoch", "loss, \"train\""])
    try table.append(["1", "0.5"])
    try table.append(["2", "0.25"])
    try table.write(to: path)
    let back = try CSV(try FileBytes.read(path), path: path)
    #expect(back.columnNames == table.columns)
    #expect(back.values == [1, 0.5, 2, 0.25])
    expectError("1 fields", exitCode: 64) { try table.append(["3"]) }

    let values: [Float] = [0.1, -1e-30, 3.4028235e38, 7]
    try CSVWriter.write(values: values, features: 2, columnNames: ["a", "b"], to: path)
    #expect(try CSV(try FileBytes.read(path), path: path).values == values)
    expectError("rows of 3", exitCode: 64) { try CSVWriter.write(values: values, features: 3, to: path) }
  }
}
