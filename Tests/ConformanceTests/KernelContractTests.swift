import COpenCL
import CinchBackend
import Kernels
import Testing

@testable import OpenCLBackend

/// The numbers that the host and the kernels share are made in Swift: the kernels have the names from the prefix.
@Suite("Host and kernels") struct KernelContractTests {
  /// The names of C enum constants and macros that a source defines, with what they stand for where that is a number.
  private func definitions(_ source: String) -> [(name: String, value: Int?)] {
    let constants = source.matches(of: /enum\s*\w*\s*\{([^}]*)\}/).flatMap { block in
      block.1.matches(of: /(\w+)\s*(?:=\s*(-?\d+))?\s*(?:,|$)/).map { (String($0.1), $0.2.flatMap { Int($0) }) }
    }
    let macros = source.matches(of: /(?m)^\s*#\s*define\s+(\w+)[ \t]*(-?\d+)?/).map {
      (String($0.1), $0.2.flatMap { Int($0) })
    }
    return constants + macros
  }

  /// A module of each kind that a family has.
  private static func modules(_ family: KernelFamily) -> [Module] {
    let common: [Module] = [
      .elementwise, .losses, .reduction, .gather, .corruption, .sampling, .mixed, .peak, .taps, .optimizer(.nesterov),
      .pooling(width: 1, tileHeight: 2, tileWidth: 3),
    ]
    switch family {
    case .cpu:
      return common + [
        .matmul,
        .correlation(
          width: 8, pixels: 3, wide: 1, turnSteps: 4, losses: true, pools: PooledWindow(height: 2, width: 3)),
        .correlationPlanes(outputs: 2, block: 3, woven: 4, split: 5),
        .gradient(width: 8, wide: 1, length: 3, groups: 4, pools: nil), .gradientOfFew(outputs: 2),
        .weights,
      ]
    case .gpu:
      // Each width of loads has lines of its own.
      let tiles = [4, 1].map { TileProgram(tile: .small, loadWidth: $0, mode: .loss) }
      let lanes = [4, 1].map { TileProgram(tile: .subgroups(8), loadWidth: $0, mode: .loss) }
      return common + [.matmulTiles(tiles[0], transposeA: true, transposeB: false), .slices]
        + lanes.map { .matmulTiles($0, transposeA: false, transposeB: $0.loadWidth == 4) }
        + [.convolveTiles(lanes[1], transposed: true)]
        + [.convolveTiles(tiles[1], transposed: true), .convolutionGradientTiles(tiles[0])]
    }
  }

  @Test("Every source, and every kernel of one form, is in a module that is gone through here")
  func everyModuleIsListed() {
    let listed = KernelFamily.allCases.flatMap { Self.modules($0) }
    for id in KernelID.allCases {
      guard let module = id.module else { continue }
      #expect(listed.contains(module), "add the module of \(id) to modules(_:)")
    }
    let used = KernelFamily.allCases.flatMap { family -> [String] in
      let target = KernelTarget(family: family, nativeWidth: 8, isProcessor: true, declaresBuiltins: true)
      return Self.modules(family).flatMap { target.sources($0) }
    }
    let missing = Set(Kernels.sources.keys).subtracting(used.map { $0 + ".cl" })
    #expect(missing.isEmpty, "add the modules of \(missing.sorted()) to modules(_:)")
  }

  @Test("The prefix of every module holds every case with its number", arguments: KernelFamily.allCases)
  func prefix(_ family: KernelFamily) throws {
    let backend = try OpenCLBackend(platform: 0, device: 0, family: family)
    for module in Self.modules(family) {
      let found = definitions(backend.target.prefix(module))
      let names = found.map(\.name)
      #expect(Set(names).count == names.count, "\(module) defines a name twice")
      for code in kernelCodes {
        for (name, value) in constants(of: code) {
          #expect(found.contains { $0.name == name && $0.value == value }, "\(module) lacks \(name) = \(value)")
        }
      }
    }
  }

  @Test("No kernel source defines what the prefix does", arguments: KernelFamily.allCases)
  func sources(_ family: KernelFamily) throws {
    let backend = try OpenCLBackend(platform: 0, device: 0, family: family)
    for module in Self.modules(family) {
      let shared = Set(definitions(backend.target.prefix(module)).map(\.name))
      for name in backend.target.sources(module) {
        let source = try #require(Kernels.sources[name + ".cl"], "there is no source \(name)")
        let own = definitions(source).map(\.name).filter(shared.contains)
        #expect(own == [], "\(name).cl defines \(own), which \(module) has from the host")
      }
    }
  }

  @Test("Without any one of its macros a program does not compile", arguments: KernelFamily.allCases)
  func absence(_ family: KernelFamily) throws {
    let backend = try OpenCLBackend(platform: 0, device: 0, family: family)
    for module in Self.modules(family) {
      let prefix = backend.target.prefix(module)
      let sources = try backend.target.sources(module).map { try #require(Kernels.sources[$0 + ".cl"]) }.joined()
      let code = sources.replacing(/\/\/[^\n]*/, with: "")
      clReleaseProgram(try backend.build(module, prefix: prefix))
      for line in prefix.split(separator: "\n") where line.hasPrefix("#define ") {
        let name = line.split(separator: " ")[1]
        guard try code.contains(Regex("\\b\(name)\\b")) else { continue }
        #expect(throws: BackendError.self, "\(module) compiles without \(name)") {
          clReleaseProgram(try backend.build(module, prefix: prefix.replacing(line, with: "")))
        }
      }
    }
  }

  @Test("Kernels use no builtin that common/builtins lacks", arguments: KernelFamily.allCases)
  func builtins(_ family: KernelFamily) throws {
    let backend = try OpenCLBackend(platform: 0, device: 0, family: family)
    // Other drivers may want no declarations but their own.
    guard backend.device.takesBuiltins else { return }
    #expect(backend.target.declaresBuiltins)
    for module in Self.modules(family) {
      // Without the second try of `build`, which has the driver's own header.
      clReleaseProgram(try backend.build(module, prefix: backend.target.prefix(module), for: backend.target))
    }
  }

  @Test("Where the declared builtins do not compile, the driver's own do")
  func foreignBuiltins() throws {
    let backend = try OpenCLBackend(platform: 0, device: 0, family: .cpu)
    var target = backend.target
    target.declaresBuiltins = true
    // The guard is a macro of the options alone where the header is left out; the header defines it as nothing.
    let prefix = target.prefix(.peak) + "#if _OPENCL_H_ + 0\n#error \"This driver wants its own header.\"\n#endif\n"
    #expect(throws: BackendError.self) { clReleaseProgram(try backend.build(.peak, prefix: prefix, for: target)) }
    clReleaseProgram(try backend.build(.peak, prefix: prefix))
  }

  @Test("Where clang's builtins do not compile, programs do without, and later ones at once")
  func foreignClang() throws {
    let backend = try OpenCLBackend(platform: 0, device: 0, family: .cpu)
    var target = backend.target
    target.declaresBuiltins = false
    backend.compiled = target
    let prefix =
      target.prefix(.matmul) + "#ifndef PORTABLE\n#error \"This driver has no builtins of clang's.\"\n#endif\n"
    #expect(throws: BackendError.self) { clReleaseProgram(try backend.build(.matmul, prefix: prefix, for: target)) }
    clReleaseProgram(try backend.build(.matmul, prefix: prefix))
    #expect(backend.compiled.isPortable)
    clReleaseProgram(try backend.build(.matmul, prefix: prefix, for: backend.compiled))
  }

  @Test("What a driver does not take is left out one by one")
  func plainerTargets() throws {
    let processor = KernelTarget(family: .cpu, nativeWidth: 8, isProcessor: true, declaresBuiltins: true)
    #expect(processor.options.hasSuffix(" -D_OPENCL_H_"))
    let second = try #require(processor.plainer)
    #expect(!second.declaresBuiltins && !second.isPortable && second.options == KernelTarget.options(.cpu))
    let third = try #require(second.plainer)
    #expect(third.isPortable && third.options.hasSuffix(" -DPORTABLE") && third.plainer == nil)
    #expect(KernelTarget(family: .gpu, nativeWidth: 1, isProcessor: false).plainer == nil)
  }

  @Test("A module has no macro that its sources do not read", arguments: KernelFamily.allCases)
  func use(_ family: KernelFamily) throws {
    let backend = try OpenCLBackend(platform: 0, device: 0, family: family)
    // Every program has the common ones.
    let common = Set(definitions(backend.target.prefix(.elementwise)).map(\.name))
    for module in Self.modules(family) {
      let code = try backend.target.sources(module).map { try #require(Kernels.sources[$0 + ".cl"]) }.joined()
      for name in definitions(backend.target.prefix(module)).map(\.name) where !common.contains(name) {
        #expect(try code.contains(Regex("\\b\(name)\\b")), "\(module) has no use for \(name)")
      }
    }
  }

  @Test("Names are the cases' in capitals")
  func names() {
    #expect(Activation.leakyReLU.constant == "LEAKY_RELU")
    #expect(DrawCode.saltPepper.constant == "SALT_PEPPER")
    #expect(EpilogueArguments.Mode.denseGradient.constant == "DENSE_GRADIENT")
  }

  private func constants<T: KernelCode>(of: T.Type) -> [(String, Int)] {
    T.allCases.map { ($0.constant, Int($0.code)) }
  }
}
