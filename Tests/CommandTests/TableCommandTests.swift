import Foundation
import Testing

/// Tables with text, from the file to the file.
@Suite struct TableCommandTests {
  private func writeBirds(_ sandbox: Sandbox) throws {
    let rows = (0..<90).map { row in
      let island = ["Biscoe", "Dream", "Torgersen"][row % 3]
      let sex = row % 2 == 0 ? "male" : "female"
      return "b\(row),\(island),\(Double(30 + 5 * (row % 3)) + (row % 2 == 0 ? 2 : 0)),\(sex)"
    }
    try sandbox.write((["id,island,length,sex"] + rows).joined(separator: "\n") + "\n", to: "birds.csv")
  }

  @Test func textComesBackAsText() async throws {
    let sandbox = try Sandbox()
    try writeBirds(sandbox)
    let trained = try await sandbox.run(
      line:
        "train deep --data birds.csv --id-column id --scale minmax --layers 5,4 --lr 0.05 --epochs 150 --batch-size 16 "
        + "--device reference --out run")
    #expect(trained.status == 0, "\(trained.errors)")
    let written = try await sandbox.run(line: "reconstruct run -o x.csv")
    #expect(written.status == 0 && written.output.contains("90 rows"), "\(written.errors)")
    let lines = String(decoding: try sandbox.bytes("x.csv"), as: UTF8.self).split(separator: "\n")
    #expect(lines[0] == "id,island,length,sex")
    for (row, line) in lines.dropFirst().enumerated() {
      #expect(line.hasPrefix("b\(row),"))
      let cells = line.split(separator: ",").dropFirst().map { $0 }
      #expect(cells[0] == ["Biscoe", "Dream", "Torgersen"][row % 3] && cells[2] == (row % 2 == 0 ? "male" : "female"))
      #expect(abs((Double(cells[1]) ?? 0) - (Double(30 + 5 * (row % 3)) + (row % 2 == 0 ? 2 : 0))) < 3, "\(line)")
    }
    // Other columns, in another order.
    try sandbox.write("sex,weight,length,island\nmale,1,32,Dream\n", to: "one.csv")
    let nameless = try await sandbox.run(line: "encode run --data one.csv -o code.csv")
    #expect(nameless.refused(65) && nameless.errors.contains("--drop id"), "\(nameless.errors)")
    let one = try await sandbox.run(line: "encode run --data one.csv --drop id -o code.csv")
    #expect(one.status == 0 && one.errors.contains("ignored the column weight of"), "\(one.errors)")
    try sandbox.write("sex,length,island\nmale,32,Java\n", to: "other.csv")
    try sandbox.write("sex,length\nmale,32\n", to: "fewer.csv")
    for (line, words) in [("other.csv", "'Java'"), ("fewer.csv", "no column 'island'")] {
      let outcome = try await sandbox.run(line: "eval run --data \(line) --drop id")
      #expect(outcome.refused(65) && outcome.errors.contains(words), "\(outcome.errors)")
    }
    #expect(try await sandbox.run(line: "train --resume run --epochs 151").status == 0)
    let leak = try await sandbox.run(line: "finetune run --data birds.csv --label-column sex")
    #expect(leak.refused(64) && leak.errors.contains("--drop sex"), "\(leak.errors)")
  }

  @Test func whatIsMissingIsNamed() async throws {
    let sandbox = try Sandbox()
    try sandbox.write("a,b,who\n1,NA,x\n3,NA,y\n5,,x\n", to: "t.csv")
    try sandbox.write("a,b,who\n1,NA,x\n3,2,y\n5,4,x\n", to: "holes.csv")
    for (status, line, words) in [
      (65, "--data t.csv", "no value in any row"), (64, "--data t.csv --drop c", "no column 'c'"),
      (64, "--data t.csv --drop b,,a", "--drop takes names"), (64, "--data fashion-mnist --drop b", "--drop"),
      (64, "--data t.csv --columns b --drop b", "No column"),
    ] {
      let outcome = try await sandbox.run(line: "train linear --device reference --epochs 1 \(line)")
      #expect(outcome.refused(Int32(status)) && outcome.errors.contains(words), "\(line): \(outcome.errors)")
    }
    let outcome = try await sandbox.run(
      line: "train linear --device reference --epochs 1 --data t.csv --drop b --out run")
    #expect(outcome.status == 0, "\(outcome.errors)")
    for recipe in ["pca", "rbm"] {
      let refused = try await sandbox.run(line: "train \(recipe) --layers 3,2 --device reference --data holes.csv")
      #expect(refused.refused(65) && refused.errors.contains("missing cells"), "\(refused.errors)")
    }
  }

