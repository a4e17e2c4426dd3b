/// PNG and JPEG files of any sizes, read one at a time: a folder of them, or of folders of them, or one file.
public struct ImageFiles: Sendable {
  private let folder: ImageFolder
  /// Each image's rows and columns as it is seen: EXIF's orientation is followed.
  public let sizes: [ImageSize]

  /// Reads the files' headers.
  ///
  /// - Parameter source: a folder's or a file's path.
  /// - Throws: `CinchError.badData` where a file is neither PNG nor JPEG, or the folder holds none; `.usage` where both the
  ///   folder and its subfolders hold images; `.inputOutput` where something cannot be read.
  public init(_ source: String) throws {
    if FileBytes.isFolder(source) {
      guard let folder = try ImageFolder(folder: source) else {
        throw CinchError.badData("The folder '\(source)' holds no PNG or JPEG files: name another, or a file.")
      }
      self.folder = folder
    } else {
      folder = ImageFolder(file: source)
    }
    sizes = try folder.sizes()
  }

  public var count: Int { sizes.count }

  /// Each file's path within the folder.
  public var names: [String] { folder.names }

  /// One image as a sample `[channels, height, width]`, bytes divided by 255.
  ///
  /// - Parameters:
  ///   - index: which, from 0.
  ///   - colour: grey or colour; nil leaves it as it is.
  /// - Throws: `CinchError.usage` where there is no such image, `.badData` where it is damaged, `.inputOutput`,
  ///   `.unavailable`.
  public func load(_ index: Int, colour: ImageColour? = nil) throws -> Dataset {
    guard sizes.indices.contains(index) else {
      throw CinchError.usage("There is no image \(index), only 0 to \(sizes.count - 1): choose one of them.")
    }
    return try folder.load(index, colour: colour)
  }
}
