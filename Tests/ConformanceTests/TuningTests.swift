import CinchBackend
import CinchData
import Foundation
import Synchronization
import Testing

@testable import Cinch
@testable import Conformance
@testable import OpenCLBackend

/// Choices by measuring: what may be chosen, that it changes no bit, and that it is used.
@Suite(.serialized) struct TuningTests {
  @Test(arguments: KernelFamily.allCases)
  func candidatesAreFewAndHaveNames(_ family: KernelFamily) throws {
    let all = Tunable.all(of: family)
    #expect(Set(all.map(\.name)).count == all.count)
    for tunable in all {
      let candidates = tunable.candidates(of: family, .any)
      #expect((2...16).contains(candidates.count), "\(tunable.name)")
      #expect(Set(candidates.map(\.name)).count == candidates.count, "\(tunable.name)")
      for candidate in candidates {
        var tuning = Tuning()
        tuning[tunable] = candidate
        #expect(Tuning(names: tuning.names, family: family) == tuning)
      }
    }
    #expect(Tuning(names: ["elements": "5-17"], family: family) == nil)
    #expect(Tuning(names: ["elephants": "4"], family: family) == nil)
  }

  @Test func shapesHaveTheClassesOfTheBench() {
    let classes = [(256, 1024), (1024, 784), (256, 784), (256, 196), (256, 30), (30, 256), (784, 1024), (1, 1)].map {
      ShapeClass.product($0, $1)
    }
    #expect(
      classes == [
        .middleProducts, .largeProducts, .middleProducts, .smallProducts, .narrowProducts, .narrowProducts,
        .largeProducts, .narrowProducts,
      ])
  }

  /// What `cinch selftest` does.
  @Test(arguments: KernelFamily.allCases)
  func noCandidateChangesABit(_ family: KernelFamily) throws {
    let backend = try OpenCLBackend(platform: 0, device: 0, family: family)
    // Each tile is programs to compile for each class of shapes: that tiles give the same bits is what
    // `sumsDoNotFollowTiles` looks at, and all classes what `make selftest` does.
    func isWanted(_ tunable: Tunable) -> Bool {
      tunable.loadWidth == nil || tunable == Tunable(shapes: .narrowProducts, loadWidth: 1)
    }
    let report = try #require(try Conformance.checkTuning(of: backend, isWanted))
    let wanted = Tunable.all(of: family).filter(isWanted)
    #expect(wanted.count >= 2 && report.cases == wanted.reduce(0) { $0 + $1.candidates(of: family, .emulated).count })
    #expect(report.failures == [])
    #expect(backend.tuning.isEmpty)
    #expect(try Conformance.checkTuning(of: ReferenceBackend()) == nil)
  }

  @Test func otherBitsAreSeen() {
    #expect(Conformance.same([[1, .nan, 0]], [[1, .nan, 0]]))
    #expect(!Conformance.same([[1, 0]], [[1, -0.0]]))
    #expect(!Conformance.same([[1]], [[1 + .ulpOfOne]]))
    #expect(!Conformance.same([[1]], [[1, 1]]))
  }

  /// The grids and pieces of launches are those of the choice, and those of what is shipped again without it.
  @Test(arguments: [
    (KernelFamily.cpu, "elements", "16-1024"), (.cpu, "middle-products", "64"), (.cpu, "images", "2"),
    (.cpu, "image-gradients", "8"), (.gpu, "elements", "8"), (.gpu, "middle-products-float4", "32x32x16-4x4-16"),
    (.gpu, "middle-products-float4", "32x32x8-8x4-sub8"), (.gpu, "narrow-images-float4", "128x32x16-8x4-16"),
    (.gpu, "image-gradients-float4", "32x32x16-4x4-16"),
  ])
  func choicesAreUsed(_ family: KernelFamily, _ name: String, _ value: String) throws {
    let backend = try OpenCLBackend(platform: 0, device: 0, family: family, profiling: true)
    backend.computeUnits = 2
    let tunable = try #require(Tunable.all(of: family).first { $0.name == name })
    func grids() throws -> [[[Int]]] {
      _ = try backend.takeLaunches()
      for row in TuningCases(tunable).timed { _ = try TuningRow(row, on: backend).bits() }
      // Transfers have no grid.
      return try backend.takeLaunches().filter { !$0.global.isEmpty }.map { [$0.global, $0.local, [$0.pieces]] }
    }
    let shipped = try grids()
    backend.adopt(try #require(Tuning(names: [name: value], family: family)))
    let tuned = try grids()
    backend.adopt(Tuning())
    #expect(tuned.count == shipped.count && tuned != shipped)
    #expect(try grids() == shipped)
  }

  /// Every entry has a source, and a device of each vendor gets its own.
  @Test func defaultsFollowTheVendor() {
    func device(
      _ vendor: String, _ kind: OpenCLDevice.Kind = .gpu, _ subgroups: Subgroups? = nil
    ) -> OpenCLDevice {
      OpenCLDevice(
        platform: 0, device: 0, name: "x", vendor: vendor, platformName: "", driver: "", version: "", kind: kind,
        computeUnits: 8, subgroups: subgroups, globalMemory: 1, largestBuffer: 1)
    }
    #expect(GPUDefault.table.allSatisfy { !$0.source.isEmpty && !$0.vendors.isEmpty && !$0.architectures.isEmpty })
    #expect(GPUDefault.table.allSatisfy { entry in GPUChoice.all.contains { $0.choice == entry.choice } })
    #expect(GPUChoice.shipped(for: device("NVIDIA Corporation")) == .nvidia)
    #expect(GPUChoice.shipped(for: device("Advanced Micro Devices, Inc.")) == .amd)
    #expect(GPUChoice.shipped(for: device("Intel(R) Corporation")) == .frugal)
    #expect(GPUChoice.shipped(for: device("Intel(R) Corporation", .gpu, Subgroups(sizes: [8, 16, 32]))) == .frugal)
    #expect(GPUChoice.shipped(for: device("Intel(R) Corporation", .cpu, .emulated)) == .emulated)
    #expect(GPUChoice.shipped(for: device("ARM")) == .frugal)
    #expect(GPUChoice.shipped(for: device("QUALCOMM")) == .frugal)
    #expect(GPUChoice.shipped(for: device("Somebody new")) == GPUDefault.portable)
    #expect(GPUChoice.shipped(for: device("NVIDIA Corporation", .cpu)) == .emulated)
  }
}

