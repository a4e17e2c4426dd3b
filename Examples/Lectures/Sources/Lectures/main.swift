// The results of lectures on autoencoders, computed anew: prints tables in Markdown, and writes pictures and runs.
//
//     swift run -c release Lectures NAME [FOLDER] [--device DEVICE]
import Cinch
import Foundation

let lectures: [(name: String, run: (Setting) throws -> Void)] = [
  ("pretraining", pretraining), ("filters", filters), ("codes", codes), ("variants", variants),
  ("transposed", transposed),
]

@MainActor func run() throws {
  var arguments = Array(CommandLine.arguments.dropFirst())
  var device = Device.automatic
  if let index = arguments.firstIndex(of: "--device"), index + 1 < arguments.count {
    device = try Device(arguments[index + 1])
    arguments.removeSubrange(index...index + 1)
  }
  guard let name = arguments.first, let lecture = lectures.first(where: { $0.name == name }) else {
    throw CinchError.usage("Name a lecture: \(lectures.map(\.name).joined(separator: ", ")).")
  }
  let start = ContinuousClock.now
  try lecture.run(Setting(folder: arguments.count > 1 ? arguments[1] : ".build/lectures/\(name)", device: device))
  print("\n\((ContinuousClock.now - start).components.seconds) seconds")
}

do { try run() } catch let error as CinchError {
  FileHandle.standardError.write(Data("\(error)\n".utf8))
  exit(error.exitCode)
}
