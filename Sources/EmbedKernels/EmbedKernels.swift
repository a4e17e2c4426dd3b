import Foundation

/// Writes the OpenCL sources of a folder into one Swift file of raw string literals, so that the program
/// carries its kernels wherever it is moved.
///
///     EmbedKernels OUTPUT.swift FOLDER KERNEL.cl…
///
/// Each file becomes an entry of `Kernels.sources` under its path inside FOLDER.
@main
struct EmbedKernels {
  static func main() throws {
    let arguments = CommandLine.arguments
    guard arguments.count >= 3 else {
      FileHandle.standardError.write(Data("usage: EmbedKernels OUTPUT.swift FOLDER KERNEL.cl…\n".utf8))
      exit(64)
    }
    let folder = URL(fileURLWithPath: arguments[2]).standardizedFileURL.path + "/"
    var text =
      "// Made from the OpenCL sources of this package; do not edit.\nlet embeddedSources: [String: String] = [\n"
    for path in arguments.dropFirst(3).sorted() {
      let name = URL(fileURLWithPath: path).standardizedFileURL.path.replacingOccurrences(of: folder, with: "")
      let source = try String(contentsOfFile: path, encoding: .utf8)
      text += "  \"\(name)\": ###\"\"\"\n\(source)\n\"\"\"###,\n"
    }
    text += "]\n"
    try text.write(toFile: arguments[1], atomically: true, encoding: .utf8)
  }
}
