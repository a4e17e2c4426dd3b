import CinchData
import FoundationEssentials

/// What candidates of a device came to grief. It is on the disk before a candidate runs, so that one which takes the machine
/// down with it is not tried without end on that driver and by those kernels. An end that nobody explains may have had
/// another cause, a second one counts. What is shipped is never left out, for without it nothing can be measured.
package struct TuningJournal {
  /// What stands behind a choice's name for what is shipped.
  package static let shipped = "shipped"

  private struct Contents: Codable {
    var madeFor: TuningIdentity
    /// Candidates and what became of them.
    var failed: [String: String] = [:]
    var running: String?
    /// Candidates that once did not end; earlier versions wrote none.
    var suspects: [String]?
  }

  private let path: String
  private var contents: Contents

  /// That a file is there, but no such journal: a sentence.
  package let notice: String?

  /// Reads a journal, or begins one where there is none that can be read, or one of another driver or other kernels.
  package init(_ path: String, for identity: TuningIdentity) {
    self.path = path
    let found = (try? FileBytes.read(path)).flatMap {
      try? JSONCoding.decoder.decode(Contents.self, from: Data($0))
    }
    if let found, found.madeFor == identity {
      contents = found
      notice = nil
    } else {
      contents = Contents(madeFor: identity)
      let fault = found == nil ? "cannot be read" : "is of another driver or version"
      notice =
        FileManager.default.fileExists(atPath: path)
        ? "ignoring '\(path)', which \(fault): candidates that failed before are tried again" : nil
    }
    // Earlier versions left it out, too.
    contents.failed = contents.failed.filter { !Self.isShipped($0.key) }
    if let running = contents.running {
      contents.running = nil
      doubt(running, "it did not end")
    }
  }

  private static func isShipped(_ name: String) -> Bool { name.hasSuffix(" " + shipped) }

  private mutating func doubt(_ candidate: String, _ reason: String) {
    guard !Self.isShipped(candidate) else { return }
    if contents.suspects?.contains(candidate) == true {
      contents.suspects?.removeAll { $0 == candidate }
      contents.failed[candidate] = reason + ", as before"
    } else {
      contents.suspects = (contents.suspects ?? []) + [candidate]
    }
  }

  /// What became of a candidate that must not be tried; nil of another.
  package func failure(of candidate: String) -> String? { contents.failed[candidate] }

  /// Says on the disk that a candidate is about to run.
  /// - Throws: `CinchError.inputOutput`; then it must not run.
  package mutating func begin(_ candidate: String) throws {
    contents.running = candidate
    try write()
  }

  /// It is never to be tried again, unless it is what is shipped.
  ///
  /// - Parameter reason: as a sentence has it behind "candidate, ".
  /// - Throws: `CinchError.inputOutput`.
  package mutating func fail(_ candidate: String, _ reason: String) throws {
    if !Self.isShipped(candidate) { contents.failed[candidate] = reason }
    try end()
  }

  /// It may be at fault: that is noted once, and the second time it fails.
  /// - Throws: `CinchError.inputOutput`.
  package mutating func suspect(_ candidate: String, _ reason: String) throws {
    doubt(candidate, reason)
    try stop()
  }

  /// What ran has come to an end by itself.
  /// - Throws: `CinchError.inputOutput`.
  package mutating func end() throws {
    let ended = contents.running
    contents.suspects?.removeAll { $0 == ended }
    try stop()
  }

  /// Nothing runs any more, and nothing is known of what did.
  /// - Throws: `CinchError.inputOutput`.
  package mutating func stop() throws {
    contents.running = nil
    try write()
  }

  private func write() throws { try AtomicFile.write(try JSONCoding.document(contents) + "\n", to: path) }
}
