import CinchBackend
import Foundation
import Testing

@testable import CinchData

@Suite struct DataSourceTests {
  private func decode(_ text: String) throws -> DataSource {
    try JSONCoding.decoder.decode(DataSource.self, from: Data(text.utf8))
  }

  @Test func everyOptionIsKept() throws {
    var options = Dataset.LoadOptions()
    options.split = .test
    options.array = "x_test"
    options.header = .absent
    options.labelColumn = "species"
    options.labels = "/data/labels"
    options.sampleShape = [3, 7, 6]
    options.layout = .nhwc
    options.patches = Dataset.Patches(height: 8, width: 6, count: 500, seed: .max)
    options.resize = ImageSize(height: 32, width: 48)
    options.crop = ImageSize(height: 30, width: 40)
    options.colour = .grey
    var source = DataSource("/data/photos.npy", options: options)
    source.samples = 24
    let text = String(decoding: try JSONCoding.encoder.encode(source), as: UTF8.self)
    #expect(text.contains("\"options\" : {") && text.contains("\"label_column\" : \"species\""))
    #expect(try decode(text) == source)
    #expect(try decode(#"{"source": "fashion-mnist", "options": {}}"#) == DataSource("fashion-mnist"))
  }

  @Test func runsOfVersion01Load() throws {
    let source = try decode(
      #"{"header": "present", "label_column": "2", "layout": "nhwc", "sample_shape": [3, 7, 6], "samples": 24, "#
        + #""source": "/data/a.csv", "split": "test"}"#)
    var options = Dataset.LoadOptions()
    options.split = .test
    options.header = .present
    options.labelColumn = "2"
    options.sampleShape = [3, 7, 6]
    options.layout = .nhwc
    var expected = DataSource("/data/a.csv", options: options)
    expected.samples = 24
    #expect(source == expected)
  }

  @Test(arguments: [
    (#"{"source": "a", "options": {"split": "tests"}}"#, "'tests' is none of train, test"),
    (#"{"source": "a", "split": "train", "header": "maybe"}"#, "'maybe' is none of automatic, present, absent"),
    (#"{"source": "a", "options": {"layout": "chwn"}}"#, "'chwn' is none of nchw, nhwc"),
    (#"{"source": "a", "options": {"lay_out": "nchw"}}"#, "unknown setting 'lay_out'"),
    (#"{"source": "a", "options": {}, "split": "test"}"#, "unknown setting 'split'"),
    (#"{"source": "a", "options": {"sample_shape": [3, 0]}}"#, "no sample can have the shape [3, 0]"),
    (
      #"{"source": "a", "options": {"patches": {"height": 0, "width": 8, "count": 1, "seed": 0}}}"#,
      "expected a whole number of 1 or more"
    ),
    (
      #"{"source": "a", "options": {"patches": {"height": 8, "width": 8, "count": 1.5, "seed": 0}}}"#,
      "expected a whole number"
    ),
    (#"{"source": "a", "options": {"patches": {"size": 8}}}"#, "unknown setting 'size'"),
    (#"{"source": "a", "options": {"resize": [32]}}"#, "expected [height, width]"),
    (#"{"source": "a", "options": {"crop": [0, 8]}}"#, "expected [height, width]"),
    (#"{"source": "a", "options": {"colour": "red"}}"#, "'red' is none of grey, colour"),
  ])
  func whatIsNotKnownIsRefused(_ text: String, _ words: String) throws {
    let error = try #require(throws: DecodingError.self) { try decode(text) }
    #expect(JSONCoding.explain(error).contains(words), "\(JSONCoding.explain(error))")
  }
}
