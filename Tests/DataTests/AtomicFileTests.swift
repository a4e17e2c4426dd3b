import Foundation
import Testing

@testable import CinchData

@Suite struct AtomicFileTests {
  struct Stop: Error {}

  @Test func replacesWholeFiles() throws {
    let folder = try TemporaryFolder()
    let path = try folder.file("a", text: "old and longer")
    try AtomicFile.write("new", to: path)
    #expect(try FileBytes.read(path) == Array("new".utf8))
    #expect(try folder.contents == ["a"])
  }

  @Test func keepsTheOldFileWhenWritingFails() throws {
    let folder = try TemporaryFolder()
    let path = try folder.file("a", text: "old")
    #expect(throws: Stop.self) {
      try AtomicFile.write(to: path) { file in
        try file.write("half of the n")
        throw Stop()
      }
    }
    expectError("Cannot write '\(path)'", "the disk is full", "free some space", exitCode: 74) {
      try AtomicFile.write(to: path) { file in
        let full = open("/dev/full", O_WRONLY)
        defer { close(full) }
        try #require(dup2(full, file.descriptor) >= 0)
        try file.write("new")
      }
    }
    #expect(try FileBytes.read(path) == Array("old".utf8))
    #expect(try folder.contents == ["a"])
  }

  @Test func saysWhatIsWrongWithThePath() throws {
    let folder = try TemporaryFolder()
    expectError("the folder '\(folder.path)/none' does not exist; create it first", exitCode: 74) {
      try AtomicFile.write("x", to: folder.path + "/none/a")
    }
    expectError("it is a folder", exitCode: 74) { try AtomicFile.write("x", to: folder.path) }
    expectError("pipe or a device", exitCode: 74) { try AtomicFile.write("x", to: "/dev/null") }
    expectError("too long", exitCode: 74) {
      try AtomicFile.write("x", to: folder.path + "/" + String(repeating: "n", count: 300))
    }
    let file = try folder.file("a")
    expectError("is a file, not a folder", exitCode: 74) { try AtomicFile.write("x", to: file + "/b") }
    // All but the name's length is known before there is anything to write.
    expectError("the folder '\(folder.path)/none' does not exist; create it first", exitCode: 74) {
      try AtomicFile.requireWritable(folder.path + "/none/a")
    }
    expectError("it is a folder", exitCode: 74) { try AtomicFile.requireWritable(folder.path) }
    expectError("pipe or a device", exitCode: 74) { try AtomicFile.requireWritable("/dev/null") }
    expectError("is a file, not a folder", exitCode: 74) { try AtomicFile.requireWritable(file + "/b") }
    try AtomicFile.requireWritable(file)
    try AtomicFile.requireWritable(folder.path + "/b")
    #expect(try folder.contents == ["a"])
  }

  @Test(.enabled(if: getuid() != 0, "root may write everywhere"))
  func saysWhenPermissionIsDenied() throws {
    let folder = try TemporaryFolder()
    chmod(folder.path, 0o500)
    defer { chmod(folder.path, 0o700) }
    expectError("permission denied", exitCode: 74) { try AtomicFile.write("x", to: folder.path + "/a") }
    expectError("permission denied", exitCode: 74) { try AtomicFile.requireWritable(folder.path + "/a") }
  }

  @Test func followsSymbolicLinks() throws {
    let folder = try TemporaryFolder()
    let target = try folder.file("target", text: "old")
    let link = folder.path + "/link"
    try #require(symlink(target, link) == 0)
    try AtomicFile.write("new", to: link)
    #expect(try FileBytes.read(target) == Array("new".utf8))
    #expect(try FileManager.default.destinationOfSymbolicLink(atPath: link) == target)
  }

  /// What a link leads to is made where it is not there yet, and the link stays.
  @Test func followsLinksToNothing() throws {
    let folder = try TemporaryFolder()
    try FileManager.default.createDirectory(atPath: folder.path + "/inner", withIntermediateDirectories: true)
    for (link, target) in [("a", "inner/b"), ("inner/b", "c")] {
      try #require(symlink(target, "\(folder.path)/\(link)") == 0)
    }
    try AtomicFile.write("new", to: folder.path + "/a")
    #expect(try FileBytes.read(folder.path + "/inner/c") == Array("new".utf8))
    #expect(try FileManager.default.destinationOfSymbolicLink(atPath: folder.path + "/a") == "inner/b")
    try #require(symlink("round", folder.path + "/round") == 0)
    expectError("Cannot write '", exitCode: 74) { try AtomicFile.write("x", to: folder.path + "/round") }
  }

  @Test func oneFileHasOnePlace() throws {
    let folder = try TemporaryFolder()
    try FileManager.default.createDirectory(atPath: folder.path + "/inner", withIntermediateDirectories: true)
    try #require(symlink("inner/new", folder.path + "/link") == 0)
    let place = AtomicFile.place(of: folder.path + "/inner/new")
    for other in ["link", "./inner/new", "inner/../inner/new", "inner//new"] {
      #expect(AtomicFile.place(of: "\(folder.path)/\(other)") == place)
    }
    #expect(AtomicFile.place(of: folder.path + "/none/new") != place && AtomicFile.place(of: "/") == "/")
    #expect(AtomicFile.place(of: "not-there/") == AtomicFile.place(of: "./not-there"))
  }

  private func mode(_ path: String) -> mode_t {
    var status = stat()
    stat(path, &status)
    return status.st_mode & 0o777
  }

  @Test func honoursTheUmask() throws {
    let folder = try TemporaryFolder()
    let path = folder.path + "/a"
    try AtomicFile.write("x", to: path)
    let plain = try folder.file("b")
    #expect(mode(path) & ~mode(plain) == 0)
  }

  @Test func keepsPermissions() throws {
    let folder = try TemporaryFolder()
    let path = try folder.file("a", text: "old")
    for permissions: mode_t in [0o600, 0o640, 0o666] {
      try #require(chmod(path, permissions) == 0)
      try AtomicFile.write("new", to: path)
      #expect(mode(path) == permissions)
    }
  }

  /// Who was moved away with its folder leaves the lock at the old path to its new owner.
  @Test func aLockIsRemovedByItsOwnerAlone() throws {
    let folder = try TemporaryFolder()
    let (old, moved) = (folder.path + "/run", folder.path + "/moved")
    let files = FileManager.default
    try files.createDirectory(atPath: old, withIntermediateDirectories: true)
    var first: FolderLock? = try FolderLock(old)
    try #require(first != nil)
    try files.moveItem(atPath: old, toPath: moved)
    try files.createDirectory(atPath: old, withIntermediateDirectories: true)
    let second = try FolderLock(old)
    first = nil
    #expect(try files.contentsOfDirectory(atPath: old) == [".cinch-lock"])
    withExtendedLifetime(second) { expectError("in use", exitCode: 69) { _ = try FolderLock(old) } }
  }

  @Test func everyErrorHasItsExitCode() {
    #expect(CinchError.usage("").exitCode == 64)
    #expect(CinchError.badData("").exitCode == 65)
    #expect(CinchError.diverged("").exitCode == 65)
    #expect(CinchError.unavailable("").exitCode == 69)
    #expect(CinchError.inputOutput("").exitCode == 74)
    #expect(CinchError.interrupted.exitCode == 130)
    #expect(CinchError.usage("say this").localizedDescription == "say this")
  }
}