/// Products by sub-groups: only where a driver has them, of a size that a kernel asks for.
@Suite struct SubgroupTests {
  private let names = "cl_khr_fp16 cl_intel_subgroups cl_intel_required_subgroup_size cl_intel_subgroups_short"

  @Test func theyAreThoseOfTheExtensions() {
    #expect(Subgroups(extensions: names, sizes: [16, 8, 32]) == Subgroups(sizes: [8, 16, 32]))
    #expect(Subgroups(extensions: names, sizes: []) == nil)
    #expect(Subgroups(extensions: "cl_intel_subgroups cl_khr_subgroups", sizes: [8]) == nil)
    #expect(Subgroups(extensions: "", sizes: [8]) == nil)
  }

  @Test func candidatesAreThoseThatADeviceCanRun() {
    let products = Tunable(shapes: .smallProducts, loadWidth: 4), images = Tunable(shapes: .images, loadWidth: 4)
    func lanes(_ tunable: Tunable, _ subgroups: Subgroups?) -> Set<Int> {
      Set(
        tunable.candidates(of: .gpu, subgroups).map { if case .tile(let tile) = $0 { tile.lanes } else { -1 } })
    }
    #expect(lanes(products, nil) == [0])
    #expect(lanes(products, Subgroups(sizes: [8, 16, 32])) == [0, 8, 16])
    #expect(lanes(products, Subgroups(sizes: [16, 32])) == [0, 16])
    #expect(lanes(products, .emulated) == [0, 8])
    #expect(lanes(images, .any) == [0, 8, 16])
    #expect(lanes(Tunable(shapes: .imageGradients, loadWidth: 4), .any) == [0])
  }

  /// A file of another device, or one that was edited.
  @Test func whatADeviceCannotRunIsNotTaken() throws {
    let tuning = try #require(Tuning(names: ["small-products-float4": "64x64x8-8x4-sub8"], family: .gpu))
    #expect(GPUChoice.frugal.with(tuning, nil) == .frugal)
    #expect(GPUChoice.frugal.with(tuning, Subgroups(sizes: [16])) == .frugal)
    #expect(GPUChoice.frugal.with(tuning, Subgroups(sizes: [8])).aligned.tuned == [.smallProducts: .subgroups(8)])
  }
}

