import Glibc

/// Memory that this process can still have: of the machine, of its control group (containers have one), and within its
/// own limits.
///
/// Swift and drivers end the process where memory is refused to them: whoever needs much asks here first.
package enum HostMemory {
  /// Bytes. It is a moment's estimate, for other processes take memory, too.
  package static var available: Int { min(physical, ownLimits) }

  /// What the machine and the control groups have left.
  private static var physical: Int { [machine, controlGroup].compactMap { $0 }.min() ?? total }

  /// What the process's own limits leave: they count what is mapped, used or not.
  private static var ownLimits: Int {
    [addressSpaceLeft, left(of: RLIMIT_DATA, used: "VmData")].compactMap { $0 }.min() ?? total
  }

  /// Bytes that the process may still map; nil where it has no limit, which `ulimit -v` sets.
  package static var addressSpaceLeft: Int? { left(of: RLIMIT_AS, used: "VmSize") }

  /// Bytes of memory that this machine, the process's control group or its limits allow in all.
  package static let total: Int = {
    let machine = max(1 << 28, sysconf(Int32(_SC_PHYS_PAGES)) * sysconf(Int32(_SC_PAGESIZE)))
    let limits = controlGroups.map { $0.limit() } + [limit(RLIMIT_AS), limit(RLIMIT_DATA)]
    return limits.compactMap { $0 }.reduce(machine, min)
  }()

  /// Whether so many bytes can be had, with a little left for what comes after.
  ///
  /// - Parameter freeing: how many bytes are given back while the new ones are filled.
  package static func fits(_ bytes: Int, freeing: Int = 0) -> Bool {
    bytes < small || bytes <= ownLimits - reserve && bytes - freeing <= physical - reserve
  }

  /// Not worth a look at the system's files.
  private static let small = 1 << 20
  private static let reserve = 16 << 20

  private static var machine: Int? {
    guard let text = contents("/proc/meminfo") else { return nil }
    return machine(text, promisesAll: contents("/proc/sys/vm/overcommit_memory")?.hasPrefix("2") != true)
  }

  /// What the kernel could give without swapping, and would promise: where it promises no more than it has, pages count that
  /// nobody has touched yet.
  package static func machine(_ text: String, promisesAll: Bool) -> Int? {
    let available = kilobytes("MemAvailable", in: text)
    guard !promisesAll, let limit = kilobytes("CommitLimit", in: text),
      let promised = kilobytes("Committed_AS", in: text)
    else { return available }
    let left = max(limit - promised, 0)
    return min(available ?? left, left)
  }

  /// Nil where there is none.
  private static func limit(_ resource: __rlimit_resource) -> Int? {
    var limit = rlimit()
    guard getrlimit(__rlimit_resource_t(resource.rawValue), &limit) == 0 else { return nil }
    return Int(exactly: limit.rlim_cur)
  }

  private static func left(of resource: __rlimit_resource, used: String) -> Int? {
    guard let limit = limit(resource), let text = contents("/proc/self/status"), let used = kilobytes(used, in: text)
    else { return nil }
    return max(limit - used, 0)
  }

  private static func kilobytes(_ key: String, in text: String) -> Int? {
    for line in text.split(separator: "\n") where line.hasPrefix(key + ":") {
      return line.split(separator: " ").dropFirst().first.flatMap { Int($0) }.map { $0 << 10 }
    }
    return nil
  }

  private static var controlGroup: Int? { controlGroups.compactMap { $0.available() }.min() }

  /// The process's control group and those above it, each of which may have a limit.
  private static let controlGroups: [ControlGroup] = {
    var groups: [ControlGroup] = []
    for line in (contents("/proc/self/cgroup") ?? "").split(separator: "\n") {
      let parts = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
      guard parts.count == 3 else { continue }
      let isSecond = parts[0] == "0" && parts[1].isEmpty
      guard isSecond || parts[1].split(separator: ",").contains("memory") else { continue }
      let root = isSecond ? "/sys/fs/cgroup" : "/sys/fs/cgroup/memory"
      // In a container the path may be the host's, and its own group the root.
      var path = parts[2][...]
      while true {
        groups.append(ControlGroup(folder: root + (path == "/" ? "" : path), isSecond: isSecond))
        guard let slash = path.lastIndex(of: "/"), path.count > 1 else { break }
        path = path[..<slash]
      }
      groups.append(ControlGroup(folder: root, isSecond: isSecond))
    }
    return groups
  }()

  private struct ControlGroup {
    let folder: String
    /// Of version 2.
    let isSecond: Bool

    func limit() -> Int? { number(isSecond ? "memory.max" : "memory.limit_in_bytes") }

    func available() -> Int? {
      guard let limit = limit(), let used = number(isSecond ? "memory.current" : "memory.usage_in_bytes") else {
        return nil
      }
      // Files that are cached count as used, and are given up first.
      let cached = HostMemory.contents(folder + "/memory.stat").flatMap { text -> Int? in
        let key = isSecond ? "inactive_file " : "total_inactive_file "
        return text.split(separator: "\n").first { $0.hasPrefix(key) }.flatMap { Int($0.dropFirst(key.count)) }
      }
      return max(limit - used + (cached ?? 0), 0)
    }

    /// Nil where there is none, as "max" says.
    private func number(_ name: String) -> Int? {
      HostMemory.contents(folder + "/" + name).flatMap { Int($0.prefix { $0 != "\n" }) }
    }
  }

  /// A file of the system, which is small and says 0 for its size.
  private static func contents(_ path: String) -> String? {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    var bytes = [UInt8](repeating: 0, count: 1 << 14)
    let count = read(descriptor, &bytes, bytes.count)
    return count >= 0 ? String(decoding: bytes.prefix(count), as: UTF8.self) : nil
  }
}

/// As people read it: `3.1 GB`.
package func byteText(_ bytes: Int) -> String {
  for (unit, name) in [(1e9, "GB"), (1e6, "MB"), (1e3, "kB")] where Double(bytes) >= unit {
    let tenths = (Double(bytes) / unit * 10).rounded() / 10
    return tenths >= 100 || tenths == tenths.rounded() ? "\(Int(tenths.rounded())) \(name)" : "\(tenths) \(name)"
  }
  return bytes == 1 ? "1 byte" : "\(bytes) bytes"
}
