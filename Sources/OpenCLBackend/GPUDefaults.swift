/// What is shipped for GPUs of some vendors, and how that is known. `cinch tune` finds what is quicker on one of them.
struct GPUDefault {
  /// Parts of what devices call their vendor, in small letters.
  let vendors: [String]
  /// The architectures that the source is about.
  let architectures: String
  /// A choice of `GPUChoice.all`.
  let choice: GPUChoice
  let source: String
}

extension GPUDefault {
  /// The first whose vendor fits is taken.
  static let table: [GPUDefault] = [
    GPUDefault(
      vendors: ["nvidia"], architectures: "sm_75 to sm_90", choice: .nvidia,
      source:
        "Benchmarks/results/gpu-isa.md: no spills, bounds of 64 to 87 % of the multiply-add peak for aligned tensors"),
    GPUDefault(
      vendors: ["advanced micro devices", "amd"], architectures: "gfx906 to gfx1100", choice: .amd,
      source: "Benchmarks/results/gpu-isa.md: no spills; loops that are not written out take 170 registers, not 104"),
    GPUDefault(
      vendors: ["intel"], architectures: "Gen9 to Xe", choice: .frugal,
      source: """
        Benchmarks/results/gpu-isa.md: by local memory, 32 sums an item spill 0.3 to 4 KB, 16 do not. Tiles by sub-groups \
        have the higher bound; until such a device has run them they are candidates of a tuning alone
        """),
    GPUDefault(
      vendors: ["arm"], architectures: "Bifrost and Valhall", choice: .frugal,
      source:
        "Arm Mali GPU OpenCL Developer Guide (101574), 9.6: a thread has 64 registers, and further ones may lie in memory"
    ),
    GPUDefault(
      vendors: ["qualcomm"], architectures: "Adreno", choice: .frugal,
      source: "none of its own: taken for a phone's GPU, as Arm's"),
    GPUDefault(
      vendors: ["imagination"], architectures: "PowerVR", choice: .frugal,
      source: "none of its own: taken for a phone's GPU, as Arm's"),
  ]

  /// For GPUs of whom nothing is known: tiles that spill on none but Intel's.
  static let portable = GPUChoice.amd
}

extension GPUChoice {
  /// What is shipped for a device.
  static func shipped(for device: OpenCLDevice) -> GPUChoice {
    guard device.kind == .gpu, !device.isSoftware else { return emulated }
    let vendor = device.vendor.lowercased()
    return GPUDefault.table.first { $0.vendors.contains(where: vendor.contains) }?.choice ?? GPUDefault.portable
  }
}
