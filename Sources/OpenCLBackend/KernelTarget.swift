import Kernels

/// What the text of a program follows from, besides its module.
struct KernelTarget {
  let family: KernelFamily
  /// Floats in the device's own vectors; 1 for the GPU family, whose work-items are scalar.
  let vectorWidth: Int
  /// Rows of a CPU matmul's register tile: 2·rows + 3 vectors must fit the registers.
  let tileRows: Int
  /// Whether kernels ask for cache lines ahead of their use: processors' compilers know how, which is no part of OpenCL.
  let prefetches: Bool
  /// Whether sub-groups are emulated.
  let emulatesSubgroups: Bool

  /// - Parameters:
  ///   - nativeWidth: floats in a vector, as the device reports it.
  ///   - isProcessor: whether the device calls itself a CPU.
  ///   - emulatesSubgroups: whether kernels by sub-groups do without.
  init(family: KernelFamily, nativeWidth: Int, isProcessor: Bool, emulatesSubgroups: Bool = false) {
    self.family = family
    self.emulatesSubgroups = emulatesSubgroups
    prefetches = family == .cpu && isProcessor
    vectorWidth = family == .gpu ? 1 : nativeWidth >= 16 ? 16 : nativeWidth >= 8 ? 8 : 4
    tileRows = vectorWidth == 16 ? 12 : vectorWidth == 8 ? 6 : 8
  }

  /// How every program is compiled.
  static let options = "-cl-std=CL1.2 -cl-mad-enable"

  /// Every file of kernels, in the order of their names.
  static var sourceTexts: [String] { Kernels.sources.sorted { $0.key < $1.key }.map { "\($0.key)\n\($0.value)" } }

  /// A program's source.
  func text(_ module: Module) -> String { text(module, prefix: prefix(module)) }

  func text(_ module: Module, prefix: String) -> String {
    let embedded = Kernels.sources
    return ([prefix] + sources(module).map { embedded[$0 + ".cl"] ?? "" }).joined(separator: "\n")
  }
}
