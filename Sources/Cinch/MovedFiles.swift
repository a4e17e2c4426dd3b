import CinchData

extension Run {
  /// Where files of a run's data lie now, where they were moved; nil for where they lay.
  public struct MovedFiles: Sendable, Hashable {
    public var data: String?
    /// Where labels have a file of their own.
    public var labels: String?
    public var validation: String?

    public init() {}

    /// Those that sources name.
    init(_ data: DataSource?, _ validation: DataSource?) {
      (self.data, labels, self.validation) = (data?.source, data?.options.labels, validation?.source)
    }

    /// The sources of a run or a sweep, read from where they lie now.
    /// - Throws: `CinchError.usage` where it has no such files.
    func sources(
      _ data: DataSource?, _ validation: DataSource?, of path: String
    ) throws -> (data: DataSource?, validation: DataSource?) {
      for (old, now) in zip(Self(data, validation).places, places) {
        guard old.place != nil || now.place == nil else {
          throw CinchError.usage(
            "'\(path)' was trained without such a file that could have moved: leave \(now.setting) out.")
        }
        guard now.place != "" else {
          throw CinchError.usage("\(now.setting) is empty: say where its file lies now, or leave it out.")
        }
      }
      return (data?.moved(to: self.data, labels: labels), validation?.moved(to: self.validation, labels: nil))
    }

    /// - Throws: `CinchError.inputOutput` where a file is not there that a run or a sweep was begun with.
    static func requireFiles(_ data: DataSource?, _ validation: DataSource?, of path: String) throws {
      for case (let setting, let place?) in Self(data, validation).places where !DataSource.isThere(place) {
        throw CinchError.inputOutput(
          "There is no '\(place)', which '\(path)' was trained with: bring it back, or say where it is now with \(setting)."
        )
      }
    }

    private var places: [(setting: CinchError.Setting, place: String?)] {
      [(.data, data), (.labels, labels), (.validation, validation)]
    }
  }
}
