// swift-tools-version: 6.1
import PackageDescription

let package = Package(
  name: "cinch",
  products: [
    .library(name: "Cinch", targets: ["Cinch"]),
    .executable(name: "cinch", targets: ["CinchCommand"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.5.0"),
    .package(url: "https://github.com/apple/swift-log", from: "1.16.0"),
    // Without its traits, for which it would need the whole of Foundation.
    .package(url: "https://github.com/apple/swift-protobuf", from: "1.39.0", traits: []),
  ],
  targets: [
    // System libraries, and C that must be C.
    .systemLibrary(name: "COpenCL", pkgConfig: "OpenCL", providers: [.apt(["ocl-icd-opencl-dev", "opencl-headers"])]),
    .systemLibrary(name: "CDeflate", pkgConfig: "libdeflate", providers: [.apt(["libdeflate-dev"])]),
    .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
    .target(name: "COpenBLAS", linkerSettings: [.linkedLibrary("dl")]),
    .target(name: "CJPEG", linkerSettings: [.linkedLibrary("jpeg")]),
    .target(name: "CPNG", linkerSettings: [.linkedLibrary("png"), .linkedLibrary("z")]),
    .target(name: "CSamples", linkerSettings: [.linkedLibrary("m")]),
    .target(name: "CBuild"),
    .target(name: "CVector", linkerSettings: [.linkedLibrary("m"), .linkedLibrary("pthread")]),

    // The device abstraction and its three backends.
    .target(name: "CinchBackend"),
    .target(name: "CPUBackend", dependencies: ["CinchBackend", "COpenBLAS", "CVector"]),
    .target(
      name: "Kernels", path: "Kernels", exclude: ["README.md", "common", "cpu", "gpu"], plugins: ["EmbedKernelsPlugin"]),
    .target(name: "OpenCLBackend", dependencies: ["CinchBackend", "COpenCL", "Kernels"]),
    .executableTarget(name: "EmbedKernels"),
    .executableTarget(name: "ExportKernels", dependencies: ["OpenCLBackend"]),
    .plugin(
      name: "EmbedKernelsPlugin", capability: .buildTool(), dependencies: ["EmbedKernels"],
      path: "Sources/EmbedKernelsPlugin"),

    // Data sets and files; autoencoders, generic over a backend; messages of ONNX and TensorBoard; and the library that picks the device.
    .target(
      name: "CinchData", dependencies: ["CinchBackend", "CDeflate", "CJPEG", "CPNG", "CSamples", "CZlib"]),
    .target(
      name: "CinchCore", dependencies: ["CinchBackend", "CinchData", "COpenBLAS", "CSamples"]),
    .target(
      name: "ONNXProto", dependencies: [.product(name: "SwiftProtobuf", package: "swift-protobuf")],
      exclude: ["graph.proto", "model.proto", "tensor.proto"]),
    .target(
      name: "TensorBoardProto", dependencies: [.product(name: "SwiftProtobuf", package: "swift-protobuf")],
      exclude: ["event.proto", "summary.proto"]),
    .target(
      name: "Cinch",
      dependencies: [
        "CinchCore", "CinchData", "CinchBackend", "CPUBackend", "OpenCLBackend", "CBuild", "ONNXProto",
        "TensorBoardProto",
        .product(name: "SwiftProtobuf", package: "swift-protobuf"),
      ]),
    .target(
      name: "Conformance", dependencies: ["Cinch", "CinchCore", "CinchData", "CinchBackend", "OpenCLBackend"]),
    .executableTarget(
      name: "CinchCommand",
      dependencies: [
        "Cinch", "Conformance", "CPUBackend", "OpenCLBackend",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
        .product(name: "Logging", package: "swift-log"),
      ]),

    // Proof.
    .testTarget(name: "BackendTests", dependencies: ["CinchBackend", "Conformance"], resources: [.copy("Golden")]),
    .target(name: "TestSupport", path: "Tests/TestSupport"),
    .testTarget(
      name: "ConformanceTests",
      dependencies: ["Conformance", "Cinch", "CPUBackend", "OpenCLBackend", "Kernels", "TestSupport"]),
    .executableTarget(
      name: "Fuzz",
      dependencies: [
        "Cinch", "CinchData", "TestSupport", .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ], path: "Tests/Fuzz"),
    .testTarget(name: "DataTests", dependencies: ["CinchData", "CinchBackend", "TestSupport"]),
    .testTarget(
      name: "TrainingTests",
      dependencies: [
        "Cinch", "CinchCore", "CinchData", "CinchBackend", "ONNXProto", "TensorBoardProto", "TestSupport",
        .product(name: "SwiftProtobuf", package: "swift-protobuf"),
      ],
      exclude: ["Launches"], resources: [.copy("Golden")]),
    .testTarget(
      name: "CommandTests", dependencies: ["Cinch", "CinchData", "CinchCommand", "TestSupport"],
      exclude: ["Fixtures", "Snapshots"]),
  ],
  swiftLanguageModes: [.v6]
)
