import CinchBackend

/// Says why a loss may have stopped being a number.
enum Divergence {
  static func explain(_ recipe: Recipe, terms: [Double], step: Int, epoch: Int) -> String {
    let names = ["reconstruction loss"] + recipe.penalties.names.map { "\($0) penalty" }
    let index = terms.firstIndex { !$0.isFinite } ?? 0
    let value = terms[index].isNaN ? "not a number" : "infinite"
    return "Training stopped at step \(step) (epoch \(epoch)): the \(names[index]) is \(value). \(cause(recipe)) "
      + "The last good checkpoint is kept."
  }

  private static func cause(_ recipe: Recipe) -> String {
    if recipe.optimizer.learningRate > 0.01 {
      return "The likely cause is the learning rate \(recipe.optimizer.learningRate): try a tenth of it, or --clip 1."
    }
    if recipe.decoder.last?.activation == .linear {
      return "The likely cause is the scale of the data: try --scale standard, a smaller --lr, or --clip 1."
    }
    return "The likely cause is a learning rate too high for these settings: try --lr "
      + "\(recipe.optimizer.learningRate / 10), or --clip 1."
  }
}
