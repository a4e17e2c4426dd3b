import Cinch

/// Prints where a run's time went: op by op, then by what it was spent on.
struct ProfileReport {
  let profile: Profile
  /// What to hold the ops against; nil where the device has no ceilings.
  let ceilings: Ceilings?

  private static let table = Table([
    .text("op", width: 19), .text("what", width: 64), .number("calls", width: 6), .number("µs", width: 9),
    .number("share", width: 6), .number("GFLOP/s", width: 8), .number("GB/s", width: 7),
    .number("of ceiling", width: 10),
  ])

  /// Rows that take less of an update are added up in one.
  private static let leastShare = 0.002

  /// Updates, or 1 where nothing was updated: what all figures are stated for.
  private var updates: Double { Double(max(profile.updates, 1)) }

  var lines: [String] {
    let rows = profile.rows.filter { $0.kind != .wait }.sorted { $0.seconds > $1.seconds }
    let shown = rows.filter { $0.seconds >= Self.leastShare * profile.seconds }
    let rest = rows.dropFirst(shown.count)
    var lines = [Self.table.header] + shown.map(line)
    if !rest.isEmpty {
      lines.append(
        Self.table.line([
          "\(NumberText.counted(rest.count, "other"))", "", calls(rest.reduce(0) { $0 + $1.calls }),
          time(rest.reduce(0) { $0 + $1.seconds }), share(rest.reduce(0) { $0 + $1.seconds }),
        ]))
    }
    lines += ["", summary]
    let others = profile.wholeSeconds - profile.seconds
    if others >= 0.01 * profile.wholeSeconds {
      lines.append(
        String(
          format: "updates take %.2f s of %.2f s; evaluation, pictures and files the rest", profile.seconds,
          profile.wholeSeconds))
    }
    return lines
  }

  private func line(_ row: Profile.Row) -> String {
    Self.table.line([
      row.op, row.text, calls(row.calls), time(row.seconds), share(row.seconds),
      row.operations > 0 ? String(format: "%.1f", row.operations / row.seconds / 1e9) : "",
      String(format: "%.1f", row.bytes / row.seconds / 1e9),
      ceilings.flatMap { row.fraction(of: $0) }.map { String(format: "%.0f %%", 100 * $0) } ?? "",
    ])
  }

  /// An update's time by what it was spent on.
  private var summary: String {
    let parts: [(String, Double)] = [
      ("products", profile.seconds(of: .product)), ("convolutions", profile.seconds(of: .convolution)),
      ("passes", profile.seconds(of: .pass)), ("transfers", profile.seconds(of: .transfer)),
      ("launches", profile.launching), ("host and waiting", profile.idle),
    ]
    let text = parts.filter { $0.1 >= 0.0005 * profile.seconds }.map { "\($0) \(share($1))" }.joined(separator: ", ")
    let queueing = profile.queueing > 0 ? "; queueing takes the host \(time(profile.queueing)) µs" : ""
    let peak = ceilings.map { String(format: "; the peak is %.0f GFLOP/s", $0.gflops) } ?? ""
    let whole = profile.updates > 0 ? "an update of" : "all of"
    return "\(whole) \(time(profile.seconds)) µs: \(text)\(queueing)\(peak)"
  }

  private func calls(_ count: Int) -> String {
    let each = Double(count) / updates
    return each == each.rounded() ? "\(Int(each))" : String(format: "%.2f", each)
  }

  private func time(_ seconds: Double) -> String { String(format: "%.1f", seconds / updates * 1e6) }

  private func share(_ seconds: Double) -> String {
    String(format: "%.1f %%", 100 * seconds / max(profile.seconds, 1e-12))
  }

  /// The same as a JSON object that begins with a member of the caller's: per update, in seconds, operations and bytes; but
  /// `whole_seconds` are the run's.
  func record(_ name: String, _ value: String) -> JSON {
    let rows = profile.rows.filter { $0.kind != .wait }.map { row in
      JSON.record([
        "op": .string(row.op), "what": .string(row.text), "kind": .string(row.kind.rawValue),
        "kernels": .array(row.kernels.sorted().map { .string($0) }), "calls": .number(Double(row.calls) / updates),
        "seconds": .number(row.seconds / updates), "fastest": .number(row.fastest),
        "operations": .number(row.operations / updates),
        "bytes": .number(row.bytes / updates), "ceiling_fraction": .optional(ceilings.flatMap { row.fraction(of: $0) }),
      ])
    }
    return JSON.record([
      name: .string(value), "updates": .integer(profile.updates), "seconds": .number(profile.seconds / updates),
      "whole_seconds": .number(profile.wholeSeconds), "launching": .number(profile.launching / updates),
      "idle": .number(profile.idle / updates),
      "queueing": .number(profile.queueing / updates), "peak_gflops": .optional(ceilings?.gflops),
      "ops": .array(rows),
    ])
  }
}
