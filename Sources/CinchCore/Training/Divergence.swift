import CinchBackend
import CinchData

/// Says why a loss may have stopped being a number.
enum Divergence {
  /// - Parameter values: of the first of `columns`; the first that is not finite is named.
  static func explain(
    _ recipe: Recipe, _ columns: [Column], _ values: [Double], step: Int, epoch: Int
  ) -> CinchError.Message {
    let index = values.firstIndex { !$0.isFinite } ?? 0
    let name = columns[index].name + (index == 0 ? " loss" : columns[index].weight == nil ? "" : " penalty")
    return explain(recipe, "the \(name)", values[index], step: step, epoch: epoch)
  }

  /// - Parameter subject: what is not finite.
  static func explain(
    _ recipe: Recipe, _ subject: String, _ value: Double, step: Int, epoch: Int
  ) -> CinchError.Message {
    let value = value.isNaN ? "not a number" : "infinite"
    return "Training stopped at step \(step) (epoch \(epoch)): \(subject) is \(value), likely because of "
      + "\(cause(recipe)) (the last good checkpoint is kept)."
  }

  private static func cause(_ recipe: Recipe) -> CinchError.Message {
    let rate = recipe.optimizer.learningRate
    // Its steps are as long as the objective falls.
    if recipe.optimizer.rule == .lbfgs { return "the scale of the data; try \(.scaling, "standard")" }
    if rate > 1 { return "the learning rate \(rate); try the usual \(.learningRate, Optimizer().learningRate)" }
    if let penalty = recipe.penalties.active.first(where: { $0.weight > max(1, 10 * $0.usualWeight) }) {
      return "the penalty's weight \(penalty.weight); try the usual \(penalty.setting, penalty.usualWeight)"
    }
    if rate > 0.01 { return "the learning rate \(rate); try a tenth of it, or \(.gradientClip, "1")" }
    if recipe.decoder.last?.activation == .linear {
      return "the scale of the data; try \(.scaling, "standard"), a smaller \(.learningRate), or \(.gradientClip, "1")"
    }
    return "a learning rate too high for these settings; try \(.learningRate, rate / 10), or \(.gradientClip, "1")"
  }
}
