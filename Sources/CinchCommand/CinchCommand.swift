import ArgumentParser

@main
struct CinchCommand: ParsableCommand {
  static let configuration = CommandConfiguration(commandName: "cinch", subcommands: [BenchCommand.self])
}
