import Cinch
import Testing

@testable import CinchCommand

@Suite struct SettingNamesTests {
  @Test func everyOptionIsThere() async throws {
    let sandbox = try Sandbox()
    var help = ""
    for command in ["train", "finetune", "export", "score"] {
      help += try await sandbox.run(line: "\(command) --help").output
    }
    var options = 0
    for setting in CinchError.Setting.allCases {
      guard let option = setting.option else { continue }
      options += 1
      #expect(help.contains("\(option) ") || help.contains("\(option)\n"), "\(setting)")
    }
    #expect(options == CinchError.Setting.allCases.count - 3)
  }

  @Test func settingsAreTyped() {
    let error = CinchError.usage("Use \(.learningRate, 0.1), \(.header, CSVHeader.absent.rawValue) or \(.resume, "a").")
    #expect(error.typed == "Use --lr 0.1, --header no or 'cinch train --resume a'.")
  }
}
