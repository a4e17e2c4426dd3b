import Foundation
import Testing

/// Tables with holes, from the file to the file.
@Suite struct ImputeCommandTests {
  private static let islands = ["Biscoe", "Dream", "Torger, sen"]

  /// A row, and which of its cells are missing.
  private static func row(_ row: Int, hole: Bool = true) -> [String] {
    let (island, male) = (row % 3, row % 2 == 0)
    var cells = [
      "b\(row)", island == 2 ? "\"\(islands[2])\"" : islands[island], "\(30 + 5 * island + (male ? 2 : 0)).50",
      male ? "male" : "female", "\(row)", male ? "1" : "0",
    ]
    if hole, row % 5 == 1 { cells[1] = ["", "NA", "?"][row % 3] }
    if hole, row % 7 == 2 { cells[2] = row % 3 == 0 ? "  " : "nan" }
    if hole, row % 11 == 3 { cells[3] = "null" }
    if hole, row % 13 == 4 { cells[5] = "-9" }
    return cells
  }

  private func writeTable(_ sandbox: Sandbox, _ name: String = "birds.csv", rows: Range<Int> = 0..<120) throws {
    let lines = rows.map { Self.row($0).joined(separator: ";") }
    try sandbox.write(
      "\u{FEFF}" + (["id;island;length;sex;note;wild"] + lines).joined(separator: "\r\n") + "\r\n", to: name)
  }

  private let options = "--missing -9 --id-column id --drop note --device reference --seed 3"

