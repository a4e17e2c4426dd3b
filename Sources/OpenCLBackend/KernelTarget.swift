import Kernels

/// What the text of a program follows from, besides its module.
struct KernelTarget {
  let family: KernelFamily
  /// Floats in the device's own vectors; 1 for the GPU family, whose work-items are scalar.
  let vectorWidth: Int
  /// Rows of a CPU matmul's register tile: 2·rows + 3 vectors fit the registers, but for 4 lanes, where some sums lie in
  /// the first-level cache.
  let tileRows: Int
  /// Whether kernels ask for cache lines ahead of their use: processors' compilers know how, which is no part of OpenCL.
  let prefetches: Bool
  /// Whether sub-groups are emulated.
  let emulatesSubgroups: Bool
  /// Whether programs declare the builtins that they use, in place of the driver's header of all of them.
  var declaresBuiltins: Bool
  /// Whether programs do without what clang alone has: prefetches, and its fence.
  var isPortable = false

  /// - Parameters:
  ///   - nativeWidth: floats in a vector, as the device reports it.
  ///   - isProcessor: whether the device calls itself a CPU.
  ///   - emulatesSubgroups: whether kernels by sub-groups do without.
  ///   - declaresBuiltins: whether the driver's header has the guard that `options` defines.
  init(
    family: KernelFamily, nativeWidth: Int, isProcessor: Bool, emulatesSubgroups: Bool = false,
    declaresBuiltins: Bool = false
  ) {
    self.family = family
    self.emulatesSubgroups = emulatesSubgroups
    self.declaresBuiltins = declaresBuiltins
    prefetches = family == .cpu && isProcessor
    vectorWidth = family == .gpu ? 1 : nativeWidth >= 16 ? 16 : nativeWidth >= 8 ? 8 : 4
    tileRows = vectorWidth == 16 ? 12 : vectorWidth == 8 ? 6 : 8
  }

  /// How every program of a family is compiled. Processors take a hundred cycles or more for a number below the smallest
  /// normal one, 1.2e-38, and the moments of a unit that no longer learns stay among them for good; so there they are 0.
  static func options(_ family: KernelFamily) -> String {
    "-cl-std=CL1.2 -cl-mad-enable" + (family == .cpu ? " -cl-denorms-are-zero" : "")
  }

  /// How a program is compiled: with the guard of the header that `common/builtins` stands in for, and with a macro for the
  /// prelude.
  var options: String {
    Self.options(family) + (declaresBuiltins ? " -D_OPENCL_H_" : "") + (isPortable ? " -DPORTABLE" : "")
  }

  /// What a driver gets that does not compile this; nil where nothing is left to do without.
  var plainer: KernelTarget? {
    var plainer = self
    if declaresBuiltins {
      // Another version of PoCL may not take these declarations: it has its own. Clang it is in any case.
      plainer.declaresBuiltins = false
    } else if prefetches && !isPortable {
      // A compiler that calls itself clang may go through SPIR-V, which has no such builtins, as Intel's for processors does.
      plainer.isPortable = true
    } else {
      return nil
    }
    return plainer
  }

  /// Every file of kernels, in the order of their names.
  static var sourceTexts: [String] { Kernels.sources.sorted { $0.key < $1.key }.map { "\($0.key)\n\($0.value)" } }

  /// A program's source.
  func text(_ module: Module) -> String { text(module, prefix: prefix(module)) }

  func text(_ module: Module, prefix: String) -> String {
    let embedded = Kernels.sources
    return ([prefix] + sources(module).map { embedded[$0 + ".cl"] ?? "" }).joined(separator: "\n")
  }
}
