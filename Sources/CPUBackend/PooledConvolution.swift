import CVector
import CinchBackend

extension CPUBackend: PooledConvolutionOps {
  public func convolvePooled(
    _ x: Tensor<CPUBuffer>, _ weight: Tensor<CPUBuffer>, _ geometry: ConvolutionGeometry, bias: Tensor<CPUBuffer>?,
    activation: Activation, _ pooling: PoolingGeometry, into y: Tensor<CPUBuffer>, switches: Tensor<CPUBuffer>
  ) throws {
    let samples = try checkPooledConvolution(x, weight, geometry, bias: bias, pooling, into: y, switches: switches)
    var job = self.pooling(cinch_max_pool, pooling, samples)
    (job.result, job.found) = (try y.pointer, try switches.pointer)
    let ending = try cinch_epilogue(Epilogue.forward(bias: bias, activation: activation))
    launch("convolvePooled", (job, ending, try x.input, try weight.input)) { device, job in
      var (pooling, ending, x, weight) = job, shape = cinch_convolution(geometry)
      guard cinch_convolve_pooled(device, &shape, Int64(samples), x, weight, &pooling, &ending) else { throw noRoom }
    }
  }

  public func pooledConvolutionGradient(
    x: Tensor<CPUBuffer>, delta: Tensor<CPUBuffer>, switches: Tensor<CPUBuffer>, _ geometry: ConvolutionGeometry,
    _ pooling: PoolingGeometry, weightGradient: Tensor<CPUBuffer>, biasGradient: Tensor<CPUBuffer>, accumulate: Bool
  ) throws {
    let samples = try checkPooledGradient(
      x: x, delta: delta, switches: switches, geometry, pooling, weightGradient: weightGradient,
      biasGradient: biasGradient)
    var job = self.pooling(cinch_unpool, pooling, samples)
    (job.small, job.switches) = (try delta.input, try switches.input)
    launch("pooledConvolutionGradient", (job, try x.input, try weightGradient.pointer, try biasGradient.pointer)) {
      device, job in
      var (pooling, x, weights, biases) = job, shape = cinch_convolution(geometry)
      guard
        cinch_pooled_convolution_gradient(
          device, &shape, Int64(samples), x, &pooling, accumulate, false, weights, biases)
      else { throw noRoom }
    }
  }
}