  /// Only missing cells of features change, and those to what the other cells tell.
  @Test func holesAreFilled() async throws {
    let sandbox = try Sandbox()
    try writeTable(sandbox)
    let outcome = try await sandbox.run(
      line: "impute --data birds.csv \(options) --epochs 200 --batch-size 16 -o done.csv -m 3 --save run")
    #expect(outcome.status == 0, "\(outcome.errors)")
    #expect(outcome.output.contains("cells completed") && outcome.output.contains("length"))
    #expect(!outcome.errors.contains("epoch   "))
    func lines(_ name: String) throws -> [[String]] {
      let text = String(decoding: try sandbox.bytes(name), as: UTF8.self)
      #expect(text.hasPrefix("\u{FEFF}id;island") && text.hasSuffix("\r\n"))
      return text.split(separator: "\r\n").dropFirst().map { $0.split(separator: ";").map(String.init) }
    }
    let done = try lines("done.csv")
    #expect(done.count == 120)
    var right = 0
    var holes = 0
    for (index, cells) in done.enumerated() {
      let (given, whole) = (Self.row(index), Self.row(index, hole: false))
      for (column, cell) in cells.enumerated() {
        if given[column] == whole[column] {
          #expect(cell == whole[column])
          continue
        }
        holes += 1
        if column == 2 {
          #expect(cell.split(separator: ".").last?.count == 2, "\(cell)")
          if abs((Double(cell) ?? 0) - (Double(whole[column]) ?? 9)) < 3 { right += 1 }
        } else if cell == whole[column] {
          right += 1
        }
      }
    }
    #expect(holes > 50 && right > holes * 8 / 10, "\(right) of \(holes)")
    let draws = try (1...3).map { try lines("done-\($0).csv") }
    #expect(draws[0] != draws[1])
    let variances = try lines("done-variance.csv")
    for (index, cells) in variances.enumerated() {
      let (given, whole) = (Self.row(index), Self.row(index, hole: false))
      #expect(cells[0] == whole[0] && cells[4] == whole[4])
      for column in [1, 2, 3, 5] where given[column] == whole[column] { #expect(cells[column] == "0") }
    }
    #expect(variances.contains { (Double($0[2]) ?? 0) > 0 })

    // The model completes rows that it has not seen, each as if it were alone.
    try writeTable(sandbox, "new.csv", rows: 301..<341)
    try writeTable(sandbox, "one.csv", rows: 316..<317)
    for name in ["new", "one"] {
      let run = try await sandbox.run(line: "impute --run run --data \(name).csv -o \(name)-done.csv --json")
      #expect(run.status == 0, "\(run.errors)")
      #expect(try run.objects().last?["event"] as? String == "completed")
    }
    #expect(Self.row(316)[1] == "?" || Self.row(316)[1] == "" || Self.row(316)[1] == "NA")
    #expect(try lines("new-done.csv")[15] == lines("one-done.csv")[0])
    // It goes on, and is scored like any other.
    #expect(try await sandbox.run(line: "eval run --json").status == 0)
    #expect(try await sandbox.run(line: "score run --data new.csv -o scores.csv").status == 0)
    #expect(try await sandbox.run(line: "train --resume run --epochs 201").status == 0)
  }

  @Test func comparisonsArePrinted() async throws {
    let sandbox = try Sandbox()
    try writeTable(sandbox)
    let line = "impute --data birds.csv \(options) --epochs 30 --batch-size 16 --evaluate 0.2"
    let outcome = try await sandbox.run(line: "\(line) --quiet")
    #expect(outcome.status == 0, "\(outcome.errors)")
    for word in ["known cells hidden", "autoencoder", "nearest neighbours", "principal", "island", "length"] {
      #expect(outcome.output.contains(word), "\(word)")
    }
    #expect(!sandbox.exists("runs"))
    let json = try await sandbox.run(line: "\(line) --json")
    let methods = try #require(try json.objects().last?["methods"] as? [[String: Any]])
    #expect(methods.compactMap { $0["method"] as? String } == ["autoencoder", "mean", "median", "pca", "neighbours"])
    #expect(methods.allSatisfy { ($0["rmse"] as? Double ?? -1) > 0 && ($0["accuracy"] as? Double ?? 2) <= 1 })
  }

  /// The loss of the table's columns gives way to another.
  @Test func anotherLossIsTaken() async throws {
    let sandbox = try Sandbox()
    try writeTable(sandbox)
    for loss in ["sse", "gaussian"] {
      let outcome = try await sandbox.run(
        line: "impute --data birds.csv \(options) --epochs 5 --loss \(loss) -o \(loss).csv --save \(loss) --quiet")
      #expect(outcome.status == 0 && outcome.output.contains("cells completed"), "\(outcome.errors)")
      let config = String(decoding: try sandbox.bytes("\(loss)/config.json"), as: UTF8.self)
      #expect(config.contains("\"loss\" : \"\(loss)\""))
    }
  }

  /// A table with texts is told apart by column, unless a loss is named.
  @Test func tablesWithTextAreMixed() async throws {
    let sandbox = try Sandbox()
    try writeTable(sandbox)
    let line = "train denoising --data birds.csv --missing -9 --drop id,note --device reference --epochs 2 --out run"
    let outcome = try await sandbox.run(line: line)
    #expect(outcome.status == 0, "\(outcome.errors)")
    #expect(outcome.errors.contains("mixed") && outcome.errors.contains(", standard scaling"), "\(outcome.errors)")
    let config = String(decoding: try sandbox.bytes("run/config.json"), as: UTF8.self)
    #expect(config.contains(#""loss" : "mixed""#) && config.contains(#""kind" : "standard""#))
    let other = try await sandbox.run(
      line: "\(line.replacing("--out run", with: "--out other")) --scale minmax --loss sse")
    #expect(other.status == 0, "\(other.errors)")
    #expect(!other.errors.contains("mixed"))
    // Of numbers alone where it is asked for.
    try sandbox.write("a,b\n1,200\n3,NA\n5,400\n", to: "numbers.csv")
    // A linear output, which it has anyway, changes nothing of it.
    for (index, recipe) in [
      "imputation", "deep --loss mixed", "imputation --output-activation linear",
      "deep --loss mixed --output-activation linear",
    ].enumerated() {
      let asked = try await sandbox.run(
        line: "train \(recipe) --data numbers.csv --device reference --epochs 1 --out asked\(index)")
      #expect(asked.status == 0, "\(asked.errors)")
      let text = String(decoding: try sandbox.bytes("asked\(index)/config.json"), as: UTF8.self)
      #expect(text.contains(#""kind" : "standard""#) && text.contains(#""loss" : "mixed""#))
    }
  }

  @Test(arguments: [
    (64, "impute -o x.csv", "No table is named"), (64, "impute --data t.csv", "Nothing would come of this"),
    (64, "impute --data t.csv -o x.npy", "neither .csv nor .tsv"), (64, "impute --data t.csv -o x.csv -m 0", "-m 0"),
    (64, "impute --data t.csv -o x.tsv", "has no tabs between its cells"),
    (64, "impute --data tabs.csv -o x.csv --evaluate 0.2", "end with .tsv"),
    (64, "impute --data t.csv -m 3 --evaluate 0.2", "--output"),
    (64, "impute --data t.csv -m 3 -o x.csv --corruption gaussian", "not trained with masking"),
    (64, "impute --data t.csv --evaluate 1", "between 0 and 1"),
    (64, "impute --data t.csv -o x.csv --run r --epochs 3", "--epochs"),
    (64, "impute --data t.csv --run r --evaluate 0.2", "--evaluate"),
    (64, "impute --data t.csv -o x.csv --run r --save s", "--save"),
    (74, "impute --data none.csv -o x.csv", "none.csv"),
    (65, "impute --data holes.csv -o x.csv", "no value in any row"),
    (65, "impute --data same.csv -o x.csv", "every row"),
    (64, "impute --data images-idx3-ubyte -o x.csv", "images"),
    (64, "impute --data bare.csv -o x.csv", "no table with names"),
  ])
  func refusalsSayWhatToDo(status: Int, line: String, part: String) async throws {
    let sandbox = try Sandbox()
    try sandbox.write("a,b\n1,2\n3,\n5,4\n", to: "t.csv")
    try sandbox.write("a\tb\n1\t2\n3\t\n5\t4\n", to: "tabs.csv")
    try sandbox.write("a,b\n1,\n3,NA\n", to: "holes.csv")
    try sandbox.write("a,b\n1,x\n3,x\n", to: "same.csv")
    try sandbox.write("1,2\n3,4\n5,7\n", to: "bare.csv")
    let images: [UInt8] = [0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 2] + [UInt8](repeating: 7, count: 8)
    try Data(images).write(to: sandbox.folder.appendingPathComponent("images-idx3-ubyte"))
    let outcome = try await sandbox.run(line: line)
    #expect(outcome.refused(Int32(status)) && outcome.errors.contains(part), "\(outcome.errors)")
    #expect(!sandbox.exists("x.csv") && !sandbox.exists("runs"))
  }
}
