import Foundation
import PackagePlugin

/// Embeds `Kernels/**/*.cl` in the program at build time.
@main
struct EmbedKernelsPlugin: BuildToolPlugin {
  func createBuildCommands(context: PluginContext, target: any Target) throws -> [Command] {
    let folder = target.directoryURL
    let kernels = (FileManager.default.enumerator(at: folder, includingPropertiesForKeys: nil)?.allObjects ?? [])
      .compactMap { $0 as? URL }.filter { $0.pathExtension == "cl" }.sorted { $0.path < $1.path }
    let output = context.pluginWorkDirectoryURL.appending(path: "EmbeddedKernels.swift")
    return [
      .buildCommand(
        displayName: "Embedding \(kernels.count) OpenCL kernels",
        executable: try context.tool(named: "EmbedKernels").url,
        arguments: [output.path, folder.path] + kernels.map(\.path),
        inputFiles: kernels, outputFiles: [output])
    ]
  }
}
