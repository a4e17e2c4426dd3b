/// Words above pictures, so that a picture says what it shows wherever it is passed on to.
extension ImageGrid {
  private static let paper: UInt8 = 24
  private static let ink: UInt8 = 232
  /// Pixels that a narrow picture is widened to, and from which on letters are twice as large.
  private static let narrow = 240
  private static let wide = 600

  /// The picture below a caption, whose lines break between words where the picture ends.
  ///
  /// - Parameter text: in ASCII; other characters become question marks.
  /// - Throws: `CinchError.usage` if the picture would be too large.
  public static func captioned(_ picture: RasterImage, _ text: String) throws -> RasterImage {
    let width = max(picture.width, narrow)
    let scale = picture.width < wide ? 1 : 2
    let margin = 3 * scale
    let lines = lines(text, letters: (width - 2 * margin) / (Letters.advance * scale))
    let height = lines.count * Letters.line * scale + margin
    var caption = try RasterImage(width: width, height: height, channels: picture.channels, filledWith: paper)
    for (row, line) in lines.enumerated() {
      for (column, letter) in line.enumerated() {
        let (left, top) = (margin + column * Letters.advance * scale, margin + row * Letters.line * scale)
        Letters.draw(letter, scale: scale) { x, y in
          let at = ((top + y) * width + left + x) * picture.channels
          for channel in 0..<picture.channels { caption.pixels[at + channel] = ink }
        }
      }
    }
    return try stacked([caption, picture], gap: 0)
  }

  /// The words in lines of so many letters; one that is longer is cut.
  static func lines(_ text: String, letters: Int) -> [Substring] {
    var lines: [Substring] = []
    var rest = text[...]
    // What is left is not counted: that would go through a long text once for each line.
    while let past = rest.index(rest.startIndex, offsetBy: letters, limitedBy: rest.endIndex), past < rest.endIndex {
      let end = rest[...past].lastIndex(of: " ") ?? past
      lines.append(rest[..<end])
      rest = rest[end...].drop { $0 == " " }
    }
    return lines + [rest]
  }
}

/// Letters of 5 × 7 dots.
private enum Letters {
  /// Dots from one letter, and from one line, to the next.
  static let advance = 6
  static let line = 10

  /// ASCII from the space on: five columns each, from the left, whose lowest bit is the dot at the top.
  private static let columns: [UInt64] = [
    0x00_00_00_00_00, 0x00_00_5F_00_00, 0x00_07_00_07_00, 0x14_7F_14_7F_14, 0x24_2A_7F_2A_12, 0x23_13_08_64_62,
    0x36_49_55_22_50, 0x00_05_03_00_00, 0x00_1C_22_41_00, 0x00_41_22_1C_00, 0x14_08_3E_08_14, 0x08_08_3E_08_08,
    0x00_50_30_00_00, 0x08_08_08_08_08, 0x00_60_60_00_00, 0x20_10_08_04_02, 0x3E_51_49_45_3E, 0x00_42_7F_40_00,
    0x42_61_51_49_46, 0x21_41_45_4B_31, 0x18_14_12_7F_10, 0x27_45_45_45_39, 0x3C_4A_49_49_30, 0x01_71_09_05_03,
    0x36_49_49_49_36, 0x06_49_49_29_1E, 0x00_36_36_00_00, 0x00_56_36_00_00, 0x08_14_22_41_00, 0x14_14_14_14_14,
    0x00_41_22_14_08, 0x02_01_51_09_06, 0x32_49_79_41_3E, 0x7E_11_11_11_7E, 0x7F_49_49_49_36, 0x3E_41_41_41_22,
    0x7F_41_41_22_1C, 0x7F_49_49_49_41, 0x7F_09_09_09_01, 0x3E_41_49_49_7A, 0x7F_08_08_08_7F, 0x00_41_7F_41_00,
    0x20_40_41_3F_01, 0x7F_08_14_22_41, 0x7F_40_40_40_40, 0x7F_02_0C_02_7F, 0x7F_04_08_10_7F, 0x3E_41_41_41_3E,
    0x7F_09_09_09_06, 0x3E_41_51_21_5E, 0x7F_09_19_29_46, 0x46_49_49_49_31, 0x01_01_7F_01_01, 0x3F_40_40_40_3F,
    0x1F_20_40_20_1F, 0x3F_40_38_40_3F, 0x63_14_08_14_63, 0x07_08_70_08_07, 0x61_51_49_45_43, 0x00_7F_41_41_00,
    0x02_04_08_10_20, 0x00_41_41_7F_00, 0x04_02_01_02_04, 0x40_40_40_40_40, 0x00_01_02_04_00, 0x20_54_54_54_78,
    0x7F_48_44_44_38, 0x38_44_44_44_20, 0x38_44_44_48_7F, 0x38_54_54_54_18, 0x08_7E_09_01_02, 0x0C_52_52_52_3E,
    0x7F_08_04_04_78, 0x00_44_7D_40_00, 0x20_40_44_3D_00, 0x7F_10_28_44_00, 0x00_41_7F_40_00, 0x7C_04_18_04_78,
    0x7C_08_04_04_78, 0x38_44_44_44_38, 0x7C_14_14_14_08, 0x08_14_14_18_7C, 0x7C_08_04_04_08, 0x48_54_54_54_20,
    0x04_3F_44_40_20, 0x3C_40_40_20_7C, 0x1C_20_40_20_1C, 0x3C_40_30_40_3C, 0x44_28_10_28_44, 0x0C_50_50_50_3C,
    0x44_64_54_4C_44, 0x00_08_36_41_00, 0x00_00_7F_00_00, 0x00_41_36_08_00, 0x10_08_08_10_08,
  ]

  /// Calls `dot` for each pixel of a letter whose dots are squares of `scale` pixels.
  static func draw(_ letter: Character, scale: Int, dot: (_ x: Int, _ y: Int) -> Void) {
    let code = letter.asciiValue.map { Int($0) - 0x20 } ?? -1
    let letter = columns.indices.contains(code) ? columns[code] : columns[0x3F - 0x20]
    for x in 0..<5 * scale {
      for y in 0..<7 * scale where letter >> UInt64(8 * (4 - x / scale) + y / scale) & 1 == 1 { dot(x, y) }
    }
  }
}
