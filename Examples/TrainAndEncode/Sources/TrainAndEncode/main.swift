// Trains a sparse autoencoder on Fashion-MNIST, encodes the images and saves the model.
//
//     swift run -c release TrainAndEncode [EPOCHS] [FOLDER]
import Cinch

let arguments = CommandLine.arguments.dropFirst()
let epochs = arguments.first.flatMap(Int.init) ?? 20
let folder = arguments.dropFirst().first ?? "runs/sparse"

let images = try Dataset.fashionMNIST()
let trainer = try Trainer(.sparse(layers: [784, 196], rho: 0.05, beta: 3), on: .automatic)
for try await epoch in trainer.fit(images, epochs: epochs) {
  print(epoch.number, epoch.reconstruction.perElement, epoch.samplesPerSecond)
}
let codes = try trainer.model.encode(images)
try trainer.model.save(to: folder, trainedOn: images)
print("\(codes.count) codes of \(codes.features) units; the model is in \(folder)")
