import CSamples
import CinchBackend
import FoundationEssentials

/// A folder of PNG and JPEG files, or one of them, as samples.
///
/// Files come in the order of their names' bytes. A folder without images of its own has those of its subfolders, whose
/// names are labels.
struct ImageFolder {
  private struct File {
    var path: String
    /// Within the folder.
    var name: String
    /// The subfolder that it lies in.
    var label: String?
  }

  private var files: [File]
  private let name: String

  /// One image.
  init(file path: String) {
    name = FileBytes.name(path)
    files = [File(path: path, name: name)]
  }

  /// The images of a folder; nil where it has none.
  ///
  /// - Throws: `CinchError.usage` where both the folder and subfolders hold images, `.inputOutput` where it cannot be listed.
  init?(folder: String) throws {
    var own: [File] = []
    var inner: [File] = []
    var others = 0
    for entry in try Self.entries(of: folder) {
      let path = "\(folder)/\(entry)"
      if entry.hasPrefix(".") {
        others += 1
      } else if FileBytes.isFolder(path) {
        for file in try Self.entries(of: path) {
          if Self.isImage(file, in: path) {
            inner.append(File(path: "\(path)/\(file)", name: "\(entry)/\(file)", label: entry))
          } else {
            others += 1
          }
        }
      } else if Self.isImage(entry, in: folder) {
        own.append(File(path: path, name: entry))
      } else {
        others += 1
      }
    }
    if let first = own.first, let second = inner.first {
      throw CinchError.usage(
        "'\(folder)' holds images itself ('\(first.name)') and in folders ('\(second.name)'): put every one into the folder "
          + "of its label, or all into one folder.")
    }
    files = own + inner
    if files.isEmpty { return nil }
    name = FileBytes.name(folder)
    if others > 0 {
      LoadProgress.note(
        "\(others) \(others == 1 ? "entry" : "entries") of '\(folder)' \(others == 1 ? "is no" : "are no") PNG or JPEG "
          + "\(others == 1 ? "file" : "files") and left out")
    }
  }

  private static func isImage(_ name: String, in folder: String) -> Bool {
    !name.hasPrefix(".") && ImageFile.isNamedAsOne(name) && !FileBytes.isFolder("\(folder)/\(name)")
  }

  /// In the order of their bytes, which is the same everywhere.
  private static func entries(of folder: String) throws -> [String] {
    do {
      return try FileManager.default.contentsOfDirectory(atPath: folder).sorted {
        $0.utf8.lexicographicallyPrecedes($1.utf8)
      }
    } catch {
      throw CinchError.inputOutput("Cannot list the folder '\(folder)': check that it is there and may be read.")
    }
  }

  private func headers() throws -> [ImageFile.Header] {
    try files.map { file in
      try ImageFile.header(try FileContents(contentsOf: file.path, isGlance: true), path: file.path)
    }
  }

  /// Each image's size as it is seen.
  func sizes() throws -> [ImageSize] { try headers().map(\.size) }

  var names: [String] { files.map(\.name) }

  /// Samples of bytes, channels first: the images, or, where they are of different sizes and nothing brings them to one,
  /// the patches that are asked for.
  ///
  /// - Throws: `CinchError.usage` where nothing brings images of different sizes to one, `.badData` where a file is damaged
  ///   or smaller than what is cut out, `.unavailable` where there is no room.
  func load(_ options: Dataset.LoadOptions) throws -> Dataset {
    let headers = try headers()
    let hasColour = options.colour.map { $0 == .colour } ?? headers.contains { $0.channels == 3 }
    let channels = hasColour ? 3 : 1
    if let patches = options.patches, options.resize == nil, options.crop == nil,
      headers.contains(where: { $0.size != headers[0].size })
    {
      return try load(patches, of: headers, channels: channels, options)
    }
    let size = try size(of: headers, options)
    let image = ImageShape(channels: channels, height: size.height, width: size.width)
    let room = checkedProduct([files.count, image.count]) ?? .max
    let working = channels * (options.resize.map { $0.height * $0.width } ?? 0)
    let (all, overflow) = room.addingReportingOverflow(2 * working)
    try HostMemory.require(overflow ? .max : all, for: "\(files.count) images of \(image)")

    let storage = try storage(headers, channels: channels, room: room) {
      try $0.resized(options.resize).cropped(size)
    }
    return Dataset(
      unchecked: SampleRows(storage, features: image.count), sampleShape: image.shape, labels: labels, name: name,
      scaling: .bytes, columnNames: nil, sampleNames: SampleNames(names))
  }

  /// One image at its own size, as a sample.
  ///
  /// - Throws: `CinchError.badData` where the file is damaged, `.inputOutput`, `.unavailable`.
  func load(_ index: Int, colour: ImageColour?) throws -> Dataset {
    var one = self
    one.files = [files[index]]
    var options = Dataset.LoadOptions()
    options.colour = colour
    return try one.load(options)
  }

