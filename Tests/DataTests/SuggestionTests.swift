import Testing

@testable import CinchData

@Suite struct SuggestionTests {
  /// By hand: what is added, left out, replaced, swapped.
  @Test(arguments: [
    ("", "", 0), ("a", "", 1), ("", "abc", 3), ("sparse", "sparse", 0), ("sparce", "sparse", 1),
    ("saprse", "sparse", 1),
    ("spars", "sparse", 1), ("kitten", "sitting", 3), ("ca", "abc", 3),
  ]) func changesAreCounted(_ from: String, _ to: String, _ count: Int) {
    #expect(Suggestion.changes(from: from, to: to) == count)
    #expect(Suggestion.changes(from: to, to: from) == count)
  }

  @Test func theNearestIsNamed() {
    let names = ["deep", "sparse", "sparse-l1", "vae"]
    #expect(Suggestion.text(for: "sparce", among: names) == " (did you mean 'sparse'?)")
    #expect(Suggestion.text(for: "SPARSE-L", among: names) == " (did you mean 'sparse-l1'?)")
    #expect(Suggestion.nearest(to: "vea", among: names) == "vae")
    #expect(Suggestion.text(for: "denoising", among: names).isEmpty)
    #expect(Suggestion.nearest(to: "deep", among: ["deep"]) == nil)
    #expect(Suggestion.nearest(to: "w", among: ["x"]) == nil && Suggestion.nearest(to: "W", among: ["w"]) == "w")
    #expect(Suggestion.nearest(to: "", among: names) == nil && Suggestion.nearest(to: "x", among: []) == nil)
  }

  /// A name of any length takes no time.
  @Test func longNamesAreNoneOfThem() {
    let long = String(repeating: "x", count: 1_000_000)
    #expect(Suggestion.nearest(to: long, among: [long + "y", "x"]) == nil)
  }
}
