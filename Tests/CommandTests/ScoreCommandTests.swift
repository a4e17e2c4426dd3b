import Foundation
import Testing

@Suite struct ScoreCommandTests {
  /// A run of points near a line, and samples some of which lie off it.
  private func trained() async throws -> Sandbox {
    let sandbox = try Sandbox()
    func row(_ index: Int, off: Double) -> String {
      let t = Double(index * 37 % 101) / 101
      return "\(t),\(1 - t),\(t + off),\(0.5 * t)"
    }
    try sandbox.write("a,b,c,d\n" + (0..<100).map { row($0, off: 0) }.joined(separator: "\n") + "\n", to: "normal.csv")
    // Every tenth is off.
    let mixed = (0..<40).map { "\(row($0, off: $0 % 10 == 3 ? 1 + Double($0) / 100 : 0)),\($0 % 10 == 3 ? 2 : 0)" }
    try sandbox.write("a,b,c,d,label\n" + mixed.joined(separator: "\n") + "\n", to: "mixed.csv")
    let names = mixed.map { $0.hasSuffix(",2") ? $0.dropLast() + "odd" : $0.dropLast() + "usual" }
    try sandbox.write("a,b,c,d,label\n" + names.joined(separator: "\n") + "\n", to: "named.csv")
    let outcome = try await sandbox.run(
      line: "train pca --layers 4,1 --data normal.csv --scale standard --device reference --out run")
    #expect(outcome.status == 0, "\(outcome.errors)")
    return sandbox
  }

  private func table(_ sandbox: Sandbox, _ name: String) throws -> (columns: [String], rows: [[Double]]) {
    let lines = String(decoding: try sandbox.bytes(name), as: UTF8.self).split(separator: "\n")
      .map { $0.split(separator: ",").map(String.init) }
    return (lines[0], lines.dropFirst().map { $0.map { Double($0) ?? .nan } })
  }

  @Test func anomaliesAreFound() async throws {
    let sandbox = try await trained()
    let data = "--data mixed.csv --label-column label"
    let text = try await sandbox.run(line: "score run \(data) -o scores.csv --top 5")
    #expect(text.status == 0 && text.errors.isEmpty, "\(text.errors)")
    #expect(
      text.output.contains("auc        1.0000, 4 anomalous against 36 normal")
        && text.output.contains("precision  1.0000 on average") && text.output.contains("training   100 samples"),
      "\(text.output)")
    let (columns, rows) = try table(sandbox, "scores.csv")
    #expect(columns == ["score", "quantile", "anomaly"] && rows.count == 40)
    for (index, row) in rows.enumerated() where index % 10 == 3 { #expect(row[1] == 1 && row[2] == 1) }
    // The largest first: 34, 24, 14, 4, counted from 1.
    let printed = text.lines.suffix(5).compactMap { $0.split(separator: " ").first.flatMap { Int($0) } }
    #expect(printed.prefix(4) == [34, 24, 14, 4], "\(text.output)")
    let record = try await sandbox.run(line: "score run \(data) --json --top 2").object()
    #expect(record["metrics"] as? [String: Double] == ["auc": 1, "average_precision": 1])
    #expect(record["samples"] as? Int == 40 && record["training_samples"] as? Int == 100)
    let top = try #require(record["top"] as? [[String: Any]])
    #expect(top.count == 2 && top[0]["row"] as? Int == 34 && top[0]["score"] as? Double == rows[33][0])
    #expect(sandbox.exists("run/scores.safetensors"))
  }

  /// The threshold that was set last holds.
  @Test func thresholdsAreKept() async throws {
    let sandbox = try await trained()
    let data = "--data mixed.csv --label-column label"
    func threshold(_ options: String) async throws -> (value: Double, rule: String, anomalies: Int) {
      let record = try await sandbox.run(line: "score run \(data) --json \(options)").object()
      return (
        try #require(record["threshold"] as? Double), try #require(record["rule"] as? String),
        try #require(record["anomalies"] as? Int)
      )
    }
    let usual = try await threshold("")
    #expect(usual.rule == "false_alarms")
    let set = try await threshold("--contamination 0.05")
    #expect(set.rule == "contamination" && set.anomalies == 2 && set.value > usual.value)
    #expect(try await threshold("") == set)
    #expect(try await threshold("--false-alarms 0.01") == usual)
    #expect(try await threshold("") == usual)
    // What cannot be read is told once.
    #expect(try await threshold("--contamination 0.05") == set)
    try sandbox.write("no scores", to: "run/scores.safetensors")
    let damaged = try await sandbox.run(line: "score run \(data)")
    #expect(damaged.status == 0 && damaged.errors.contains("a threshold that was set"), "\(damaged.errors)")
    let again = try await sandbox.run(line: "score run \(data)")
    #expect(again.status == 0 && again.errors.isEmpty, "\(again.errors)")
    #expect(try await threshold("") == usual)
  }