  /// Patches of images of different sizes, cut out of them when they are read.
  private func load(
    _ patches: Dataset.Patches, of headers: [ImageFile.Header], channels: Int, _ options: Dataset.LoadOptions
  ) throws -> Dataset {
    try patches.requirePossible()
    guard options.sampleShape == nil else {
      throw CinchError.usage("The images of '\(name)' are of their own sizes: leave \(.imageShape) out.")
    }
    if let small = headers.firstIndex(where: { $0.size.height < patches.height || $0.size.width < patches.width }) {
      throw CinchError.usage(
        "Patches of \(patches.sizeText) do not fit into '\(files[small].path)', which is \(headers[small].size): choose "
          + "smaller ones, or bring the images to one size with \(.resize, "128x128").")
    }
    let pixels = headers.reduce(0) { sum, header in
      let (all, overflow) = sum.addingReportingOverflow(header.width * header.height)
      return overflow ? .max : all
    }
    let room = checkedProduct([pixels, channels]) ?? .max
    try HostMemory.require(room, for: "\(files.count) images of '\(name)'")
    let storage = try storage(headers, channels: channels, room: room) { $0 }
    let windows = SampleRows.Windows(patches, of: headers.map(\.size), channels: channels)
    let own = try options.labels.map { path in
      let labels = try Labels.read(path)
      guard labels.count == files.count else {
        throw CinchError.badData(
          "'\(path)' holds \(labels.count) labels, but '\(name)' has \(files.count) images: name the file that fits.")
      }
      return labels
    }
    return Dataset(
      unchecked: SampleRows(windows, of: storage), sampleShape: [channels, patches.height, patches.width],
      labels: try (own ?? labels).map { try windows.labels($0) }, name: name, scaling: .bytes, columnNames: nil)
  }

  /// What the subfolders say.
  private var labels: Labels? {
    guard files.contains(where: { $0.label != nil }) else { return nil }
    var builder = Labels.Builder()
    for file in files { builder.append(file.label ?? "") }
    return Labels(builder)
  }

  /// The images one after the other, each with its channels first.
  private func storage(
    _ headers: [ImageFile.Header], channels: Int, room: Int, _ change: (RasterImage) throws -> RasterImage
  ) throws -> SampleStorage {
    let values = try [UInt8](unsafeUninitializedCapacity: room) { values, initialised in
      var told = 0
      for (index, file) in files.enumerated() {
        let pixels = try ImageFile.decode(try FileContents(contentsOf: file.path), path: file.path)
        guard ImageSize(height: pixels.height, width: pixels.width) == headers[index].size else {
          throw CinchError.inputOutput("'\(file.path)' has changed while it was read: try again.")
        }
        let sample = try change(try pixels.colours(channels))
        cinch_transpose_bytes(
          sample.pixels, 1, Int64(sample.height * sample.width), Int64(channels), values.baseAddress! + initialised)
        initialised += sample.pixels.count
        told += pixels.pixels.count
        if told >= LoadProgress.step {
          told = 0
          LoadProgress.tell("reading", file.path, index + 1, of: files.count)
        }
      }
    }
    return try SampleStorage(
      FileContents(values), from: 0, count: values.count, .uint8, bigEndian: false, divisor: 255)
  }

  /// What all samples have.
  private func size(of headers: [ImageFile.Header], _ options: Dataset.LoadOptions) throws -> ImageSize {
    for (size, setting) in [(options.resize, CinchError.Setting.resize), (options.crop, .crop)] {
      guard let size, !size.isPossible else { continue }
      throw CinchError.usage("No image is \(size): choose a \(setting) of 1x1 to 16384x16384.")
    }
    if let crop = options.crop {
      let small = headers.firstIndex { header in
        let size = options.resize ?? header.size
        return size.height < crop.height || size.width < crop.width
      }
      if let small {
        throw CinchError.badData(
          "'\(files[small].path)' is \(options.resize ?? headers[small].size), too small to cut \(crop) out of it: choose a "
            + "smaller \(.crop), or a larger \(.resize).")
      }
      return crop
    }
    if let resize = options.resize { return resize }
    let first = headers[0].size
    if let other = headers.firstIndex(where: { $0.size != first }) {
      let second = headers[other].size
      let most = ImageSize(height: min(first.height, second.height), width: min(first.width, second.width))
      throw CinchError.usage(
        "'\(files[0].name)' is \(first) (height x width) and '\(files[other].name)' is \(second), but samples have one size: "
          + "bring them to one with \(.resize, most), or cut out their centres with \(.crop, most).")
    }
    return first
  }
}

extension RasterImage {
  /// Grey as luma, or in colour.
  fileprivate func colours(_ channels: Int) throws -> RasterImage {
    guard channels != self.channels else { return self }
    var result = try RasterImage(width: width, height: height, channels: channels)
    if channels == 1 {
      cinch_grey(pixels, Int64(width * height), &result.pixels)
    } else {
      // Three planes of it, as pixels.
      cinch_transpose_bytes(pixels + pixels + pixels, 1, 3, Int64(width * height), &result.pixels)
    }
    return result
  }

  /// Of another size, whatever the proportions: means where it shrinks, bilinear where it grows.
  fileprivate func resized(_ size: ImageSize?) throws -> RasterImage {
    guard let size, size != ImageSize(height: height, width: width) else { return self }
    var result = try RasterImage(width: size.width, height: size.height, channels: channels)
    withUnsafeTemporaryAllocation(of: Double.self, capacity: size.width * channels) {
      cinch_resize(
        pixels, Int64(height), Int64(width), Int64(channels), Int64(size.height), Int64(size.width), $0.baseAddress,
        &result.pixels)
    }
    return result
  }

  /// The centre; where it cannot be in the middle, half a pixel above it and left of it.
  fileprivate func cropped(_ size: ImageSize) throws -> RasterImage {
    guard size != ImageSize(height: height, width: width) else { return self }
    var result = try RasterImage(width: size.width, height: size.height, channels: channels)
    let (top, left) = ((height - size.height) / 2, (width - size.width) / 2)
    let run = size.width * channels
    for y in 0..<size.height {
      let start = ((top + y) * width + left) * channels
      result.pixels.replaceSubrange(y * run..<(y + 1) * run, with: pixels[start..<start + run])
    }
    return result
  }
}
