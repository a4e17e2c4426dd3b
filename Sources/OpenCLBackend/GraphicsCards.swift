import FoundationEssentials
import Glibc

/// Graphics cards as the kernel sees them, which may be there without a driver that speaks OpenCL.
struct GraphicsCards {
  /// Who made a card, as far as Cinch knows what it needs.
  enum Vendor: String, CaseIterable {
    case nvidia = "0x10de"
    case amd = "0x1002"
    case intel = "0x8086"

    var name: String {
      switch self {
      case .nvidia: "NVIDIA"
      case .amd: "AMD"
      case .intel: "Intel"
      }
    }

    /// What OpenCL devices of this vendor, or of Mesa's drivers for it, call it.
    fileprivate var words: [String] {
      switch self {
      case .nvidia: ["nvidia"]
      case .amd: ["amd", "advanced micro devices", "radeon"]
      case .intel: ["intel"]
      }
    }

    fileprivate func made(_ device: OpenCLDevice) -> Bool {
      // An OpenCL for processors is no driver of a card.
      device.kind != .cpu && words.contains { "\(device.vendor) \(device.name)".lowercased().contains($0) }
    }
  }

  /// Of the cards: the vendor and the device's number, such as `0x73bf`.
  var cards: [(vendor: Vendor, device: String)]
  private let root: String

  /// - Parameter root: stands before every path; a test's own tree.
  init(root: String = "") {
    self.root = root
    let folder = root + "/sys/bus/pci/devices"
    let places = (try? FileManager.default.contentsOfDirectory(atPath: folder))?.sorted() ?? []
    cards = places.compactMap { place in
      func value(_ name: String) -> String {
        let text = try? String(contentsOfFile: "\(folder)/\(place)/\(name)", encoding: .utf8)
        return String((text ?? "").prefix { !$0.isWhitespace })
      }
      // Class 03: display controllers; 12: accelerators that are none.
      guard ["0x03", "0x12"].contains(value("class").prefix(4)), let vendor = Vendor(rawValue: value("vendor")) else {
        return nil
      }
      return (vendor, value("device"))
    }
  }

  /// A sentence for each vendor whose cards no OpenCL device stands for: what is missing, as far as files tell.
  func hints(beside devices: [OpenCLDevice]) -> [String] {
    Vendor.allCases.compactMap { vendor in
      guard let card = cards.first(where: { $0.vendor == vendor }), !devices.contains(where: vendor.made) else {
        return nil
      }
      let number = "\(vendor.rawValue.dropFirst(2)):\(card.device.hasPrefix("0x") ? card.device.dropFirst(2) : "")"
      return "This machine has a card of \(vendor.name) (\(number)), but no OpenCL device is it: \(advice(vendor))"
    }
  }

  private func advice(_ vendor: Vendor) -> String {
    switch vendor {
    case .nvidia:
      if !exists("/proc/driver/nvidia/version") {
        return "install NVIDIA's driver (on Debian nvidia-driver and nvidia-opencl-icd, from non-free)."
      }
      if isNamed("nvidia") {
        return
          "its driver is loaded and named in /etc/OpenCL/vendors, but finds no card: check that /dev/nvidia0 is there (in a "
          + "container, by --gpus all), and that driver and library are of one version."
      }
      return
        "its driver is loaded, but no file in /etc/OpenCL/vendors names its OpenCL: install nvidia-opencl-icd, or write "
        + "libnvidia-opencl.so.1 into /etc/OpenCL/vendors/nvidia.icd."
    case .amd:
      if !exists("/sys/module/amdgpu") {
        return "load the kernel's driver amdgpu first (on Debian firmware-amd-graphics, from non-free-firmware)."
      }
      return nodeAdvice("/dev/kfd")
        ?? "install AMD's own rocm-opencl-runtime (repo.radeon.com), or mesa-opencl-icd with RUSTICL_ENABLE=radeonsi."
    case .intel:
      return nodeAdvice("/dev/dri/renderD128") ?? "install intel-opencl-icd."
    }
  }

  /// What to do where this user may not open a device node that a driver needs; nil where they may, or it is missing.
  private func nodeAdvice(_ node: String) -> String? {
    guard exists(node), access(root + node, R_OK | W_OK) != 0 else { return nil }
    return
      "this user may not open \(node): join the group that owns it (sudo usermod -aG render,video $USER) and log in again."
  }

  /// Whether a file that names OpenCL drivers speaks of one.
  private func isNamed(_ driver: String) -> Bool {
    let folder = root + "/etc/OpenCL/vendors"
    return ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []).contains { file in
      let text = (try? String(contentsOfFile: "\(folder)/\(file)", encoding: .utf8)) ?? ""
      return file.hasSuffix(".icd") && text.lowercased().contains(driver)
    }
  }

  private func exists(_ path: String) -> Bool { access(root + path, F_OK) == 0 }
}

extension OpenCLBackend {
  /// What to do about graphics cards of this machine that no OpenCL device stands for, a sentence each.
  public static func cardHints(beside devices: [OpenCLDevice]) -> [String] {
    GraphicsCards().hints(beside: devices)
  }
}
