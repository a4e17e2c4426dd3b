import CinchCore

// Recipes for people.
extension Recipe {
  /// Texts of layers, where they differ.
  private static func once(_ texts: [String]) -> String {
    Set(texts).count == 1 ? texts[0] : texts.joined(separator: "; ")
  }

  /// 784 → 196 → 784, or 1×28×28 → 16×14×14 → 1×28×28
  package func layersText() throws -> String { try resolved().shapes.map(\.description).joined(separator: " → ") }

  /// The activations in use, each once: `relu, sigmoid`.
  package var activationsText: String {
    var seen: [String] = []
    for layer in encoder + decoder where layer.hasParameters && !seen.contains(layer.activation.rawValue) {
      seen.append(layer.activation.rawValue)
    }
    return seen.joined(separator: ", ")
  }

  /// sse + KL(ρ 0.05, β 3) + weight decay 0.001
  package var objectiveText: String {
    if let modules { return Self.once(modules.map(\.objectiveText)) }
    if let chain = objective.chain {
      let units = decoder.last?.activation == .linear ? "gaussian" : "bernoulli"
      let sparsity =
        penalties.kl.map { " + sparsity(ρ \(NumberText.plain($0.rho)), β \(NumberText.plain($0.beta)))" } ?? ""
      let decay = penalties.weightDecay > 0 ? " + weight decay \(NumberText.plain(penalties.weightDecay))" : ""
      return
        "-log p(v) of \(units) units by \(chain.persistent ? "persistent CD" : "CD")-\(chain.steps)\(sparsity)\(decay)"
    }
    if closedForm == .ppca { return "-log p(x) of N(μ, W Wᵀ + σ² I)" }
    var terms = [loss.rawValue + (sigma.map { "(σ \(NumberText.plain($0)))" } ?? "")]
    if let kl = penalties.kl { terms.append("KL(ρ \(NumberText.plain(kl.rho)), β \(NumberText.plain(kl.beta)))") }
    if let prior = penalties.prior {
      let warmUp = prior.warmUp > 0 ? ", warm-up \(NumberText.counted(prior.warmUp, "update"))" : ""
      terms.append("KL to the prior (β \(NumberText.plain(prior.beta))\(warmUp))")
    }
    if penalties.weightDecay > 0 { terms.append("weight decay \(NumberText.plain(penalties.weightDecay))") }
    if penalties.l1 > 0 { terms.append("L1 \(NumberText.plain(penalties.l1))") }
    if penalties.contraction > 0 { terms.append("contraction \(NumberText.plain(penalties.contraction))") }
    return terms.joined(separator: " + ")
  }

  /// adam 0.001, batch 256; lbfgs 1, all samples
  package var trainingText: String {
    if let modules {
      // Their seeds follow from the stack's.
      let texts = modules.map { module in
        var module = module
        module.seed = seed
        return module.trainingText
      }
      return Self.once(texts) + ", layer by layer"
    }
    if closedForm != nil { return "closed form, seed \(seed)" }
    var parts = ["\(optimizer.rule.rawValue) \(NumberText.plain(optimizer.learningRate))"]
    if schedule.kind != .constant { parts.append("\(schedule.kind.rawValue) schedule") }
    if let gradientClip { parts.append("clip \(NumberText.plain(gradientClip))") }
    parts.append(optimizer.rule == .lbfgs ? "all samples" : "batch \(NumberText.grouped(batchSize))")
    parts.append(NumberText.counted(epochs, "epoch"))
    parts.append("seed \(seed)")
    return parts.joined(separator: ", ")
  }

  package var corruptionText: String? {
    if let modules {
      let texts = modules.compactMap(\.corruptionText)
      return texts.isEmpty ? nil : Self.once(texts)
    }
    return corruption.map { "\($0.kind.rawValue) \(NumberText.plain($0.level))" }
  }
}
