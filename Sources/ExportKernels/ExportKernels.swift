import Foundation
import OpenCLBackend

/// Writes every program of the GPU family into a folder, as a device's compiler gets them, and how they are compiled into
/// `options`: what `make gpu-isa` hands to the compilers of GPUs. A folder in it for each choice of kernels holds the
/// programs of that one.
///
///     ExportKernels FOLDER
@main
struct ExportKernels {
  static func main() throws {
    let arguments = CommandLine.arguments
    guard arguments.count == 2 else {
      FileHandle.standardError.write(Data("usage: ExportKernels FOLDER\n".utf8))
      exit(64)
    }
    let folder = URL(fileURLWithPath: arguments[1], isDirectory: true)
    for (choice, programs) in GPUProgram.all {
      let own = folder.appendingPathComponent(choice, isDirectory: true)
      try FileManager.default.createDirectory(at: own, withIntermediateDirectories: true)
      for program in programs {
        try program.source.write(
          to: own.appendingPathComponent(program.name + ".cl"), atomically: true, encoding: .utf8)
      }
    }
    try GPUProgram.options.write(to: folder.appendingPathComponent("options"), atomically: true, encoding: .utf8)
  }
}
