import Foundation
import Testing

@testable import CinchData

@Suite struct JSONTests {
  @Test func readsJSONStrictly() throws {
    let good = try JSON(#" {"a" : [ 1 , -2.5e+3, true, null, "\u00e9\ud83d\ude00\/\b\f\n\r\t\"\\" ], "a": {} } "#.utf8)
    guard case .object(let members) = good, case .array(let elements) = members[0].value else {
      Issue.record("not the expected structure")
      return
    }
    #expect(members.map(\.key) == ["a", "a"])
    #expect(elements[0].size == 1)
    #expect(elements[1].size == nil)
    #expect(elements[4].text == "é😀/\u{8}\u{C}\n\r\t\"\\")
    for bad in [
      "", "{", "[1,]", "{\"a\"}", "{\"a\":1,}", "01", "1.", "-", "1e", "+1", ".5", "tru", "\"", "\"\\x\"",
      "\"\\u12g4\"",
      "\"\\ud800\"", "\"\\ud800\\u0041\"", "\"\u{1}\"", "1 2", "nan", String(repeating: "[", count: 100_000),
    ] {
      #expect(throws: JSON.Malformed.self, "\(bad.prefix(20))") { try JSON(bad.utf8) }
    }
    #expect(throws: JSON.Malformed.self) { try JSON([0x22, 0xFF, 0x22]) }
  }

  @Test func writesOneLine() throws {
    let value = JSON.record([
      "text": .string("a/b"), "count": .integer(-3), "small": .number(1e-7), "whole": .number(2), "nan": .number(.nan),
      "known": .optional(0.5), "unknown": .optional(nil), "left_out": nil, "yes": .literal("true"), "none": .null,
      "list": .array([.integer(1), .array([])]), "penalties": .map(["l1": 0.25, "kl": 3]),
    ])
    #expect(
      value.description == #"{"text":"a/b","count":-3,"small":1e-07,"whole":2.0,"nan":null,"known":0.5,"yes":true,"#
        + #""none":null,"list":[1,[]],"penalties":{"kl":3.0,"l1":0.25}}"#)
    #expect(try JSON(value.description.utf8).description == value.description)
  }

  /// The two writers of JSON agree on every string.
  @Test func quotesAsJSONEncoderDoes() throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = .withoutEscapingSlashes
    for scalar in Array((0..<0x300).compactMap(Unicode.Scalar.init)) + ["\u{2028}", "\u{FFFF}", "\u{1F600}"] {
      let text = "a\(scalar)b"
      #expect(JSON.string(text).description == String(decoding: try encoder.encode(text), as: UTF8.self))
    }
  }
}
