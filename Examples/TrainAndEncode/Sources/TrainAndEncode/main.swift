// Trains a sparse autoencoder on Fashion-MNIST in a run folder, and encodes the images. What is not done within the
// minutes is gone on with when the program is called again; so is a run that ended, where there are more epochs now.
//
//     swift run -c release TrainAndEncode [EPOCHS] [FOLDER] [MINUTES]
import Cinch

let arguments = CommandLine.arguments.dropFirst()
let epochs = arguments.first.flatMap(Int.init) ?? 20
let folder = arguments.dropFirst().first ?? "runs/sparse"
let minutes = arguments.dropFirst(2).first.flatMap(Int.init) ?? 10
let deadline = ContinuousClock.now + .seconds(60 * minutes)

func openRun() throws -> Run {
  if let config = try? RunFolder(folder).config() {
    return try Run.resume(folder, epochs: max(epochs, config.recipe.epochs))
  }
  var recipe = Recipe.sparse(layers: [784, 196], rho: 0.05, beta: 3)
  recipe.epochs = epochs
  return try Run.create(recipe, data: DataSource("fashion-mnist"), in: folder)
}

let run = try openRun()
let summary = try run.train { event in
  if case .epoch(let epoch) = event {
    print(epoch.number, epoch.reconstruction.perElement, epoch.samplesPerSecond)
  }
  return ContinuousClock.now < deadline
}
let codes = try run.model.encode(run.training)
print("\(codes.count) codes of \(codes.features) units; the model is in \(folder)")
if summary == nil { print("stopped after epoch \(try run.state.epoch): call this again to go on") }