/// What is kept of a tuning, and of candidates that came to grief.
@Suite(.serialized) final class TuningFileTests {
  private let folder: String
  private let identity: TuningIdentity
  private let tuning: Tuning

  init() throws {
    folder = FileManager.default.temporaryDirectory.appendingPathComponent("cinch-\(UUID().uuidString)").path
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    identity = TuningIdentity(try OpenCLBackend(platform: 0, device: 0, family: .cpu))
    tuning = try #require(Tuning(names: ["elements": "8-1024", "images": "2"], family: .cpu))
  }

  deinit { try? FileManager.default.removeItem(atPath: folder) }

  private var path: String { TuningFile.path(identity, in: folder) }

  /// What is loaded, and the notices about this test's folder.
  private func load(_ identity: TuningIdentity) -> (tuning: Tuning?, notices: [String]) {
    let notices = Notices()
    TuningFile.onNotice { [folder] text in if text.contains(folder) { notices.texts.withLock { $0.append(text) } } }
    let tuning = TuningFile.load(identity, from: folder)
    // A second reader in the process is not told again.
    #expect(TuningFile.load(identity, from: folder) == tuning)
    return (tuning, notices.texts.withLock { $0 })
  }

  private final class Notices: Sendable { let texts = Mutex<[String]>([]) }

