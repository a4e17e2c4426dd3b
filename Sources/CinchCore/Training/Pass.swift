import CinchBackend

/// Where a pass of a batch through the network stands: what a layer that draws numbers, or is off in evaluation, needs.
struct Pass: Sendable {
  /// Training and evaluation measure the objective, so a code that is drawn is drawn in both; inference uses the model.
  enum Mode: Sendable { case training, evaluation, inference }

  let mode: Mode
  /// Updates before this one, in the whole run.
  let step: UInt64
  let seed: UInt64
  /// Where the part at hand begins in the update's whole batch.
  let firstRow: Int
  /// The rows of the whole batch, of which objectives are means.
  let batchRows: Int

  init(_ mode: Mode, step: UInt64, seed: UInt64, firstRow: Int = 0, batchRows: Int) {
    self.mode = mode
    self.step = step
    self.seed = seed
    self.firstRow = firstRow
    self.batchRows = batchRows
  }

  /// The random numbers of this pass for a purpose. `site` sets apart those who draw for the same one, such as layers.
  func draws(_ stream: Philox.Stream, site: Int = 0) -> Draws {
    Draws(Philox(seed: seed, stream: stream, site: site), step: step, firstRow: firstRow)
  }
}

/// A batch, or a part of one, as a feed loads it: what the network sees and what its output is compared with.
struct Batch<Buffer: AnyObject> {
  let pass: Pass
  /// What the first layer sees: corrupted where there is corruption.
  let input: Tensor<Buffer>
  /// What the output is compared with: the clean samples, or labels `[rows, 1]`.
  let target: Tensor<Buffer>
  /// What each element of the target counts: 0 where it is missing. Nil where none is.
  var weight: Tensor<Buffer>?

  var rows: Int { input.rows }
}

/// Where a backward pass leaves the gradients. Today that is always the arena, which the updater reads as a whole; a pass
/// that updates each weight as its gradient is ready will be another case.
enum GradientSink: Sendable { case arena }

/// One number of the record of an update.
struct Column: Sendable {
  let name: String
  /// What its value counts in the objective at an update; nil where it is only reported.
  let weight: (@Sendable (_ step: Int) -> Double)?

  init(_ name: String, weight: (@Sendable (_ step: Int) -> Double)? = { _ in 1 }) {
    self.name = name
    self.weight = weight
  }
}
