import CinchBackend
import CinchData

/// Says why a loss may have stopped being a number.
enum Divergence {
  static func explain(_ recipe: Recipe, terms: [Double], step: Int, epoch: Int) -> CinchError.Message {
    let names = ["reconstruction loss"] + recipe.penalties.names.map { "\($0) penalty" }
    let index = terms.firstIndex { !$0.isFinite } ?? 0
    let value = terms[index].isNaN ? "not a number" : "infinite"
    return "Training stopped at step \(step) (epoch \(epoch)): the \(names[index]) is \(value), likely because of "
      + "\(cause(recipe)) (the last good checkpoint is kept)."
  }

  private static func cause(_ recipe: Recipe) -> CinchError.Message {
    let rate = recipe.optimizer.learningRate
    if rate > 1 { return "the learning rate \(rate); try the usual \(.learningRate, Optimizer().learningRate)" }
    // Beside each penalty the weight that its own recipe gives it.
    let weights: [(CinchError.Setting, Double, Double)] = [
      (.weightDecay, recipe.penalties.weightDecay, 0.001), (.beta, recipe.penalties.kl?.beta ?? 0, 3),
      (.l1, recipe.penalties.l1, 0.00784), (.contraction, recipe.penalties.contraction, 0.1),
    ]
    if let (option, weight, usual) = weights.first(where: { $0.1 > max(1, 10 * $0.2) }) {
      return "the penalty's weight \(weight); try the usual \(option, usual)"
    }
    if rate > 0.01 { return "the learning rate \(rate); try a tenth of it, or \(.gradientClip, "1")" }
    if recipe.decoder.last?.activation == .linear {
      return "the scale of the data; try \(.scaling, "standard"), a smaller \(.learningRate), or \(.gradientClip, "1")"
    }
    return "a learning rate too high for these settings; try \(.learningRate, rate / 10), or \(.gradientClip, "1")"
  }
}
