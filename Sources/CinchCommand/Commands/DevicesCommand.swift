import ArgumentParser
import Cinch

struct DevicesCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "devices", abstract: "Lists the devices of this machine, and which one auto takes.")

  @Flag(help: "Prints one JSON object.")
  var json = false

  func run() throws {
    let list = try Device.list()
    if json { return try Output.result(JSONCoding.document(list)) }
    let width = (list.devices.map(\.identifier.count).max() ?? 0) + 2
    for device in list.devices {
      let mark = device.identifier == list.automatic ? "*" : " "
      let name = device.identifier.padding(toLength: width, withPad: " ", startingAt: 0)
      let units = device.computeUnits.map { ", \($0) compute units" } ?? ""
      let buffer = device.largestBuffer.map { ", buffers to \(NumberText.bytes($0))" } ?? ""
      let family = device.family.map { ", \($0) kernels" } ?? ""
      try Output.result("\(mark) \(name)\(device.name)")
      try Output.result(
        "  \(String(repeating: " ", count: width))\(device.type)\(units), \(NumberText.bytes(device.memory))\(buffer)\(family)"
      )
      try Output.result("  \(String(repeating: " ", count: width))\(device.driver)")
    }
    try Output.result("* \(list.reason ?? "auto takes \(list.automatic)")")
    for hint in list.hints { Output.note("hint: \(hint)") }
  }
}
