import ArgumentParser
import Cinch

struct DevicesCommand: ParsableCommand {
  static let configuration = CommandConfiguration(commandName: "devices")
}
struct SelfTestCommand: ParsableCommand {
  static let configuration = CommandConfiguration(commandName: "selftest")
}
