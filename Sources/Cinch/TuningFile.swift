import CinchBackend
import CinchData
import FoundationEssentials
import OpenCLBackend
import Synchronization

/// What a choice was measured on. On anything else it means nothing.
package struct TuningIdentity: Sendable, Hashable, Codable {
  package var device: String
  package var platform: String
  package var driver: String
  package var computeUnits: Int
  /// The family of kernels.
  package var family: String
  /// A checksum of all kernels, and of the candidates.
  package var kernels: String

  package init(_ backend: OpenCLBackend) {
    let device = backend.device
    self.device = device.name
    platform = device.platformName
    driver = device.driver
    computeUnits = device.computeUnits
    family = backend.family.rawValue
    kernels = Self.kernelSum
  }

  private static let kernelSum: String = {
    var sum = Checksum()
    for text in OpenCLBackend.tunedSources { sum.add(text + "\n") }
    return sum.text
  }()

  /// What is other in `there`, as a part of a sentence; nil where nothing is.
  func difference(from there: TuningIdentity) -> String? {
    if device != there.device { return "the device \(there.device)" }
    if family != there.family { return "\(there.family) kernels" }
    if platform != there.platform || driver != there.driver { return "another driver (\(there.driver))" }
    if computeUnits != there.computeUnits { return "a device of \(there.computeUnits) compute units" }
    return kernels != there.kernels ? "the kernels of another version of Cinch" : nil
  }

  /// The start of the names of files about a device and family; driver and kernels stand in them.
  fileprivate var stem: String {
    let name = device.lowercased().map { $0.isASCII && ($0.isLetter || $0.isNumber) ? $0 : "-" }
    return "tuning-" + String(name).split(separator: "-").joined(separator: "-") + "-\(family)"
  }
}

/// The file that keeps what `cinch tune` chose for a device, in the user's cache folder: `$XDG_CACHE_HOME/cinch`, or
/// `~/.cache/cinch`. Whoever opens the device takes it, unless `CINCH_TUNING` is `off`, or 0. No result depends on it, so
/// one that is damaged, or of another driver, is ignored with a notice.
package struct TuningFile: Codable {
  private static let currentFormat = 1

  private var format: Int
  private var madeFor: TuningIdentity
  /// Names of choices and of what was chosen.
  private var choices: [String: String]

  private init(_ tuning: Tuning, _ identity: TuningIdentity) {
    format = Self.currentFormat
    madeFor = identity
    choices = tuning.names
  }

  // MARK: - Where

  /// The folder, which need not be there; nil where the environment names neither it nor a home.
  package static func folder(_ environment: [String: String] = ProcessInfo.processInfo.environment) -> String? {
    // The specification of XDG has relative paths ignored.
    if let cache = environment["XDG_CACHE_HOME"], cache.hasPrefix("/") { return cache + "/cinch" }
    return environment["HOME"].flatMap { $0.isEmpty ? nil : $0 + "/.cache/cinch" }
  }

  package static func path(_ identity: TuningIdentity, in folder: String) -> String {
    "\(folder)/\(identity.stem).json"
  }

  /// What a tuning that is under way writes down before each candidate.
  package static func journalPath(_ identity: TuningIdentity, in folder: String) -> String {
    // Each driver and version of the kernels has its own, or one would be forgotten for another.
    var sum = Checksum()
    for text in [identity.platform, identity.driver, "\(identity.computeUnits)", identity.kernels] {
      sum.add(text + "\n")
    }
    return "\(folder)/\(identity.stem)-\(sum.text).journal.json"
  }

  // MARK: - Reading and writing

  /// Has a backend take what is kept for it.
  package static func apply(
    to backend: OpenCLBackend, _ environment: [String: String] = ProcessInfo.processInfo.environment
  ) {
    if let fault = BuildLimit.fault(environment) { tell("CINCH_COMPILE_LIMIT", fault) }
    guard !isOff(environment), let folder = folder(environment) else { return }
    if let tuning = load(TuningIdentity(backend), from: folder) { backend.adopt(tuning) }
  }

  private static func isOff(_ environment: [String: String]) -> Bool {
    ["off", "0"].contains(environment["CINCH_TUNING"]?.lowercased())
  }

  /// What is kept for a device; nil where there is nothing, or nothing that fits, of which a notice tells.
  package static func load(_ identity: TuningIdentity, from folder: String) -> Tuning? {
    let path = path(identity, in: folder)
    guard FileManager.default.fileExists(atPath: path) else { return nil }
    let reason: String
    do {
      let bytes = try FileBytes.read(path)
      let file = try JSONCoding.decoder.decode(TuningFile.self, from: Data(bytes))
      guard file.format == currentFormat else { throw Unusable(reason: "it has format \(file.format)") }
      if let other = identity.difference(from: file.madeFor) { throw Unusable(reason: "it was made for \(other)") }
      guard let family = KernelFamily(rawValue: identity.family),
        let tuning = Tuning(names: file.choices, family: family)
      else { throw Unusable(reason: "it holds a choice that is none") }
      return tuning
    } catch let error as Unusable {
      reason = error.reason
    } catch is CinchError {
      reason = "it cannot be read"
    } catch {
      reason = "it is damaged"
    }
    tell(path, "ignoring '\(path)', \(reason): tune the device again to replace it")
    return nil
  }

  /// Keeps a choice, in place of the one before.
  /// - Throws: `CinchError.inputOutput`.
  package static func save(_ tuning: Tuning, for identity: TuningIdentity, in folder: String) throws {
    let text = try JSONCoding.document(TuningFile(tuning, identity))
    try AtomicFile.write(text + "\n", to: path(identity, in: folder))
  }

  private struct Unusable: Error { let reason: String }

  // MARK: - Notices

  private static let observers = Mutex<[@Sendable (String) -> Void]>([])
  private static let told = Mutex<Set<String>>([])

  /// Has `observer` told, in a sentence, of files, and of settings of devices, that are ignored: of each once.
  package static func onNotice(_ observer: @escaping @Sendable (String) -> Void) {
    observers.withLock { $0.append(observer) }
  }

  /// - Parameter subject: what is ignored.
  private static func tell(_ subject: String, _ text: String) {
    guard told.withLock({ $0.insert(subject).inserted }) else { return }
    for observer in observers.withLock({ $0 }) { observer(text) }
  }
}
