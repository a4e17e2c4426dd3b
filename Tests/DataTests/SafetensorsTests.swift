import CinchBackend
import Testing

@testable import CinchData

@Suite struct SafetensorsTests {
  func file(_ header: String, data: [UInt8] = []) -> [UInt8] {
    let bytes = Array(header.utf8)
    return withUnsafeBytes(of: UInt64(bytes.count).littleEndian) { Array($0) } + bytes + data
  }

  func sample() throws -> Safetensors {
    var tensors = Safetensors()
    try tensors.add("weight", shape: [2, 3], .float32([1, -2, 3, 0.5, .infinity, .leastNonzeroMagnitude]))
    try tensors.add("Größe \"β\"\n", shape: [2], .float64([.pi, -0.0]))
    try tensors.add("step", shape: [], .uint64([.max]))
    try tensors.add("offset", shape: [1], .int64([.min]))
    try tensors.add("empty", shape: [0, 4], .float32([]))
    tensors.metadata = ["format": "pt", "note": "tab\t, quote \", back\\slash, \u{1}, 😀"]
    return tensors
  }

  @Test func roundTrips() throws {
    let folder = try TemporaryFolder()
    let path = folder.path + "/a.safetensors"
    let tensors = try sample()
    try tensors.write(to: path)
    let back = try Safetensors(contentsOf: path)
    #expect(back.metadata == tensors.metadata)
    #expect(Set(back.entries) == Set(tensors.entries))
    #expect(try back.float32("weight", shape: [2, 3]) == [1, -2, 3, 0.5, .infinity, .leastNonzeroMagnitude])
    let bytes = try FileBytes.read(path)
    #expect(bytes[8] == UInt8(ascii: "{"))
    #expect(bytes[0] % 8 == 0)  // The header's length, so data begins aligned.
    expectError("no array named 'bias'") { _ = try back.float32("bias", shape: [1]) }
    expectError("F32 of shape 2 × 3, not F32 of shape 3 × 2") { _ = try back.float32("weight", shape: [3, 2]) }
    expectError("U64 of shape scalar") { _ = try back.float32("step", shape: []) }

    try Safetensors().write(to: path)
    #expect(try Safetensors(contentsOf: path).entries.isEmpty)
  }

  @Test func refusesNamesAndSizesWhenAdding() throws {
    var tensors = try sample()
    expectError("is taken", exitCode: 64) { try tensors.add("step", shape: [], .uint64([1])) }
    expectError("is taken", exitCode: 64) { try tensors.add("__metadata__", shape: [], .uint64([1])) }
    expectError("do not fill", exitCode: 64) { try tensors.add("new", shape: [2], .uint64([1])) }
  }

  @Test func refusesEveryTruncationAndAnyExtraByte() throws {
    let folder = try TemporaryFolder()
    let path = folder.path + "/a.safetensors"
    try sample().write(to: path)
    let bytes = try FileBytes.read(path)
    for length in 0..<bytes.count {
      let part = Array(bytes.prefix(length))
      #expect(throwsCinchError("\(length)") { _ = try Safetensors(part, path: "a") }, "\(length)")
    }
    expectError("1 bytes follow its last array") { _ = try Safetensors(bytes + [0], path: "a") }
  }

  @Test func namesEveryFault() {
    func expect(_ header: String, _ part: String, data: Int = 8, sourceLocation: SourceLocation = #_sourceLocation) {
      let bytes = file(header, data: [UInt8](repeating: 0, count: data))
      expectError("not a valid safetensors file", part, sourceLocation: sourceLocation) {
        _ = try Safetensors(bytes, path: "a")
      }
    }
    func array(_ offsets: String, shape: String = "[1]", type: String = "F32") -> String {
      #"{"dtype":"\#(type)","shape":\#(shape),"data_offsets":\#(offsets)}"#
    }
    expect("", "an early end")
    expect("[]", "no object")
    expect("{", "no string at byte 1")
    expect("{}x", "text after the end")
    expect("{}", "8 bytes follow its last array")
    expect(#"{"a":\#(array("[0,4]")),"a":\#(array("[4,8]"))}"#, "appears twice")
    expect(#"{"a":\#(array("[0,4]")),"b":\#(array("[0,4]"))}"#, "overlaps")
    expect(#"{"a":\#(array("[0,4]")),"b":\#(array("[2,6]"))}"#, "overlaps")
    expect(#"{"a":\#(array("[4,8]"))}"#, "gap")
    expect(#"{"a":\#(array("[0,4]"))}"#, "4 bytes follow")
    expect(#"{"a":\#(array("[8,12]"))}"#, "lies at bytes 8 to 12 of 8")
    expect(#"{"a":\#(array("[8,4]"))}"#, "lies at bytes 8 to 4")
    expect(#"{"a":\#(array("[0,9223372036854775807]"))}"#, "lies at bytes")
    expect(#"{"a":\#(array("[0,9223372036854775808]"))}"#, "lacks")
    expect(#"{"a":\#(array("[-4,0]"))}"#, "lacks")
    expect(#"{"a":\#(array("[0,4.0]"))}"#, "lacks")
    expect(#"{"a":\#(array("[0,4,8]"))}"#, "lacks")
    expect(#"{"a":\#(array("[0,8]"))}"#, "does not fill")
    expect(#"{"a":\#(array("[0,8]", shape: "[4294967296,4294967296]"))}"#, "does not fill")
    expect(#"{"a":\#(array("[0,0]", shape: "[4611686018427387904,0,16]"))}"#, "does not fill")
    expect(#"{"a":\#(array("[0,0]", shape: "[0,4611686018427387904,16]"))}"#, "does not fill")
    // Such a file is whole, and of use elsewhere.
    expectError("“a” in 'a' has the type “BF16”", "save it as") {
      _ = try Safetensors(file(#"{"a":\#(array("[0,4]", type: "BF16"))}"#, data: [0, 0, 0, 0]), path: "a")
    }
    expect(#"{"a":{"dtype":"F32","shape":[2]}}"#, "lacks")
    expect(#"{"a":{"dtype":1,"shape":[2],"data_offsets":[0,8]}}"#, "lacks")
    expect(#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8],"x":1}}"#, "unknown member “x”")
    expect(#"{"a":{"dtype":"F32","dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#, "unique members")
    expect(#"{"a":7}"#, "not described by an object")
    expect(#"{"__metadata__":{"a":1}}"#, "is not a string")
    expect(#"{"__metadata__":{"a":"","a":""}}"#, "not a map of unique")
    expect(#"{"__metadata__":[]}"#, "not a map")
    expectError("header should have 18446744073709551615 bytes") {
      _ = try Safetensors([UInt8](repeating: 255, count: 8) + [0], path: "a")
    }
    expectError("shorter than 8") { _ = try Safetensors([1], path: "a") }
  }
}