  /// Whatever is written of a table's rows begins with their names, and codes are read with them.
  @Test func rowsAreWrittenWithTheirNames() async throws {
    let sandbox = try Sandbox()
    try writeBirds(sandbox)
    let data = "--data birds.csv --id-column id --drop island"
    let trained = try await sandbox.run(
      line: "train linear \(data) --scale minmax --layers 2,1 --epochs 2 --device reference --out run")
    #expect(trained.status == 0, "\(trained.errors)")
    func lines(_ file: String) throws -> [Substring] {
      String(decoding: try sandbox.bytes(file), as: UTF8.self).split(separator: "\n")
    }
    for (line, header) in [
      ("encode run -o a.csv", "id,code_1"), ("reconstruct run -o a.csv", "id,length,sex"),
      ("score run -o a.csv", "id,score,quantile,anomaly"),
      ("score run --per-feature -o a.csv", "id,score,quantile,anomaly,length,sex=male"),
    ] {
      let outcome = try await sandbox.run(line: line + " --overwrite")
      #expect(outcome.status == 0, "\(line): \(outcome.errors)")
      let written = try lines("a.csv")
      #expect(written.count == 91 && written[0] == header, "\(line): \(written[0])")
      #expect(written.dropFirst().enumerated().allSatisfy { $1.hasPrefix("b\($0),") })
    }
    #expect(try await sandbox.run(line: "reconstruct run -o x.csv").status == 0)
    #expect(try await sandbox.run(line: "encode run -o CODES.CSV").status == 0)
    #expect(try await sandbox.run(line: "decode run --codes CODES.CSV -o y.csv").status == 0)
    #expect(try lines("x.csv") == lines("y.csv") && lines("CODES.CSV")[0] == "id,code_1")
    let top = try await sandbox.run(line: "score run --top 2 --json").object()["top"] as? [[String: Any]]
    #expect(top?.allSatisfy { $0["name"] as? String == "b\(($0["row"] as? Int ?? 0) - 1)" } == true)
    #expect(try await sandbox.run(line: "score run --top 2").output.contains("quantile  id"))

    let labelled = try await sandbox.run(
      line: "train classifier --data birds.csv --id-column id --label-column sex --drop island --layers 1,4 --epochs 1 "
        + "--device reference --out classes")
    #expect(labelled.status == 0, "\(labelled.errors)")
    #expect(try await sandbox.run(line: "classify classes -o c.csv").status == 0)
    #expect(try lines("c.csv")[0] == "id,class" && lines("c.csv")[90].hasPrefix("b89,"))
  }