  @Test func featuresAndNamesAreThere() async throws {
    let sandbox = try await trained()
    let line = "score run --data named.csv --label-column label --normal usual -o scores.csv --per-feature"
    let outcome = try await sandbox.run(line: line)
    #expect(outcome.status == 0 && outcome.output.contains("auc        1.0000"), "\(outcome.errors)")
    let (columns, rows) = try table(sandbox, "scores.csv")
    #expect(columns == ["score", "quantile", "anomaly", "a", "b", "c", "d"])
    for row in rows { #expect(abs(row[3...].reduce(0, +) - row[0]) <= 1e-6 * max(row[0], 1e-6)) }
    // What is off is the third.
    #expect(rows[33][5] == rows[33][3...].max())
    // Names alone do not say what is normal; and a name of the file's own columns gives way.
    let unsaid = try await sandbox.run(line: "score run --data named.csv --label-column label")
    #expect(unsaid.status == 0 && !unsaid.output.contains("auc") && unsaid.errors.contains("--normal"))
    let text = String(decoding: try sandbox.bytes("normal.csv"), as: UTF8.self)
    try sandbox.write(text.replacing("a,b,c,d", with: "a,b,score,d"), to: "own.csv")
    _ = try await sandbox.run(line: "train pca --layers 4,1 --data own.csv --device reference --out own")
    _ = try await sandbox.run(line: "score own -o own-scores.csv --per-feature")
    #expect(
      try table(sandbox, "own-scores.csv").columns == ["score", "quantile", "anomaly", "a", "b", "feature_score", "d"])
  }

  /// Scaling makes 0 of a column that was constant, whatever it holds.
  @Test func changedConstantsAreTold() async throws {
    let sandbox = try Sandbox()
    func write(_ name: String, _ valve: (Int) -> Int) throws {
      let rows = (0..<30).map { "\(Double($0 * 7 % 30) / 30),\(Double($0 * 11 % 30) / 30),\(valve($0))" }
      try sandbox.write("a,b,valve\n" + rows.joined(separator: "\n") + "\n", to: name)
    }
    try write("data.csv") { _ in 3 }
    try write("new.csv") { $0 % 10 == 4 ? 5 : 3 }
    let trained = try await sandbox.run(
      line: "train linear --layers 3,2 --data data.csv --scale standard --device reference --epochs 1 --out run")
    #expect(trained.status == 0, "\(trained.errors)")
    let own = try await sandbox.run(line: "score run")
    #expect(own.status == 0 && own.errors.isEmpty, "\(own.errors)")
    let outcome = try await sandbox.run(line: "score run --data new.csv -o scores.csv")
    #expect(
      outcome.status == 0 && outcome.errors.hasPrefix("3 of 30 samples differ in the column 'valve'"),
      "\(outcome.errors)")
    let (columns, rows) = try table(sandbox, "scores.csv")
    #expect(columns == ["score", "quantile", "anomaly", "changed_constants"])
    for (index, row) in rows.enumerated() { #expect(row[3] == (index % 10 == 4 ? 1 : 0)) }
    #expect(try await sandbox.run(line: "score run --data new.csv --json").object()["changed_samples"] as? Int == 3)
  }

  /// Texts are features of their own, and columns are found by name.
  @Test func tablesAreReadAsTheRunsOwn() async throws {
    let sandbox = try Sandbox()
    let rows = (0..<30).map { "\(Double($0) / 30),\(["red", "green", "blue"][$0 % 3])" }
    try sandbox.write("x,colour\n" + rows.joined(separator: "\n") + "\n", to: "data.csv")
    let trained = try await sandbox.run(
      line: "train deep --layers 4,2 --data data.csv --device reference --epochs 1 --out run")
    #expect(trained.status == 0, "\(trained.errors)")
    try sandbox.write("y,colour,x\n7,red,0.5\n8,blue,0.25\n", to: "other.csv")
    let outcome = try await sandbox.run(line: "score run --data other.csv -o scores.csv --per-feature")
    #expect(outcome.status == 0, "\(outcome.errors)")
    let (columns, scored) = try table(sandbox, "scores.csv")
    #expect(columns[3...] == ["x", "colour=blue", "colour=green", "colour=red"] && scored.count == 2)
  }

  /// A name with an end of a line in it is a cell of the file, and on one line of the table.
  @Test func namesDoNotBreakTheTable() async throws {
    let sandbox = try Sandbox()
    let rows = (0..<12).map { "\"n\n\($0)\",\(Double($0 % 5) / 5),\(Double($0 % 7) / 7)" }
    try sandbox.write("id,x,y\n" + rows.joined(separator: "\n") + "\n", to: "data.csv")
    let trained = try await sandbox.run(
      line: "train linear --layers 2,1 --data data.csv --id-column id --device reference --epochs 1 --out run")
    #expect(trained.status == 0, "\(trained.errors)")
    let outcome = try await sandbox.run(line: "score run --top 3 -o scores.csv")
    #expect(outcome.status == 0, "\(outcome.errors)")
    #expect(outcome.lines.suffix(3).allSatisfy { $0.contains(#"n\n"#) }, "\(outcome.output)")
    #expect(String(decoding: try sandbox.bytes("scores.csv"), as: UTF8.self).contains("\"n\n0\","))
  }

