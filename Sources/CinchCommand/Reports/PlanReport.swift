import Cinch

/// What training would take, for people and as JSON.
struct PlanReport {
  let plan: TrainingPlan

  init(_ plan: TrainingPlan) { self.plan = plan }

  private var epochs: Int { plan.recipe.epochs }

  var text: String {
    var facts = Facts()
    facts.add("recipe", plan.recipe.name)
    facts.add("device", "\(plan.device.identifier) (\(plan.device.name))")
    let heldOut = plan.heldOut > 0 ? " + \(NumberText.grouped(plan.heldOut)) for validation" : ""
    facts.add(
      "samples",
      NumberText.grouped(plan.samples) + heldOut + (plan.isStreamed ? ", read from the host batch by batch" : ""))
    facts.add("parameters", NumberText.grouped(plan.parameters))
    facts.add("memory", "\(megabytes(plan.totalMemory)) of \(NumberText.bytes(plan.device.memory))")
    for use in TrainingPlan.Use.allCases {
      if let bytes = plan.memory[use], bytes > 0 { facts.add("  \(use.rawValue)", megabytes(bytes)) }
    }
    facts.add("update", "\(NumberText.counted(plan.rowsPerUpdate, "sample")): \(work(plan.update))")
    facts.add("epoch", "\(NumberText.counted(plan.updatesPerEpoch, "update")): \(work(plan.epoch))")
    if let seconds = plan.epoch.seconds {
      facts.add("\(NumberText.counted(epochs, "epoch"))", time(seconds * Double(epochs)))
    }
    facts.add("speed", plan.samplesPerSecond.map(NumberText.rate))
    return facts.text
  }

  private func megabytes(_ bytes: Int) -> String { String(format: "%.1f MB", Double(bytes) / 1e6) }

  private func work(_ work: TrainingPlan.Work) -> String {
    let sizes = [
      work.seconds.map(time), String(format: "%.3f GFLOP", work.operations / 1e9),
      String(format: "%.1f MB to and from memory", work.bytes / 1e6), NumberText.counted(work.launches, "op"),
    ]
    return sizes.compactMap(\.self).joined(separator: ", ")
  }

  private func time(_ seconds: Double) -> String {
    switch seconds {
    case ..<1e-3: String(format: "%.0f µs", seconds * 1e6)
    case ..<1: String(format: "%.1f ms", seconds * 1e3)
    case ..<120: String(format: "%.1f s", seconds)
    default: NumberText.duration(seconds)
    }
  }

  /// Seconds, bytes and operations, without rounding.
  var record: JSON {
    func work(_ work: TrainingPlan.Work) -> JSON {
      JSON.record([
        "ops": .integer(work.launches), "operations": .number(work.operations), "bytes": .number(work.bytes),
        "seconds": .optional(work.seconds),
      ])
    }
    func bytes(_ use: TrainingPlan.Use) -> JSON { .integer(plan.memory[use] ?? 0) }
    return JSON.record([
      "recipe": .string(plan.recipe.name), "device": .string(plan.device.identifier),
      "device_name": .string(plan.device.name), "samples": .integer(plan.samples),
      "validation_samples": .integer(plan.heldOut), "streamed": .boolean(plan.isStreamed),
      "parameters": .integer(plan.parameters), "rows_per_update": .integer(plan.rowsPerUpdate),
      "updates_per_epoch": .integer(plan.updatesPerEpoch), "epochs": .integer(epochs),
      "device_bytes": .integer(plan.totalMemory),
      "memory": JSON.record([
        "data_set": bytes(.dataSet), "parameters": bytes(.parameters), "activations": bytes(.activations),
        "scratch": bytes(.scratch), "evaluation": bytes(.evaluation),
      ]),
      "update": work(plan.update), "epoch": work(plan.epoch),
      "samples_per_second": .optional(plan.samplesPerSecond),
    ])
  }
}
