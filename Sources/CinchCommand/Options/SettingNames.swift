import Cinch

extension CinchError.Setting {
  /// The option that sets it; nil where a command does.
  var option: String? {
    switch self {
    case .layers: "--layers"
    case .activation: "--activation"
    case .codeActivation: "--code-activation"
    case .outputActivation: "--output-activation"
    case .loss: "--loss"
    case .labelColumn: "--label-column"
    case .labels: "--labels"
    case .array: "--array"
    case .columns: "--columns"
    case .drop: "--drop"
    case .idColumn: "--id-column"
    case .categories: "--categories"
    case .missing: "--missing"
    case .rare: "--rare"
    case .sigma: "--sigma"
    case .learningRate: "--lr"
    case .momentum: "--momentum"
    case .historySize: "--history-size"
    case .warmUpEpochs: "--warm-up"
    case .gradientClip: "--clip"
    case .batchSize: "--batch-size"
    case .epochs: "--epochs"
    case .weightDecay: "--weight-decay"
    case .rho: "--rho"
    case .beta: "--beta"
    case .sparsityMomentum: "--sparsity-momentum"
    case .betaWarmUp: "--beta-warm-up"
    case .chainSteps: "--cd"
    case .l1: "--l1"
    case .contraction: "--contraction"
    case .corruption: "--corruption"
    case .corruptionLevel: "--corruption-level"
    case .validationSplit: "--validation-split"
    case .patience: "--patience"
    case .frozenLayers: "--freeze"
    case .components: "--components"
    case .data: "--data"
    case .validation: "--validation"
    case .scaling: "--scale"
    case .zcaEpsilon: "--zca-epsilon"
    case .imageShape: "--image-shape"
    case .layout: "--layout"
    case .header: "--header"
    case .patches: "--patches"
    case .patchCount: "--count"
    case .resize: "--resize"
    case .crop: "--crop"
    case .colour: "--colour"
    case .resume: "--resume"
    case .changedData: "--changed-data"
    case .overwriting: "--overwrite"
    case .contamination: "--contamination"
    case .falseAlarms: "--false-alarms"
    case .recipes, .devices, .training: nil
    }
  }

  /// As it would be typed: `--batch-size`, or with a value `--activation sigmoid`.
  func typed(_ value: String?) -> String {
    switch self {
    case .recipes: return "'cinch recipes --json'"
    case .training: return "'cinch train'"
    case .devices: return "'cinch devices'"
    case .resume: return "'cinch train --resume \(value ?? "RUN")'"
    case .colour where value == ImageColour.grey.rawValue: return "--grey"
    case .colour: return "--colour"
    default: break
    }
    var value = value
    if self == .header, let header = value.flatMap(CSVHeader.init) { value = HeaderChoice(header).rawValue }
    return [option ?? rawValue, value].compactMap { $0 }.joined(separator: " ")
  }
}

extension CinchError {
  /// The sentence with settings as the options of this program.
  var typed: String { message.worded { $0.typed($1) } }
}
