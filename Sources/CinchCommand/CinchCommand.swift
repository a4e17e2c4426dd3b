import ArgumentParser
import Cinch
import CinchData
import Glibc
import Logging

/// The `cinch` program: arguments in, reports out. What they ask for is done by the library.
@main
struct CinchCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "cinch",
    abstract: "Trains autoencoders on any OpenCL device, or on the CPU.",
    discussion: """
      Results go to standard output, progress to standard error.

      Exit status: 0 success, 1 a self-test failed, 64 usage, 65 bad data or a diverged run, 69 something is not \
      available on this machine, 74 input or output failed, 130 interrupted.
      """,
    version: CinchVersion.current,
    subcommands: [
      TrainCommand.self, SweepCommand.self, PretrainCommand.self, FinetuneCommand.self, EvalCommand.self,
      EncodeCommand.self,
      DecodeCommand.self, ReconstructCommand.self, DenoiseCommand.self, InpaintCommand.self,
      ScoreCommand.self, ImputeCommand.self, CompressCommand.self, DecompressCommand.self, SampleCommand.self,
      ClassifyCommand.self, ExportCommand.self, ImportCommand.self,
      PlanCommand.self, InfoCommand.self, ReportCommand.self, RecipesCommand.self, DevicesCommand.self,
      SelfTestCommand.self,
      BenchCommand.self, TuneCommand.self,
    ])

  static func main() {
    // A reader that goes away is an error of a write, not the program's end.
    signal(SIGPIPE, SIG_IGN)
    // So is a file that reaches the system's limit.
    signal(SIGXFSZ, SIG_IGN)
    // A data file is read in place, and another program may cut it.
    signal(SIGBUS) { _ in
      let text: StaticString =
        "cinch: A data file was made shorter, or its disk failed, while it was read: bring it back, and start again.\n"
      write(STDERR_FILENO, text.utf8Start, text.utf8CodeUnitCount)
      _exit(74)
    }
    BuildLimit.onNotice { device in
      guard !Diagnostics.isQuiet.load(ordering: .relaxed) else { return }
      Output.note("compiling kernels for \(device) (once)")
    }
    TuningFile.onNotice { text in
      guard !Diagnostics.isQuiet.load(ordering: .relaxed) else { return }
      Diagnostics.logger().notice("\(text)")
    }
    do {
      try requireCommand(Array(CommandLine.arguments.dropFirst()))
      do {
        var command = try parseAsRoot()
        try command.run()
      } catch let error where exitCode(for: error).isSuccess {
        // Help and the version: the parser would not see that a disk is full.
        try Output.result(fullMessage(for: error))
      }
    } catch is OutputClosed {
      Glibc.exit(0)
    } catch let error as CinchError {
      leave(error.typed, status: error.exitCode)
    } catch let error as BackendError {
      let error = CinchError(error)
      leave(error.typed, status: error.exitCode)
    } catch {
      let status = exitCode(for: error).rawValue
      // Failures that have said what they had to say.
      guard status == ExitCode.validationFailure.rawValue else { exit(withError: error) }
      leave(oneLine(error), status: status)
    }
  }

  /// The parser would speak of the options of a command that does not exist.
  private static func requireCommand(_ words: [String]) throws {
    let names = configuration.subcommands.compactMap { $0.configuration.commandName }
    guard let word = words.first(where: { $0 != "help" }), !word.hasPrefix("-"), !names.contains(word) else { return }
    throw CinchError.usage(
      "There is no command '\(word)'\(Suggestion.text(for: word, among: names)): see 'cinch --help'.")
  }

  /// The parser's message in one line, its lists joined, without a full stop.
  static func joined(_ message: String) -> String {
    let lines = message.split(whereSeparator: \.isNewline).map { $0.drop(while: \.isWhitespace) }
    let items = lines.filter { $0.hasPrefix("- ") }.map { $0.dropFirst(2) }.joined(separator: ", ")
    var text = lines.filter { !$0.hasPrefix("- ") }.joined(separator: " ") + (items.isEmpty ? "" : " " + items)
    while text.last == "." { text.removeLast() }
    return text.replacing(". Please", with: "; please")
  }

  /// The parser's message, and in place of its usage where to read that.
  private static func oneLine(_ error: any Error) -> String {
    var text = joined(message(for: error))
    // The usage ends with how to ask the command in question for help.
    let help = fullMessage(for: error).firstMatch(of: /See '(.+?)'/).map { String($0.1) } ?? "cinch --help"
    text = text.replacing(/\. Did (you mean .+\?)/) { " (did \($0.1))" }
    return "\(text); see '\(help)'."
  }

  private static func leave(_ text: String, status: Int32) -> Never {
    Output.note("cinch: \(text)")
    fflush(nil)
    // Not `exit`: a driver's handlers would wait for a compiler that was given up.
    _exit(status)
  }
}
