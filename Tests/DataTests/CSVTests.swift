import Foundation
import TestSupport
import Testing

@testable import CinchData

@Suite struct CSVTests {
  func read(
    _ text: String, header: CSVHeader = .automatic, label: String? = nil, blockSize: Int = TableBlocks.usualSize,
    threads: Int = 2
  ) throws -> TableReader {
    var options = Dataset.LoadOptions()
    options.labelColumn = label
    return try TableReader(
      FileContents(Array(text.utf8)), header: header, TableSelection(options), path: "a.csv", blockSize: blockSize,
      threads: threads)
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

  /// 2⁶⁴ is 0 in 64 bits, and is still 20 digits.
  @Test func longNumbersDoNotWrap() throws {
    let text =
      "18446744073709551616.5,18446744073709551616,0.018446744073709551616,36893488147419103232.25e-3\n1,2,3,4\n"
    let wanted: [Float] = [
      18446744073709551616.5, 18446744073709551616, 0.018446744073709551616, 36893488147419103.23225,
    ]
    #expect(try read(text).values == wanted + [1, 2, 3, 4])
  }

  @Test func findsTheHeader() throws {
    #expect(try read("a,b\n1,2\n").columnNames == ["a", "b"])
    #expect(try read(",b\n1,2\n").columnNames == ["", "b"])
    #expect(try read("\"a, \"\"quoted\"\"\nname\" , b \r\n1,2\r\n").columnNames == ["a, \"quoted\"\nname", "b"])
    #expect(try read("1,2\n3,4\n", header: .present).columnNames == ["1", "2"])
    expectError("line 1", "'a' in the column '1'", "other cells are numbers") {
      _ = try read("a,b\n1,2\n", header: .absent)
    }
    // Years are numbers, so the first row may name columns or not: that is asked.
    expectError("line 1 holds 'id'", "header", "present") { _ = try read("id,2019,2020\n1,2,3\n") }
    expectError("header but no rows") { _ = try read("a,b\n") }
    // A damaged cell in the first row must not cost that row.
    expectError("line 1 holds 'x' in the column '3'", "other cells are numbers") { _ = try read("1,2,x\n4,5,6\n") }
    #expect(try read("a,1\n4,5\n", header: .present).columnNames == ["a", "1"])
    #expect(try read("a,,b\n4,5,6\n").columnNames?.count == 3)
  }

  @Test func countsLinesThroughQuotes() {
    expectError("line 4 has 1 columns") { _ = try read("\"a\nb\",c\n1,2\n3\n") }
    expectError("line 5 has 1 columns") { _ = try read("a,c\n1,\"x\n\ny\"\n3\n") }
  }

  /// The one that rows agree on, though another is in a name.
  @Test func separatorsAreWhatRowsAgreeOn() throws {
    for text in [
      "\"a; net\",b,c\n1,2,3\n4,5,6\n", "a; net,b,c\n1,2,3\n4,5,6\n", "a\tnet,b,c\n1,2,3\n4,5,6",
      "a, net;b;c\n1;2;3\n4;5;6\n", "a, net\tb; c\td\n1\t2\t3\n4\t5\t6\n",
    ] {
      #expect(try read(text).values == [1, 2, 3, 4, 5, 6], "\(text)")
    }
  }

  /// Other programs' ways to write text are told by name.
  @Test func otherEncodingsAreNamed() {
    func read(_ bytes: [UInt8]) throws {
      _ = try TableReader(
        FileContents(bytes), header: .automatic, TableSelection(Dataset.LoadOptions()), path: "a.csv")
    }
    let wide: [UInt8] = "a,b\n1,2\n".utf8.flatMap { [$0, 0] }
    expectError("is UTF-16: save it as UTF-8") { try read([0xFF, 0xFE] + wide) }
    expectError("is UTF-16: save it as UTF-8") { try read([0xFE, 0xFF, 0] + wide.dropLast()) }
    expectError("has bytes of 0 in its text") { try read(wide) }
    expectError("line 1 has a line end of CR alone: save it with LF") { try read(Array("a,b\r1,2\r3,4\r".utf8)) }
    expectError("line 2 has a line end of CR alone") { try read(Array("a,b\n1,2\r3,4\n".utf8)) }
    #expect(throws: Never.self) { try read(Array("a,b\n\"x\ry\",2\n\"z\",4\r".utf8)) }
  }

  @Test func namesLineAndColumnOfWhatIsWrong() {
    expectError("line 3 has 1 columns where the first row has 2") { _ = try read("1,2\n3,4\n5\n6,7\n") }
    expectError("line 2 has 3 columns where the first row has 2") { _ = try read("1,2\n3,4,x\n") }
    expectError("line 2 has 3 columns where the first row has 2") { _ = try read("1,2\n3,4,5\n") }
    expectError("line 2 holds 'two' in the column '2'") { _ = try read("1,2\n3,two\n") }
    expectError("line 2 holds '1 2' in the column '1'") { _ = try read("1,2\n1 2,3\n") }
    expectError("line 2 holds '0x10' in the column '2'") { _ = try read("1,2\n3,0x10\n") }
    expectError("line 2 holds '1,5' in the column '1'") { _ = try read("1;2\n1,5;2\n") }
    expectError("line 2, column 1 opens a quote that is never closed") { _ = try read("1,2\n\"3,4\n") }
    expectError("line 2, column 1 is followed by “x,4", "put a separator") { _ = try read("1,2\n\"3\"x,4\n") }
    expectError("line 2 is blank") { _ = try read("1,2\n\n3,4\n") }
    expectError("line 1 is blank") { _ = try read("\n1,2\n") }
    expectError("no rows") { _ = try read("   ") }
    expectError("never closed") { _ = try read("\"a,b\n1,2\n") }
  }

  @Test func refusesWhatIsNotFinite() {
    for word in ["inf", "-Infinity", "1e999", "1e39", "-nan", "NAN"] {
      expectError("line 2, column '1' holds '\(word)', which is no number that fits 32 bits") {
        _ = try read("1,2\n\(word),4\n")
      }
    }
    #expect(throws: Never.self) { try read("1,2\nnan,4\n") }
  }

  /// Blocks of any size, on any number of threads, packed or not: the same rows.
  @Test(arguments: [1, 2, 3, 7, 40, 1000]) func blocksMakeNoDifference(blockSize: Int) throws {
    var text = "id,x,\"kind, of\nbird\",y,label\r\n"
    for row in 0..<200 {
      let kind = ["\"a \"\"b\"\"\"", "\"c\nd\"", "e", ""][row % 4]
      text += "r\(row),\(Double(row) / 8),\(kind), \(row % 5 == 0 ? "NA" : "1e\(row % 30)") ,\(["no", "yes"][row % 2])"
      text += row % 3 == 0 ? "\r\n" : "\n"
    }
    text += "\n  \n"
    func table(_ bytes: [UInt8], _ size: Int, _ threads: Int) throws -> TableReader {
      var options = Dataset.LoadOptions()
      options.idColumn = "id"
      options.labelColumn = "label"
      return try TableReader(
        FileContents(bytes), header: .automatic, TableSelection(options), path: "a.csv", blockSize: size,
        threads: threads)
    }
    let whole = try table(Array(text.utf8), 1 << 20, 1)
    #expect(whole.features == 5 && whole.values.count == 1000 && whole.rowNames?.last == "r199")
    #expect(whole.columnNames?[1...3] == ["kind, of\nbird=a \"b\"", "kind, of\nbird=c\nd", "kind, of\nbird=e"])
    #expect(whole.observed?.count { $0 == 0 } == 50 * 3 + 40)
    for bytes in [Array(text.utf8), gzip(Array(text.utf8))] {
      for threads in [1, 3] {
        let cut = try table(bytes, blockSize, threads)
        #expect(cut.values == whole.values && cut.observed == whole.observed && cut.rowNames == whole.rowNames)
        // A column's mean is added up block by block.
        #expect(cut.labels == whole.labels && cut.columnNames == whole.columnNames)
        let broken = Array((text.dropLast(4) + "1,2\n").utf8)
        expectError("line 253 has 2 columns where the first row has 5") {
          _ = try table(bytes.count == text.utf8.count ? broken : gzip(broken), blockSize, threads)
        }
      }
    }
    // A blank line in one block, and a row in another.
    expectError("line 3 is blank but rows follow it") { _ = try read("1,2\n3,4\n\n5,6\n", blockSize: blockSize) }
    // The first of what is wrong.
    expectError("line 2 has 1 columns") { _ = try read("1,2\n3\n\n5,6\n7\n", blockSize: blockSize, threads: 3) }
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
    expectError("line 2 has no label") { _ = try read("1,2\n3,\n", label: "2") }
    expectError("No column", exitCode: 64) { _ = try read("1\n", label: "1") }
    expectError("no column 'z'", exitCode: 64) { _ = try read("1,2\n", label: "z") }
    expectError("no column '3'", exitCode: 64) { _ = try read("1,2\n", label: "3") }
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
    // Beside the middle of two doubles, and as many digits as there may be.
    for _ in 0..<20_000 {
      let digits = generator.next() % 10_000_000_000_000_000_000
      let exponent = Int(generator.next() % 80) - 40
      texts.append("\(digits)e\(exponent)")
      let value = Double(bitPattern: generator.next() >> 2 | 0x3000_0000_0000_0000)
      texts.append(String(format: "%.20g", value))
      texts.append(String(format: "%.17g", (value + value.nextUp) / 2))
    }
    for text in texts {
      #expect(number(text.utf8)?.bitPattern == Double(text)?.bitPattern, "\(text)")
    }
    for text in ["", "+", "-", ".", "e5", "-.", "na", "+-1", "1x", "1e", "0x1"] {
      #expect(number(text.utf8) == nil, "\(text)")
    }
  }

  @Test func writerQuotesAndReadsBack() throws {
    let folder = try TemporaryFolder()
    let path = folder.path + "/a.csv"
    var table = CSVWriter(columns: ["epoch", "loss, \"train\""])
    try table.append(["1", "0.5"])
    try table.append(["2", "0.25"])
    try table.write(to: path)
    let back = try Dataset.load(path)
    #expect(back.columnNames == table.columns)
    #expect(back.values == [1, 0.5, 2, 0.25])
    expectError("1 fields", exitCode: 64) { try table.append(["3"]) }

    let values: [Float] = [0.1, -1e-30, 3.4028235e38, 7]
    try CSVWriter.write(values: values, features: 2, columnNames: ["a", "b"], to: path)
    #expect(try Dataset.load(path).values == values)
    expectError("rows of 3", exitCode: 64) { try CSVWriter.write(values: values, features: 3, to: path) }
  }
}
