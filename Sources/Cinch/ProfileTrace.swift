import CinchBackend
import CinchData

extension RunFolder {
  /// - Throws: `CinchError.inputOutput`.
  package func writeTrace(_ text: String) throws { try AtomicFile.write(text, to: path(of: .trace)) }
}

extension Profile {
  /// The timeline as a trace of the Trace Event Format, which Perfetto (ui.perfetto.dev) and chrome://tracing open: the host's
  /// calls in one track, what the device ran in another. Of long runs it has the first 100,000 events.
  public func trace(of device: DeviceInfo) -> String {
    let tracks = ["host": 1, "device": 2].sorted { $0.value < $1.value }
    let names = tracks.map { name, track in
      JSON.record([
        "ph": .string("M"), "name": .string("thread_name"), "pid": .integer(1), "tid": .integer(track),
        "args": JSON.record(["name": .string(name == "device" ? device.identifier : name)]),
      ])
    }
    let slices = timeline.map { slice in
      JSON.record([
        "ph": .string("X"), "name": .string(slice.kernel ?? slice.row.op), "pid": .integer(1),
        "tid": .integer(slice.kernel == nil ? 1 : 2), "ts": .number(slice.start * 1e6),
        "dur": .number(slice.seconds * 1e6),
        "args": JSON.record(["op": .string(slice.row.op), "what": .string(slice.row.text)]),
      ])
    }
    return "{\"traceEvents\":[\n" + (names + slices).map(\.description).joined(separator: ",\n") + "\n]}\n"
  }
}
