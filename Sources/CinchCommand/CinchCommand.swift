import ArgumentParser
import Cinch
import Glibc

/// The `cinch` program. It is the only place that picks a device.
@main
struct CinchCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "cinch",
    abstract: "Trains autoencoders on any OpenCL device, or on the CPU with OpenBLAS.",
    discussion: """
      Results go to standard output, progress to standard error.

      Exit status: 0 success, 1 a self-test failed, 64 usage, 65 bad data or a diverged run, 69 something is not \
      available on this machine, 74 input or output failed, 130 interrupted.
      """,
    version: Cinch.version,
    subcommands: [
      TrainCommand.self, EvalCommand.self, EncodeCommand.self, DecodeCommand.self, ReconstructCommand.self,
      InfoCommand.self, RecipesCommand.self, DevicesCommand.self, SelfTestCommand.self, BenchCommand.self,
    ])

  static func main() {
    // A reader that goes away is an error of a write, not the program's end.
    signal(SIGPIPE, SIG_IGN)
    do {
      var command = try parseAsRoot()
      try command.run()
    } catch is OutputClosed {
      Glibc.exit(0)
    } catch let error as CinchError {
      leave(error.description, status: error.exitCode)
    } catch let error as BackendError {
      leave(error.description, status: CinchError.unavailable("").exitCode)
    } catch {
      let status = exitCode(for: error).rawValue
      // Help, the version, and failures that have said what they had to say.
      guard status == ExitCode.validationFailure.rawValue else { exit(withError: error) }
      let text = fullMessage(for: error)
      leave(text.hasPrefix("Error: ") ? String(text.dropFirst(7)) : text, status: status)
    }
  }

  private static func leave(_ text: String, status: Int32) -> Never {
    let ended = text.last.map { ".!?".contains($0) || text.contains("\n") } ?? true
    Output.note("cinch: \(text)\(ended ? "" : ".")")
    Glibc.exit(status)
  }
}
