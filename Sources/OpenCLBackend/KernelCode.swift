import CinchBackend

/// An enum whose cases the kernels know by the same names, in capitals. Its numbers are made in Swift alone: they reach
/// the kernels as arguments, and their names through the prefix of a program.
protocol KernelCode: CaseIterable {
  var code: Int32 { get }
  /// The constant's name in the kernels.
  var constant: String { get }
}

extension KernelCode {
  /// `saltPepper` is SALT_PEPPER.
  var constant: String {
    "\(self)".reduce(into: "") { $0 += $1.isUppercase ? "_\($1)" : $1.uppercased() }
  }

  /// The C enum of every case.
  static var declaration: String {
    "enum { " + allCases.map { "\($0.constant) = \($0.code)" }.joined(separator: ", ") + " };\n"
  }
}

extension KernelCode where Self: RawRepresentable, RawValue == Int32 {
  var code: Int32 { rawValue }
}

extension Activation: KernelCode {
  var constant: String { rawValue.uppercased().replacing("-", with: "_") }
}

extension ReconstructionLoss: KernelCode {}

/// The update rules without their settings.
enum OptimizerCode: Int32, KernelCode {
  case sgd, momentum, nesterov, adam
}

/// What the kernel `corrupt` makes of an element and its random word.
enum DrawCode: Int32, KernelCode {
  case masking, noise, saltPepper, bernoulli
}

/// What `sumPartials` sums.
enum PartialCode: Int32, KernelCode {
  case squares, magnitudes, objective
}

/// Every enum that goes into the prefix of a program.
var kernelCodes: [any KernelCode.Type] {
  [
    Activation.self, ReconstructionLoss.self, EpilogueArguments.Mode.self, EpilogueArguments.Flag.self,
    OptimizerCode.self, DrawCode.self, PartialCode.self, PlanField.self, PhaseField.self,
  ]
}
