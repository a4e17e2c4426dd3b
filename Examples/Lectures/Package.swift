// swift-tools-version: 6.1
import PackageDescription

// A package of its own: it sees of Cinch what any other package sees.
let package = Package(
  name: "Lectures",
  dependencies: [.package(name: "cinch", path: "../..")],
  targets: [
    .executableTarget(name: "Lectures", dependencies: [.product(name: "Cinch", package: "cinch")])
  ],
  swiftLanguageModes: [.v6]
)