  /// What is sampled of a table is a table.
  @Test func samplesAreRowsOfTheTable() async throws {
    let sandbox = try Sandbox()
    try writeBirds(sandbox)
    let trained = try await sandbox.run(
      line: "train vae --data birds.csv --drop id --scale minmax --layers 5,4,2 --epochs 1 --device reference --out run"
    )
    #expect(trained.status == 0, "\(trained.errors)")
    #expect(try await sandbox.run(line: "sample run -n 3 -o x.csv").status == 0)
    let lines = String(decoding: try sandbox.bytes("x.csv"), as: UTF8.self).split(separator: "\n")
    #expect(
      lines.count == 4 && lines[0] == "island,length,sex"
        && ["male", "female"].contains(lines[1].split(separator: ",").last))
  }

  /// Columns without names are found by their places, so they are written there, and without names.
  @Test func tablesWithoutNamesAreReadBack() async throws {
    let sandbox = try Sandbox()
    try writeBirds(sandbox)
    let text = String(decoding: try sandbox.bytes("birds.csv"), as: UTF8.self)
    let rows = text.split(separator: "\n").dropFirst()
    try sandbox.write(rows.joined(separator: "\n") + "\n", to: "bare.csv")
    for (options, cells) in [
      ("--columns 4,3", ["", "", "n", "s"]), ("--id-column 1 --columns 4,3", ["b0", "", "n", "s"]),
      ("--id-column 1 --columns 3,2", ["b0", "i", "n"]),
    ] {
      let trained = try await sandbox.run(
        line:
          "train deep --data bare.csv \(options) --layers \(cells.count == 3 ? 4 : 2),1 --epochs 1 --device reference --out run"
      )
      #expect(trained.status == 0, "\(trained.errors)")
      #expect(try await sandbox.run(line: "reconstruct run -o x.csv").status == 0)
      let lines = String(decoding: try sandbox.bytes("x.csv"), as: UTF8.self).split(separator: "\n")
      #expect(lines.count == 90)
      let first = lines[0].split(separator: ",", omittingEmptySubsequences: false).map(String.init)
      #expect(first.count == cells.count)
      for (cell, wanted) in zip(first, cells) {
        switch wanted {
        case "n": #expect(Double(cell) != nil, "\(lines[0])")
        case "s": #expect(["male", "female"].contains(cell), "\(lines[0])")
        case "i": #expect(["Biscoe", "Dream", "Torgersen"].contains(cell), "\(lines[0])")
        default: #expect(cell == wanted, "\(lines[0])")
        }
      }
      let back = try await sandbox.run(line: "encode run --data x.csv -o codes.csv")
      #expect(back.status == 0, "\(back.errors)")
      let decoded = try await sandbox.run(line: "decode run --codes codes.csv -o y.csv")
      #expect(decoded.status == 0, "\(decoded.errors)")
      for name in ["run", "x.csv", "codes.csv", "y.csv"] {
        try FileManager.default.removeItem(atPath: sandbox.path(name))
      }
    }
  }

  /// An id column that is called as the first code is.
  @Test func codesKeepNamesOfAnyTitle() async throws {
    let sandbox = try Sandbox()
    try writeBirds(sandbox)
    let text = String(decoding: try sandbox.bytes("birds.csv"), as: UTF8.self)
    try sandbox.write(text.replacing("id,island", with: "code_1,island"), to: "own.csv")
    let trained = try await sandbox.run(
      line: "train deep --data own.csv --id-column code_1 --layers 5,2 --epochs 1 --device reference --out run")
    #expect(trained.status == 0, "\(trained.errors)")
    #expect(try await sandbox.run(line: "encode run -o codes.csv").status == 0)
    let decoded = try await sandbox.run(line: "decode run --codes codes.csv -o y.csv")
    #expect(decoded.status == 0, "\(decoded.errors)")
    let lines = String(decoding: try sandbox.bytes("y.csv"), as: UTF8.self).split(separator: "\n")
    #expect(lines.count == 91 && lines[0].hasPrefix("code_1,island") && lines[90].hasPrefix("b89,"))
  }

  /// Where there is nothing to learn, no setting is at fault.
  @Test func oneSampleHasNothingToTell() async throws {
    let sandbox = try Sandbox()
    try sandbox.write("1,2,3\n", to: "one.csv")
    let outcome = try await sandbox.run(
      line: "train linear --data one.csv --scale minmax --layers 3,2 --epochs 1 --device reference --out run")
    #expect(
      outcome.status == 0 && outcome.output.contains("every feature of the training samples is constant")
        && !outcome.output.contains("learning rate"), "\(outcome.output)")
    try sandbox.write("1,2\n3,4\n", to: "pairs.csv")
    let other = try await sandbox.run(line: "eval run --data pairs.csv")
    #expect(other.refused(65) && other.errors.contains("has 2 features per sample"), "\(other.errors)")
    try sandbox.write("1\n3\n", to: "single.csv")
    let single = try await sandbox.run(line: "eval run --data single.csv")
    #expect(single.refused(65) && single.errors.contains("has 1 feature per sample"), "\(single.errors)")
  }

  /// A named recipe is as narrow as a table asks for, and what is wider on request is told.
  @Test func layersFollowTheTable() async throws {
    let sandbox = try Sandbox()
    try sandbox.writeData(columns: 3)
    let train = "train deep --data data.csv --device reference --epochs 1"
    let fitted = try await sandbox.run(line: train)
    #expect(fitted.status == 0 && fitted.errors.contains("3 → 2 → 1 → 2 → 3"), "\(fitted.errors)")
    #expect(!fitted.errors.contains("copying"))
    let wide = try await sandbox.run(line: train + " --layers 3,8,4")
    #expect(
      wide.status == 0 && wide.errors.contains("4 units for 3 features, and nothing keeps the network from copying"))
    for kept in ["--corruption masking --corruption-level 0.2", "--l1 0.01", "--activation sigmoid --rho 0.1"] {
      let outcome = try await sandbox.run(line: train + " --layers 3,8,4 " + kept)
      #expect(outcome.status == 0 && !outcome.errors.contains("copying"), "\(kept): \(outcome.errors)")
    }
  }
}
