import CinchBackend
import Conformance
import TestSupport
import Testing

@Suite("Ops as the sources declare them") struct OpTableTests {
  private let sources: OpSources

  init() throws { sources = try OpSources() }

  @Test("Every op of the protocols is in the table")
  func coverage() {
    #expect(sources.ops.count > 25)
    #expect(Set(Conformance.ops) == Set(sources.ops.map(\.function.name)))
  }

  @Test("Every op but transfers is timed")
  func timed() throws {
    #expect(try Set(Conformance.ops).subtracting(Conformance.timedOps()) == ["write", "read", "allocate"])
  }

  @Test("A function is read with its labels")
  func labels() throws {
    #expect(sources.ops.contains { $0.function.signature == "matmul(_:transposeA:_:transposeB:into:epilogue:)" })
    let gather = try #require(sources.ops.first { $0.function.signature.hasSuffix("corrupted:)") })
    #expect(sources.made(of: gather.function) == ["gather", "corrupt"])
  }

  /// The article on ops, made anew where CINCH_UPDATE_SNAPSHOTS is set.
  @Test("The article says which ops a backend runs itself")
  func articleIsInStep() throws {
    let difference = try Snapshot("Sources/Cinch/Cinch.docc/Articles", "Ops.md").difference(from: render())
    #expect(difference == nil)
  }

  private static let backends = [
    ("cpu", "Sources/CPUBackend"), ("opencl", "Sources/OpenCLBackend"),
    ("reference", "Sources/CinchBackend/Reference"),
  ]

  private func render() throws -> String {
    let own = try Self.backends.map { try OpSources.signatures(in: $0.1) }
    var lines = [
      """
      # Ops

      What a backend is made of, who runs it, and how many cases prove it.

      <!-- Made by the tests of the op table from the sources; CINCH_UPDATE_SNAPSHOTS=1 makes it anew. -->

      Formulas and shapes are in the comments of the protocols, in `Sources/CinchBackend/Ops`. A backend runs an op
      *itself*, or has the default, which is made of the ops that are named. `cinch selftest` runs the cases on your
      devices, `cinch selftest --perf` times the ops.

      | op | cases | \(Self.backends.map { "`\($0.0)`" }.joined(separator: " | ")) |
      |---|--:|\(Self.backends.map { _ in "---" }.joined(separator: "|"))|
      """
    ]
    var counted: Set<String> = [], family = ""
    for op in sources.ops {
      if op.family != family {
        family = op.family
        lines.append("| **\(family)** | |\(Self.backends.map { _ in " |" }.joined())")
      }
      let name = op.function.name
      let cases = Conformance.cases.count { $0.op == name }
      let cells = try own.map { signatures in
        if signatures.contains(op.function.signature) { return "itself" }
        let parts = try #require(sources.made(of: op.function), "no backend lacks what has no default")
        return parts.map { "`\($0)`" }.joined(separator: ", ")
      }
      let count = counted.insert(name).inserted ? "\(cases)" : "above"
      lines.append("| `\(op.function.signature)` | \(count) | \(cells.joined(separator: " | ")) |")
    }
    return lines.joined(separator: "\n") + "\n"
  }
}
