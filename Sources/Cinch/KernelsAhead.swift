import CinchBackend
import CinchCore
import CinchData
import OpenCLBackend

extension Run {
  /// Compiles the kernels of a run's first update, of the end of its epoch and of the run, from the last to the first, for
  /// another process that trains it: PoCL compiles one at a time in each, and keeps them for all. Nothing is trained. Devices
  /// that keep no kernels have nothing to do here.
  ///
  /// - Parameters:
  ///   - data: what it is trained on, neither scaled nor split, as for `create`.
  ///   - taken: asked before each kernel: how many of the first ones the other process has begun with; nil where it is gone.
  /// - Throws: as `create`.
  package static func compileKernels(
    of recipe: Recipe, data: Dataset, validation: Dataset?, scaling kind: Scaling.Kind, zcaEpsilon: Double,
    on device: Device, until taken: () -> Int?
  ) throws {
    guard let backend = try device.open().backend as? OpenCLBackend else { return }
    let parts = try recipe.planned(data, validation, kind, epsilon: zcaEpsilon)
    let rows = recipe.updateRows(
      of: parts.training.count, try recipe.validated(), passBytes: backend.info.passBytes)
    let training = try parts.training.prefix(rows.whole)
    let heldOut = try parts.validation?.prefix(Rehearsal.mostEvaluated)
    let absent = (parts.training.count - training.count) * parts.training.bytesPerSample(as: Float.self)
    let options = TrainingOptions(residentBytes: max(TrainingOptions().memoryLimit(backend) - absent, 0))
    // The process that trains comes first.
    let memory = try Rehearsal(recipe, training, heldOut, residentBytes: options.residentBytes ?? 0, on: backend).memory
    guard HostMemory.fits(8 * memory.values.reduce(0, +)) else { return }
    func train() throws -> any Session {
      let session = try openSession(recipe, on: backend)
      try session.prepare(training: training, validation: heldOut, options: options)
      // What it comes to without most of its kernels is no number.
      _ = try? session.trainEpoch(epochs: 1) { _ in true }
      return session
    }
    // The first update is waited for, the end of the run is not.
    backend.compileBackwards(until: taken) { _ = try train() }
    backend.compileBackwards(until: taken) {
      try Rehearsal.finish(
        try train(), heldOut: heldOut != nil, try (heldOut ?? training).prefix(Rehearsal.mostEvaluated))
    }
  }
}
