import Cinch
import CinchData
import Glibc

/// Times how a file of samples is read.
struct ReadingBench {
  let path: String
  let repeats: Int

  func run(json: Bool) throws {
    var status = stat()
    guard stat(path, &status) == 0 else { throw CinchError.inputOutput("There is no file '\(path)': check the path.") }
    let size = Int(status.st_size)
    var seconds: [Double] = []
    var samples = (count: 0, features: 0)
    for _ in 0..<repeats {
      let start = ContinuousClock.now
      let data = try Dataset.load(path)
      let taken = ContinuousClock.now - start
      seconds.append(Double(taken.components.seconds) + Double(taken.components.attoseconds) * 1e-18)
      samples = (data.count, data.features)
    }
    seconds.sort()
    let rate = { Double(size) / 1e6 / $0 }
    let median = seconds[seconds.count / 2]
    var usage = rusage()
    getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
    let peak = Double(usage.ru_maxrss) * 1024 / 1e6
    if json {
      return try Output.result(
        JSON.record([
          "file": .string(path), "samples": .integer(samples.count), "features": .integer(samples.features),
          "seconds": .number(median), "megabytes_per_second": .number(rate(median)),
          "slowest_megabytes_per_second": .number(rate(seconds[seconds.count - 1])),
          "fastest_megabytes_per_second": .number(rate(seconds[0])), "peak_megabytes": .number(peak),
        ]).description)
    }
    var facts = Facts()
    facts.add("read", "\(NumberText.short(Double(size) / 1e6)) MB in \(NumberText.short(median)) s")
    facts.add(
      "rate",
      "\(NumberText.short(rate(median))) MB/s (\(NumberText.short(rate(seconds[seconds.count - 1]))) to "
        + "\(NumberText.short(rate(seconds[0]))))")
    facts.add("samples", "\(NumberText.grouped(samples.count)) of \(NumberText.counted(samples.features, "feature"))")
    facts.add("memory", "\(NumberText.short(peak)) MB at most")
    try Output.result(facts.text)
  }
}
