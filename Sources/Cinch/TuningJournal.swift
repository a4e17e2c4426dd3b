import CinchData
import FoundationEssentials

/// What candidates of a device came to grief. It is on the disk before a candidate runs, so that one which takes the machine
/// down with it is never tried again on that driver and by those kernels.
package struct TuningJournal {
  private struct Contents: Codable {
    var madeFor: TuningIdentity
    /// Candidates and what became of them.
    var failed: [String: String] = [:]
    var running: String?
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
    if let running = contents.running {
      contents.failed[running] = "it did not end before"
      contents.running = nil
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

  /// - Parameter reason: as a sentence has it behind "candidate, ".
  /// - Throws: `CinchError.inputOutput`.
  package mutating func fail(_ candidate: String, _ reason: String) throws {
    contents.failed[candidate] = reason
    try end()
  }

  /// Nothing runs any more.
  /// - Throws: `CinchError.inputOutput`.
  package mutating func end() throws {
    contents.running = nil
    try write()
  }

  private func write() throws { try AtomicFile.write(try JSONCoding.document(contents) + "\n", to: path) }
}
