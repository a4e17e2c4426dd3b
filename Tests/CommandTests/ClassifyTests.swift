import Foundation
import Testing

@Suite struct ClassifyTests {
  /// Two clouds of points with labels in the last column.
  private func trained() async throws -> Sandbox {
    let sandbox = try Sandbox()
    let rows = (0..<80).map { row in
      let label = row % 2
      return "\(Double(label) + 0.01 * Double(row % 7)),\(1 - Double(label) - 0.01 * Double(row % 5)),\(label)"
    }
    try sandbox.write(rows.joined(separator: "\n") + "\n", to: "data.csv")
    try sandbox.write(
      #"{"format": 2, "name": "two", "architecture": {"kind": "classifier", "layers": [2, 4], "classes": 2}}"#,
      to: "recipe.json")
    let outcome = try await sandbox.run(
      line:
        "train --recipe recipe.json --data data.csv --label-column 3 --lr 0.05 --epochs 40 --device reference --out run"
    )
    #expect(outcome.status == 0, "\(outcome.errors)")
    #expect(outcome.output.contains("error 0"))
    return sandbox
  }

  @Test func classesAreToldAndCompared() async throws {
    let sandbox = try await trained()
    let text = try await sandbox.run(line: "classify run -o classes.csv")
    #expect(text.status == 0 && text.output.contains("error     0 % ± 0 of 80 samples"), "\(text.output)\(text.errors)")
    #expect(text.output.contains("0        40     0\n1         0    40"), "\(text.output)")
    let lines = String(decoding: try sandbox.bytes("classes.csv"), as: UTF8.self).split(separator: "\n")
    #expect(lines.count == 81 && lines[0] == "class" && lines[1] == "0" && lines[2] == "1")
    // One wrong label of four: e = 1/4.
    try sandbox.write("0,1,0\n1,0,1\n0.02,0.97,1\n1.03,0,1\n", to: "four.csv")
    let record = try await sandbox.run(line: "classify run --data four.csv --label-column 3 --json").object()
    #expect((record["metrics"] as? [String: Double])?["error"] == 0.25)
    #expect(record["confusion"] as? [[Int]] == [[1, 0], [1, 2]])
    #expect(abs(try #require(record["error_interval"] as? Double) - 1.96 * (0.25 * 0.75 / 4).squareRoot()) < 1e-12)
    let evaluated = try await sandbox.run(line: "eval run --data four.csv --label-column 3 --json").object()
    #expect((evaluated["metrics"] as? [String: Double])?["error"] == 0.25)
    try sandbox.write("0,1\n1,0\n", to: "plain.csv")
    let plain = try await sandbox.run(line: "classify run --data plain.csv")
    #expect(plain.status == 0 && plain.output.contains("without labels"))
  }

  @Test func whatCannotBeClassifiedIsRefused() async throws {
    let sandbox = try await trained()
    try sandbox.write("0,1,2\n", to: "unknown.csv")
    #expect(try await sandbox.run(line: "classify run --data unknown.csv --label-column 3").refused(65))
    #expect(try await sandbox.run(line: "classify run -o classes.npy").refused(64))
    try sandbox.writeData("other.csv", rows: 20)
    try await sandbox.run(line: "train deep --layers 16,8 --data other.csv --device reference --epochs 1 --out deep")
    #expect(try await sandbox.run(line: "classify deep").refused(64))
    #expect(try await sandbox.run(line: "classify run --data other.csv").refused(65))
  }
}