  @Test func whatIsKeptReadsBack() throws {
    #expect(load(identity) == (nil, []))
    try TuningFile.save(tuning, for: identity, in: folder)
    #expect(load(identity) == (tuning, []))
    try TuningFile.save(Tuning(), for: identity, in: folder)
    #expect(load(identity) == (Tuning(), []))
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder).count == 1)
  }

  @Test(arguments: ["driver", "kernels", "platform", "computeUnits", "device"])
  func whatWasMadeForAnotherIsIgnored(_ field: String) throws {
    var other = identity
    switch field {
    case "driver": other.driver += "1"
    case "kernels": other.kernels = "0"
    case "platform": other.platform = "rusticl"
    case "computeUnits": other.computeUnits += 1
    // Punctuation is all that differs: the file has the same name.
    default: other.device += "."
    }
    try TuningFile.save(tuning, for: other, in: folder)
    let (found, notices) = load(identity)
    #expect(found == nil && notices.count == 1)
    #expect(
      notices.first?.contains("it was made for ") == true && notices.first?.contains("tune the device again") == true)
  }

  @Test(arguments: ["", "{", "{}", "null", "[1]", "\u{0}\u{1}"])
  func whatIsDamagedIsIgnored(_ text: String) throws {
    try Data(text.utf8).write(to: URL(fileURLWithPath: path))
    let (found, notices) = load(identity)
    #expect(found == nil && notices.count == 1 && notices.first?.contains("tune the device again") == true)
  }

  @Test(arguments: [("8-1024", "8-1025"), ("\"elements\"", "\"elephants\""), ("\"format\" : 1", "\"format\" : 2")])
  func whatIsNoChoiceIsIgnored(_ old: String, _ new: String) throws {
    try TuningFile.save(tuning, for: identity, in: folder)
    let text = try String(contentsOfFile: path, encoding: .utf8)
    #expect(text.contains(old))
    try Data(text.replacing(old, with: new).utf8).write(to: URL(fileURLWithPath: path))
    let (found, notices) = load(identity)
    #expect(found == nil && notices.count == 1)
  }

  @Test func aFolderInItsPlaceIsIgnored() throws {
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    let (found, notices) = load(identity)
    #expect(found == nil && notices.count == 1)
  }

  /// As every command opens a device.
  @Test func whatIsKeptIsTakenUnlessItIsOff() throws {
    let cache = folder + "/cinch"
    try FileManager.default.createDirectory(atPath: cache, withIntermediateDirectories: true)
    try TuningFile.save(tuning, for: identity, in: cache)
    func taken(_ environment: [String: String]) throws -> Tuning {
      let backend = try OpenCLBackend(platform: 0, device: 0, family: .cpu)
      TuningFile.apply(to: backend, environment)
      return backend.tuning
    }
    #expect(try taken(["XDG_CACHE_HOME": folder]) == tuning)
    for off in ["off", "OFF", "0"] {
      #expect(try taken(["XDG_CACHE_HOME": folder, "CINCH_TUNING": off]).isEmpty)
    }
    #expect(try taken(["HOME": folder]).isEmpty && taken([:]).isEmpty)
    #expect(TuningFile.folder(["XDG_CACHE_HOME": "relative", "HOME": "/home/ada"]) == "/home/ada/.cache/cinch")
  }

  // MARK: - The journal

  private var journalPath: String { TuningFile.journalPath(identity, in: folder) }
  private var journal: TuningJournal { TuningJournal(journalPath, for: identity) }

  /// Nobody is left to say so where the whole machine went down; but once, somebody may have ended the program.
  @Test func whatDidNotEndTwiceIsNotTriedAgain() throws {
    var first = journal
    try first.begin("elements 4")
    #expect(journal.failure(of: "elements 4") == nil)
    var second = journal
    try second.begin("elements 4")
    #expect(journal.failure(of: "elements 4") != nil && journal.failure(of: "elements 8") == nil)
    // Another's end does not clear it, its own does.
    try second.begin("elements 8")
    try second.end()
    try second.begin("elements 4")
    #expect(journal.failure(of: "elements 4") != nil)
    try second.end()
    try second.begin("elements 4")
    #expect(journal.failure(of: "elements 4") == nil)
    try second.stop()
    var third = journal
    try third.suspect("elements 16", "it was slow")
    #expect(journal.failure(of: "elements 16") == nil)
    try third.suspect("elements 16", "it was slow")
    #expect(journal.failure(of: "elements 16") == "it was slow, as before")
  }

  /// Without it nothing can be measured, ever.
  @Test func whatIsShippedIsNeverLeftOut() throws {
    var first = journal
    for _ in 0..<3 {
      try first.begin("elements shipped")
      first = journal
      #expect(first.failure(of: "elements shipped") == nil)
    }
    try first.fail("elements shipped", "it crashed")
    #expect(journal.failure(of: "elements shipped") == nil)
    // As earlier versions did.
    try first.fail("elements 8", "it crashed")
    let text = try String(contentsOfFile: journalPath, encoding: .utf8)
    try Data(text.replacing("elements 8", with: "elements shipped").utf8).write(to: URL(fileURLWithPath: journalPath))
    #expect(journal.failure(of: "elements shipped") == nil && journal.notice == nil)
  }

  @Test func journalsAreOfOneDriver() throws {
    var first = journal
    try first.fail("elements 8", "it crashed")
    #expect(journal.failure(of: "elements 8") == "it crashed")
    var other = identity
    other.driver += "1"
    #expect(TuningJournal(journalPath, for: other).failure(of: "elements 8") == nil)
    #expect(TuningFile.journalPath(other, in: folder) != journalPath)
    #expect(journal.notice == nil && TuningJournal(journalPath, for: other).notice?.contains("another driver") == true)
    try Data("{".utf8).write(to: URL(fileURLWithPath: journalPath))
    #expect(journal.failure(of: "elements 8") == nil && journal.notice?.contains("cannot be read") == true)
    #expect(TuningJournal(folder + "/none.json", for: identity).notice == nil)
  }

  // MARK: - The child process

  private let tunable = Tunable(shapes: .images, loadWidth: nil)

  /// A child that is a shell script: `$line` is the request.
  private func tuner(_ script: String, limit: Duration = .seconds(60), isInterrupted: Bool = false) -> Tuner {
    Tuner(
      program: "/bin/sh", arguments: ["-c", "while read -r line; do \(script); done"], journal: journal, limit: limit,
      total: .seconds(300), isInterrupted: { isInterrupted })
  }

  private let answer =
    #"case "$line" in *"\"4\""*) echo '{"seconds":[0.5],"shipped_seconds":[1]}';; "#
    + #"*) echo '{"seconds":[1.01],"shipped_seconds":[1]}';; esac"#

  private func tune(_ tuner: Tuner) throws -> Tuner.Outcome {
    var tuner = tuner
    return try tuner.tune(tunable, of: .cpu) { _, _ in }
  }

  @Test func theQuickestWins() throws {
    let outcome = try tune(tuner(answer))
    #expect(outcome.chosen?.name == "4" && outcome.ratio == 0.5 && outcome.measured == 7 && outcome.failures.isEmpty)
  }

  /// 2 % is noise, and so is what does not come twice.
  @Test func whatIsWithinNoiseDoesNotWin() throws {
    let close = try tune(tuner(#"echo '{"seconds":[0.98],"shipped_seconds":[1]}'"#))
    #expect(close.chosen == nil && close.ratio == 0.98)
    let once = try tune(
      tuner(
        #"case "$line" in *'"rounds":15'*) echo '{"seconds":[1.0],"shipped_seconds":[1]}';; "#
          + #"*) echo '{"seconds":[0.9],"shipped_seconds":[1]}';; esac"#))
    #expect(once.chosen == nil && once.ratio == 1)
  }

  /// The watchdog ends a child that hangs; another goes on with the rest, and the next tuning leaves the candidate out.
  @Test func whatHangsIsKilledAndNeverTriedAgain() throws {
    let begin = ContinuousClock.now
    let hangs = #"case "$line" in *"\"8\""*) exec sleep 500;; esac; \#(answer)"#
    let outcome = try tune(tuner(hangs, limit: .seconds(3)))
    #expect(ContinuousClock.now - begin < .seconds(120))
    #expect(outcome.failures.map(\.candidate) == ["8"] && outcome.failures[0].reason.contains("3 s"))
    #expect(outcome.chosen?.name == "4" && outcome.measured == 6)
    let again = try tune(tuner(answer))
    #expect(again.failures.map(\.candidate) == ["8"] && again.measured == 6)
  }

  @Test(arguments: [("kill -SEGV $$", "signal 11"), ("exit 3", "status 3"), ("echo hello", "something else")])
  func whatCrashesIsNeverTriedAgain(_ end: String, _ reason: String) throws {
    let outcome = try tune(tuner(#"case "$line" in *"\"8\""*) \#(end);; *) \#(answer);; esac"#))
    #expect(outcome.failures.map(\.candidate) == ["8"] && outcome.failures[0].reason.contains(reason))
    #expect(outcome.chosen?.name == "4")
    #expect(try tune(tuner(answer)).failures.map(\.candidate) == ["8"])
  }

  @Test func wrongBitsAreNeverTriedAgain() throws {
    let outcome = try tune(
      tuner(
        #"case "$line" in *"\"4\""*) echo '{"failure":"its bits","seconds":[],"shipped_seconds":[]}';; *) \#(answer);; esac"#
      ))
    #expect(outcome.chosen == nil && outcome.failures.map(\.candidate) == ["4"])
    #expect(journal.failure(of: "images 4") == "its bits")
  }

  /// What the child can tell of may pass: memory that does not suffice, or a driver that is given too little time.
  @Test func errorsAreTriedAgain() throws {
    let error = #"echo '{"error":"no memory","seconds":[],"shipped_seconds":[]}'"#
    let outcome = try tune(tuner(#"case "$line" in *"\"8\""*) \#(error);; *) \#(answer);; esac"#))
    #expect(outcome.failures.map(\.candidate) == ["8"] && outcome.failures[0].reason == "no memory")
    #expect(!outcome.failures[0].isLeftOut && outcome.chosen?.name == "4" && outcome.measured == 6)
    let again = try tune(tuner(answer))
    #expect(again.failures.isEmpty && again.measured == 7)
  }

  @Test(arguments: [
    #"echo '{"error":"no memory","seconds":[],"shipped_seconds":[]}'"#,
    #"echo '{"failure":"its bits","seconds":[],"shipped_seconds":[]}'"#, "exit 3",
  ])
  func nothingMeasuredChangesNothing(_ end: String) throws {
    let outcome = try tune(tuner(#"case "$line" in *candidate*) \#(answer);; *) \#(end);; esac"#))
    #expect(outcome.failures.map(\.candidate) == ["what is shipped"] && outcome.measured == 0)
    let before = try #require(tunable.candidates(of: .cpu, .any).first)
    #expect(outcome.kept(before) == before && outcome.kept(nil) == nil)
    #expect(try tune(tuner(answer)).measured == 7)
  }

  /// What was chosen before goes where it came to grief itself.
  @Test func whatCameToGriefIsNotKept() throws {
    let outcome = try tune(tuner(#"case "$line" in *candidate*) exit 3;; *) \#(answer);; esac"#))
    let before = try #require(tunable.candidates(of: .cpu, .any).first)
    #expect(outcome.measured == 0 && outcome.failures.count == 7 && outcome.kept(before) == nil)
  }

  /// An interrupt is no fault of the candidate that runs.
  @Test func anInterruptIsWrittenDownAsNothing() throws {
    #expect(throws: CinchError.interrupted) { try tune(tuner("exec sleep 500", isInterrupted: true)) }
    #expect(journal.failure(of: "images shipped") == nil)
  }
}
