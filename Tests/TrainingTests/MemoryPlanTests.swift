import CinchBackend
import CinchData
import Testing

@testable import CinchCore

@Suite struct MemoryPlanTests {
  /// Tensors of every size, born and dying at any step.
  private func tensors(_ count: Int, seed: UInt64) -> [PlannedTensor] {
    let philox = Philox(seed: seed, stream: .test)
    return (0..<count).map { index in
      let words = philox.block(index: index, step: 0)
      let birth = Int(words.x % 20)
      return PlannedTensor(shape: [Int(words.y % 500)], life: birth...birth + Int(words.z % 8))
    }
  }

  @Test(arguments: 0..<20)
  func tensorsThatLiveTogetherDoNotOverlap(seed: Int) {
    let tensors = tensors(30, seed: UInt64(seed))
    let plan = MemoryPlan(tensors)
    for (i, first) in tensors.enumerated() {
      #expect(plan.offsets[i] % MemoryPlan.alignment == 0)
      #expect(plan.offsets[i] + first.shape.count <= plan.count)
      for (j, second) in tensors.enumerated().dropFirst(i + 1) where first.life.overlaps(second.life) {
        let apart =
          plan.offsets[i] + first.shape.count <= plan.offsets[j]
          || plan.offsets[j] + second.shape.count <= plan.offsets[i]
        #expect(apart, "tensors \(i) and \(j)")
      }
    }
  }

  @Test func placesAreUsedAgain() {
    let chain = (0..<10).map { PlannedTensor(shape: [640], life: $0...$0 + 1) }
    #expect(MemoryPlan(chain).count == 2 * 640)
    #expect(MemoryPlan([]).count == 0)
  }

  /// Outputs and δs of a step take little more than the outputs, which must be kept: a third less than both. Layers that
  /// are computed in one leave outputs out, and take less than one by one.
  @Test func aStepSharesMemory() throws {
    let network = try Network(.convPool(), on: ReferenceBackend())
    let single = StepSchedule(stages: network.layers.indices.map { $0..<$0 + 1 }, sites: [], mode: .training)
      .planned(network.layers.map(\.resolved.output), rows: 2)
    #expect(3 * MemoryPlan(single).count <= 2 * single.reduce(0) { $0 + $1.shape.count })

    let stages = try network.stages()
    #expect(stages.count < network.layers.count)
    let schedule = StepSchedule(stages: stages.map(\.layers), sites: [], mode: .training)
    let loss = try network.outputLoss(of: stages[stages.count - 1])
    let activations = try Activations(network, schedule, loss, rows: 2)
    let tensors = (activations.outputs + activations.deltas).compactMap { $0 }
    #expect(tensors.count == 2 * stages.count - 1)
    let apart = tensors.reduce(0) { $0 + $1.count }
    #expect(tensors.allSatisfy { $0.buffer === tensors[0].buffer })
    let end = tensors.map { $0.offset + $0.count }.max() ?? 0
    #expect(4 * end <= 3 * apart && end < MemoryPlan(single).count)
  }

  /// Evaluation passes fewer of large samples at a time, and a batch that no device holds is refused with a way out.
  @Test func memoryFollowsTheImage() throws {
    #expect(try Recipe.conv().resolved().evaluationRows == 1024)
    let photo = ImageShape(channels: 3, height: 1024, width: 1024)
    let recipe = Recipe.conv(image: photo)
    let network = try recipe.resolved()
    #expect((1...8).contains(network.evaluationRows))
    let backend = ReferenceBackend()
    try recipe.requireFit(network, on: backend)
    try recipe.requireFit(network, on: backend, UpdateRows(whole: 1, pass: 1))
    #expect {
      try recipe.requireFit(network, on: backend, UpdateRows(whole: 1 << 20, pass: 1 << 20))
    } throws: { error in
      "\(error)".contains("choose a smaller batchSize")
    }
    #expect(throws: BackendError.self) { try backend.allocate(1 << 50) }
  }
}
