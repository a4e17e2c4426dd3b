import Foundation
import Testing

@testable import OpenCLBackend

/// What is said of cards that the kernel sees, by files as Linux has them.
@Suite struct GraphicsCardTests {
  /// A machine: its cards, and files that tell of drivers.
  private func machine(_ cards: [(String, String, String)], files: [String] = []) throws -> String {
    let root = FileManager.default.temporaryDirectory.appendingPathComponent("cinch-cards-\(UUID().uuidString)")
    for (index, card) in cards.enumerated() {
      let folder = root.appendingPathComponent("sys/bus/pci/devices/0000:0\(index):00.0")
      try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
      for (name, text) in [("class", card.0), ("vendor", card.1), ("device", card.2)] {
        try (text + "\n").write(to: folder.appendingPathComponent(name), atomically: false, encoding: .utf8)
      }
    }
    for file in files {
      let path = root.appendingPathComponent(file)
      try FileManager.default.createDirectory(
        at: path.deletingLastPathComponent(), withIntermediateDirectories: true)
      try Data().write(to: path)
    }
    return root.path
  }

  private func device(_ kind: OpenCLDevice.Kind, _ vendor: String, _ name: String) -> OpenCLDevice {
    OpenCLDevice(
      platform: 0, device: 0, name: name, vendor: vendor, platformName: "P", driver: "1", version: "OpenCL 3.0",
      kind: kind, computeUnits: 1, globalMemory: 1, largestBuffer: 1)
  }

  @Test func eachVendorHasItsAdvice() throws {
    let display = "0x030000"
    let cases: [(String, [String], String)] = [
      ("0x10de", [], "install NVIDIA's driver"),
      ("0x10de", ["proc/driver/nvidia/version"], "/etc/OpenCL/vendors/nvidia.icd"),
      ("0x1002", [], "load the kernel's driver amdgpu"),
      ("0x1002", ["sys/module/amdgpu", "dev/kfd"], "rocm-opencl-runtime"),
      ("0x8086", ["dev/dri/renderD128"], "intel-opencl-icd"),
    ]
    for (vendor, files, part) in cases {
      let root = try machine([(display, vendor, "0x73bf")], files: files)
      defer { try? FileManager.default.removeItem(atPath: root) }
      let hints = GraphicsCards(root: root).hints(beside: [device(.cpu, "GenuineIntel", "pthread-Intel AMD NVIDIA")])
      #expect(hints.count == 1 && hints[0].contains(part) && hints[0].hasSuffix("."), "\(hints)")
      #expect(hints[0].contains("(\(vendor.dropFirst(2)):73bf)"))
    }
  }

  /// A driver that is named and finds nothing is not told to be named.
  @Test func whatIsNamedIsNotToBeNamed() throws {
    let root = try machine(
      [("0x030200", "0x10de", "0x2330")], files: ["proc/driver/nvidia/version", "etc/OpenCL/vendors/nvidia.icd"])
    defer { try? FileManager.default.removeItem(atPath: root) }
    try "libnvidia-opencl.so.1\n".write(
      toFile: root + "/etc/OpenCL/vendors/nvidia.icd", atomically: false, encoding: .utf8)
    let hints = GraphicsCards(root: root).hints(beside: [])
    #expect(hints.count == 1 && hints[0].contains("/dev/nvidia0") && !hints[0].contains("write"), "\(hints)")
  }

  /// A card that OpenCL has, an audio device, a virtual card and a machine without PCI need nothing.
  @Test func whatIsThereNeedsNoHint() throws {
    let root = try machine([
      ("0x030200", "0x10de", "0x2330"), ("0x040300", "0x1002", "0xab28"), ("0x030000", "0x1af4", "0x1050"),
      ("0x030000", "0x1002", "0x73bf"),
    ])
    defer { try? FileManager.default.removeItem(atPath: root) }
    let cards = GraphicsCards(root: root)
    #expect(cards.cards.map(\.vendor) == [.nvidia, .amd])
    let both = [device(.gpu, "NVIDIA Corporation", "H100"), device(.gpu, "Advanced Micro Devices, Inc.", "gfx1030")]
    #expect(cards.hints(beside: both).isEmpty)
    #expect(cards.hints(beside: [both[0]]).count == 1)
    #expect(cards.hints(beside: [device(.gpu, "Mesa", "AMD Radeon RX 6800 (radeonsi)"), both[0]]).isEmpty)
    #expect(GraphicsCards(root: root + "/nowhere").hints(beside: []).isEmpty)
  }
}
