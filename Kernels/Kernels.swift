/// The OpenCL C sources of this folder, embedded in the program so that it runs wherever it is moved.
///
/// `cpu/` holds the family for CPU devices, `gpu/` the one for GPUs, `common/` what both share.
public enum Kernels {
  /// Every source, by its path inside this folder: `cpu/matmul.cl`.
  public static var sources: [String: String] { embeddedSources }
}