  /// A row alone has the score that it has among others.
  @Test func rowsAreScoredAlone() async throws {
    let sandbox = try await trained()
    _ = try await sandbox.run(line: "score run --data mixed.csv --label-column label -o all.csv")
    let lines = String(decoding: try sandbox.bytes("mixed.csv"), as: UTF8.self).split(separator: "\n")
    try sandbox.write("\(lines[0])\n\(lines[24])\n", to: "one.csv")
    _ = try await sandbox.run(line: "score run --data one.csv --label-column label -o one-scores.csv")
    #expect(try table(sandbox, "one-scores.csv").rows == [table(sandbox, "all.csv").rows[23]])
  }

  @Test func picturesShowTheLargestScores() async throws {
    let sandbox = try Sandbox()
    try sandbox.writeData(rows: 60)
    _ = try await sandbox.run(
      line: "train deep --layers 16,4 --data data.csv --image-shape 4,4 --device reference --epochs 1 --out run")
    let outcome = try await sandbox.run(line: "score run --picture worst.png --top 3")
    #expect(outcome.status == 0 && outcome.output.contains("worst.png   (3 samples)"), "\(outcome.errors)")
    #expect(try sandbox.bytes("worst.png").prefix(4) == Data([0x89, 0x50, 0x4E, 0x47]))
  }

  @Test func everyKindOfRunIsScored() async throws {
    let sandbox = try Sandbox()
    try sandbox.writeData(rows: 60)
    for (name, options) in [
      ("rbm", "--layers 16,8 --epochs 1"), ("vae", "--layers 16,8,2 --epochs 1"), ("ppca", "-p 3 --scale standard"),
      ("sparse", "--layers 16,8 --epochs 1"),
    ] {
      let trained = try await sandbox.run(
        line: "train \(name) \(options) --data data.csv --device reference --out \(name)")
      #expect(trained.status == 0, "\(trained.errors)")
      let outcome = try await sandbox.run(line: "score \(name) -o \(name).csv")
      #expect(outcome.status == 0 && outcome.errors.isEmpty, "\(name): \(outcome.errors)")
      #expect(try table(sandbox, "\(name).csv").rows.count == 60)
    }
    #expect(try await sandbox.run(line: "score rbm -o a.csv --per-feature").refused(64))
    _ = try await sandbox.run(line: "score vae -o a.csv --per-feature")
    #expect(try table(sandbox, "a.csv").columns.prefix(5) == ["score", "quantile", "anomaly", "code", "feature_1"])
  }

  @Test func whatCannotBeScoredIsRefused() async throws {
    let sandbox = try await trained()
    try sandbox.writeData("wide.csv", rows: 10)
    try sandbox.write("a,b,c,d\n1,2,3,4\n", to: "plain.csv")
    try sandbox.write(
      #"{"format": 2, "name": "two", "architecture": {"kind": "classifier", "layers": [4, 4], "classes": 3}}"#,
      to: "recipe.json")
    _ = try await sandbox.run(
      line:
        "train --recipe recipe.json --data mixed.csv --label-column label --device reference --epochs 1 --out classes")
    for (line, status) in [
      ("score run --data wide.csv", 65), ("score classes", 64), ("score run --contamination 0", 64),
      ("score run --contamination 1", 64), ("score run --contamination 2", 64), ("score run --false-alarms 1", 64),
      ("score run --false-alarms 0.1 --contamination 0.1", 64), ("score run -o scores.npy", 64),
      ("score run --picture a.jpg", 64), ("score run --per-feature", 64), ("score run --top 0", 64),
      ("score run --data plain.csv --normal 0", 64), ("score run --data mixed.csv --label-column label --normal 7", 64),
      ("score nowhere", 74),
    ] as [(String, Int32)] {
      let outcome = try await sandbox.run(line: line)
      #expect(outcome.refused(status), "\(line): \(outcome.status) \(outcome.errors)")
    }
    #expect(!sandbox.exists("scores.npy"))
  }

  @Test func theTrainingDataCanBeMissing() async throws {
    let sandbox = try await trained()
    try FileManager.default.moveItem(atPath: sandbox.path("normal.csv"), toPath: sandbox.path("elsewhere.csv"))
    let data = "--data mixed.csv --label-column label"
    #expect(try await sandbox.run(line: "score run \(data)").refused(65))
    let outcome = try await sandbox.run(line: "score run \(data) --contamination 0.1 -o scores.csv")
    #expect(outcome.status == 0 && outcome.errors.contains("no quantiles"), "\(outcome.errors)")
    let (columns, rows) = try table(sandbox, "scores.csv")
    #expect(columns == ["score", "anomaly"] && rows.count { $0[1] == 1 } == 4)
  }
}
