/// JPEG files (ISO/IEC 10918-1) through libjpeg, whose errors end here: in C its `longjmp` passes no frame of Swift.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/// What a file says before its pixels.
typedef struct {
  int32_t width, height;
  /// 1 for grey, 3 for RGB, which YCbCr becomes, 4 for CMYK, which YCCK becomes.
  int32_t channels;
  /// Bytes that libjpeg needs to decode it: much where there are several scans, whose coefficients it keeps.
  int64_t room;
} cinch_jpeg_header;

enum { cinch_jpeg_message = 200 };

/// False where `size` bytes do not begin as a JPEG file of these; `message` then says why, in libjpeg's words.
bool cinch_jpeg_read_header(
    const uint8_t *file, size_t size, cinch_jpeg_header *header, char message[cinch_jpeg_message]);

/// Decodes to rows of pixels with their channels side by side: `height · width · channels` bytes. `header` is what
/// `cinch_jpeg_read_header` gave for these very bytes.
///
/// False where the file is damaged or ends early, also where libjpeg would go on with a warning.
bool cinch_jpeg_decode(
    const uint8_t *file, size_t size, const cinch_jpeg_header *header, uint8_t *pixels,
    char message[cinch_jpeg_message]);
