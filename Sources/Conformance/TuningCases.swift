import CinchBackend
import OpenCLBackend

/// The ops that a choice is about.
struct TuningCases {
  /// Small enough for the reference. Their tensors and rows begin where the choice is made for.
  var checked: [any OpCase]
  /// Of a training step's size, from the workloads of `cinch bench`.
  var timed: [any OpCase]
  /// Losses, whose partial sums a careless choice could cut elsewhere.
  var losses: [any OpCase] = []

  init(_ tunable: Tunable) {
    // A row that begins between multiples of four elements is read by single floats.
    let odd = tunable.loadWidth == 1 ? 1 : 0
    func output(_ m: Int, _ n: Int, _ k: Int) -> MatmulCase {
      MatmulCase(m: m, n: n - odd, k: k - odd, transposeB: true, kind: .forward(.sigmoid, bias: true))
    }
    func gradient(_ samples: Int, _ inputs: Int, _ outputs: Int) -> DenseGradientCase {
      DenseGradientCase(
        samples: samples, inputs: inputs - odd, outputs: outputs - odd, accumulate: false, pull: false)
    }
    /// Kernels of 3 × 3 over square images, with padding as `conv` has it.
    func image(_ side: Int, _ channels: Int, _ outputs: Int, stride: Int, samples: Int) -> ImageGeometry<
      ConvolutionGeometry
    > {
      let end = (side - 1) / stride + 1
      return ImageGeometry(
        geometry: ConvolutionGeometry(
          height: side, width: side, channels: channels - odd, outputHeight: end, outputWidth: end,
          outputChannels: outputs - odd, kernel: (3, 3), stride: (stride, stride), dilation: (1, 1), top: 1, left: 1),
        samples: samples)
    }
    func convolution(
      _ image: ImageGeometry<ConvolutionGeometry>, _ side: ConvolutionSide = .small
    ) -> ConvolutionCase {
      ConvolutionCase(side: side, image: image, kind: .forward(.relu, bias: true))
    }
    let second = image(14, 16, 32, stride: 2, samples: 128)

    switch tunable.shapes {
    case .largeProducts: (checked, timed) = ([gradient(20, 8164, 36)], [gradient(256, 784, 1024)])
    case .middleProducts:
      (checked, timed) = ([output(257, 260, 36)], [output(256, 1024, 784)])
      losses = [
        MatmulCase(m: 250, n: 288 - odd, k: 84 - odd, transposeB: true, kind: .loss(.bce, .sigmoid, bias: true))
      ]
    case .smallProducts: (checked, timed) = ([output(100, 68, 300)], [output(256, 196, 784)])
    case .narrowProducts: (checked, timed) = ([output(130, 30, 252)], [output(256, 30, 252)])
    case .images:
      let wide = convolution(image(11, 8, 36, stride: 2, samples: 9))
      losses = [
        ConvolutionCase(
          side: .small, image: image(11, 8, 36, stride: 2, samples: 9), kind: .loss(.bce, .sigmoid, bias: true))
      ]
      if tunable.loadWidth != nil {
        (checked, timed) = ([wide], [convolution(image(14, 16, 64, stride: 2, samples: 128))])
      } else {
        let narrow = image(11, 8, 4, stride: 2, samples: 9)
        checked = [wide, convolution(narrow), convolution(narrow, .large)]
        timed = [
          convolution(second), convolution(second, .large), convolution(image(14, 16, 8, stride: 1, samples: 128)),
        ]
      }
    case .narrowImages:
      (checked, timed) = ([convolution(image(11, 8, 16, stride: 1, samples: 9))], [convolution(second)])
    case .imageGradients:
      func gradient(_ image: ImageGeometry<ConvolutionGeometry>) -> ConvolutionGradientCase {
        ConvolutionGradientCase(image: image, delta: .small, accumulate: true)
      }
      (checked, timed) = ([gradient(image(11, 8, 36, stride: 2, samples: 9))], [gradient(second)])
    case .elements:
      func passes(_ rows: Int, _ columns: Int, weights: Int) -> [any OpCase] {
        let adam = OptimizerStep.Rule.adam(beta1: 0.9, beta2: 0.999, epsilon: 1e-8, step: 10)
        return [
          ActivateCase(shape: [rows, columns], activation: .sigmoid, bias: true),
          CorruptCase(shape: [rows, columns], corruption: .masking(0.3)),
          OptimizerCase(count: weights, step: OptimizerStep(adam, learningRate: 1e-3)),
        ]
      }
      (checked, timed) = (passes(250, 97, weights: 70_001), passes(256, 1024, weights: 2 * 784 * 1024))
      losses = [SampleLossesCase(loss: .bce, activation: .sigmoid, shape: [250, 97])]
    }
  }
}

/// A case on a device, for calls with one choice after the other.
struct TuningRow {
  let row: any OpCase
  private let bench: Workbench<OpenCLBackend>

  init(_ row: any OpCase, on backend: OpenCLBackend) throws {
    self.row = row
    bench = try Workbench(backend, row.arguments(for: backend), expectsNaN: row.expectsNaN, salt: 0)
  }

  /// What a call writes.
  func bits() throws -> [[Double]] { try bench.results { try row.call(bench.backend, $0) } }
}

extension Conformance {
  /// Every candidate of `cinch tune`, held to the bits of what is shipped.
  ///
  /// - Parameter isWanted: which choices are looked at; all if nil.
  /// - Returns: a report under the name `tuning`, a case for each candidate; nil for a device that has no choice.
  package static func checkTuning(of backend: any Backend, _ isWanted: ((Tunable) -> Bool)? = nil) throws -> OpReport? {
    guard let backend = backend as? OpenCLBackend else { return nil }
    let before = backend.tuning
    defer { backend.adopt(before) }
    var report = OpReport(op: "tuning")
    for tunable in Tunable.all(of: backend.family) where isWanted?(tunable) ?? true {
      let cases = TuningCases(tunable)
      backend.adopt(Tuning())
      let rows = try (cases.checked + cases.losses).map { try TuningRow($0, on: backend) }
      let wanted = try rows.map { try $0.bits() }
      for candidate in tunable.candidates(of: backend.family, backend.device.subgroups) {
        var tuning = Tuning(), outcome = CaseOutcome()
        tuning[tunable] = candidate
        backend.adopt(tuning)
        for (row, want) in zip(rows, wanted) {
          let name = "\(row.row.op), \(row.row.name)"
          do {
            if same(try row.bits(), want) { continue }
            outcome.failures.append("\(name) has other bits than with what is shipped.")
          } catch {
            outcome.failures.append("\(name) threw: \(error)")
          }
        }
        report.add(outcome, of: "\(tunable.name) \(candidate.name)")
      }
    }
    return report
  }

  static func same(_ a: [[Double]], _ b: [[Double]]) -> Bool {
    a.count == b.count
      && zip(a, b).allSatisfy { a, b in a.count == b.count && zip(a, b).allSatisfy { CaseOutcome.same($0, $1) } }
  }
}
