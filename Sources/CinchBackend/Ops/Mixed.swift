/// What one column of a table is to the network that reconstructs it.
///
/// | column | outputs a | x̂ | loss ℓ | ∂ℓ/∂a |
/// |---|---|---|---|---|
/// | `number` | 1 | a | ½(x̂−x)² | x̂−x |
/// | `binary` | 1 | sigmoid(a) | −x log x̂ − (1−x) log(1−x̂) | x̂−x |
/// | `category` of k texts | k | softmax(a) | −Σ_j x_j log x̂_j | x̂ Σx − x, which is x̂−x where x is one-hot |
public enum OutputColumn: Sendable, Hashable {
  case number, binary
  /// Of at least two texts.
  case category(Int)

  /// How many outputs it has.
  public var width: Int { if case .category(let texts) = self { texts } else { 1 } }
}

/// The columns of a table's rows, from left to right, as a device knows them.
public struct OutputColumns<Buffer: AnyObject> {
  public let kinds: [OutputColumn]
  /// The first output of each column.
  public let starts: Tensor<Buffer>
  /// 0 for a number, 1 for a binary column, k for a category of k texts.
  public let codes: Tensor<Buffer>

  package init(_ kinds: [OutputColumn], starts: Tensor<Buffer>, codes: Tensor<Buffer>) {
    self.kinds = kinds
    self.starts = starts
    self.codes = codes
  }

  /// Outputs of all columns.
  public var width: Int { kinds.reduce(0) { $0 + $1.width } }
}

extension OutputColumn {
  /// What `OutputColumns` has of columns, from left to right.
  /// - Throws: `BackendError.invalidArgument` for a category of fewer than two texts, or more outputs than a float counts.
  package static func layout(_ kinds: [OutputColumn]) throws -> (starts: [Float], codes: [Float]) {
    var (starts, codes, start) = ([Float](), [Float](), 0)
    for kind in kinds {
      starts.append(Float(start))
      switch kind {
      case .number: codes.append(0)
      case .binary: codes.append(1)
      case .category(let texts):
        guard (2...(1 << 24)).contains(texts) else {
          throw BackendError.invalidArgument("A category of \(texts) texts has nothing to tell apart: use 2 or more.")
        }
        codes.append(Float(texts))
      }
      start += kind.width
      guard start <= 1 << 24 else {
        throw BackendError.invalidArgument("\(kinds.count) columns have more outputs than can be counted: use fewer.")
      }
    }
    return (starts, codes)
  }
}

extension MemoryOps {
  /// Puts what columns there are onto the device.
  ///
  /// - Throws: `BackendError.invalidArgument` for a category of fewer than two texts, or more outputs than a float counts.
  public func outputColumns(_ kinds: [OutputColumn]) throws -> OutputColumns<Buffer> {
    let (starts, codes) = try OutputColumn.layout(kinds)
    return OutputColumns(
      kinds, starts: try tensor([kinds.count], Scalars.scalars(starts)),
      codes: try tensor([kinds.count], Scalars.scalars(codes)))
  }
}

/// Losses of tables whose columns are of several kinds (MIDASpy has the same: Lall and Robinson, "Efficient multiple
/// imputation for diverse data in Python and R", J. Stat. Softw. 107, 2023).
public protocol MixedOps: MemoryOps {
  /// x̂ of pre-activations `a`, column by column; see `OutputColumn`.
  ///
  /// - Parameters:
  ///   - a: `[n, d]`, where the columns have d outputs.
  ///   - output: `[n, d]`; may be `a`.
  func mixedOutput(_ a: Tensor<Buffer>, _ columns: OutputColumns<Buffer>, into output: Tensor<Buffer>) throws

  /// The loss of pre-activations `a`, element by element, and its gradient w⊙∂ℓ/∂a·`gradientScale`.
  ///
  /// Losses are computed from pre-activations, never by the log of a rounded probability. Those of a category lie where x
  /// is not 0.
  ///
  /// - Parameters:
  ///   - a: `[n, d]`, where the columns have d outputs.
  ///   - target: x, `[n, d]`; of a category the share of each text: 1 of one, 0 of the others.
  ///   - weight: w, `[n, d]`, equal within a column; nil for 1 everywhere. What has weight 0 contributes 0, whatever its target
  ///     is.
  ///   - gradient: `[n, d]`; may be `a`.
  ///   - losses: w⊙ℓ, `[n, d]`; overlaps nothing else.
  func mixedLoss(
    _ a: Tensor<Buffer>, _ columns: OutputColumns<Buffer>, target: Tensor<Buffer>, weight: Tensor<Buffer>?,
    gradientScale: Double, gradient: Tensor<Buffer>, losses: Tensor<Buffer>) throws
}
