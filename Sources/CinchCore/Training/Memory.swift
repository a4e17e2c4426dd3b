import CinchBackend
import CinchData

/// A run's device memory, asked for by name where it must outlive an update: what was kept is what a checkpoint holds.
final class Memory<B: Backend> {
  let backend: B
  private(set) var kept: [(name: String, tensor: Tensor<B.Buffer>)] = []

  init(_ backend: B) { self.backend = backend }

  /// Memory, zero at first, that goes into the checkpoint under a name.
  /// - Throws: `BackendError.invalidArgument` where the name is taken.
  func kept(_ name: String, _ shape: Shape) throws -> Tensor<B.Buffer> {
    let tensor = try backend.tensor(shape)
    try keep(tensor, as: name)
    return tensor
  }

  /// Has the checkpoint hold what somebody else has made, as it does the parameters.
  func keep(_ tensor: Tensor<B.Buffer>, as name: String) throws {
    guard !kept.contains(where: { $0.name == name }) else {
      throw BackendError.invalidArgument("Two tensors of a run are kept as '\(name)': give each a name of its own.")
    }
    kept.append((name, tensor))
  }

  /// Writes back what a checkpoint holds.
  /// - Throws: `CinchError.badData`, before anything is written, where it does not fit.
  func restore(_ values: [String: [B.Scalar]]) throws {
    for (name, tensor) in kept {
      guard let array = values[name], array.count == tensor.count else {
        throw CinchError.badData(
          "The checkpoint does not fit this model: '\(name)' should hold \(tensor.count) numbers. "
            + "Resume with the recipe the run was started with.")
      }
    }
    for (name, tensor) in kept {
      if let array = values[name] { try backend.write(array, to: tensor) }
    }
  }

  /// Memory whose contents nobody needs after the update.
  func scratch(_ shape: Shape) throws -> Tensor<B.Buffer> { try backend.tensor(shape) }
}

/// Scratch whose size follows the rows of a batch, for the sizes that were met last.
final class RowScratch<B: Backend> {
  private let memory: Memory<B>
  private let count: (_ rows: Int) -> Int
  private var tensors: [(rows: Int, tensor: Tensor<B.Buffer>)] = []

  init(_ memory: Memory<B>, count: @escaping (_ rows: Int) -> Int) {
    self.memory = memory
    self.count = count
  }

  func tensor(rows: Int) throws -> Tensor<B.Buffer> {
    if let found = tensors.first(where: { $0.rows == rows }) { return found.tensor }
    let tensor = try memory.scratch([count(rows)])
    if tensors.count == 4 { tensors.removeFirst() }
    tensors.append((rows, tensor))
    return tensor
  }
}
