import FoundationEssentials
import Glibc

/// Files and folders that a command makes, removed with the last mention of this where the command does not come to its end.
final class WrittenFiles {
  private var files: [String] = []
  /// The outer ones first.
  private var folders: [String] = []

  /// Before a file is written. One that is there already is not ours to remove.
  func noteFile(_ path: String) {
    if !FileManager.default.fileExists(atPath: path) { files.append(path) }
  }

  /// Before a folder is made, and those above it.
  func noteFolders(of path: String) {
    var missing: [String] = []
    var url = URL(fileURLWithPath: path)
    while !FileManager.default.fileExists(atPath: url.path), !folders.contains(url.path), url.path != "/" {
      missing.append(url.path)
      url.deleteLastPathComponent()
    }
    folders += missing.reversed()
  }

  /// All are there.
  func stay() { (files, folders) = ([], []) }

  deinit {
    for file in files { unlink(file) }
    // Only those that are empty go.
    for folder in folders.reversed() { rmdir(folder) }
  }
}
