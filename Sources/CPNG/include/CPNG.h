/// PNG files (ISO/IEC 15948) through libpng. They are read by its simplified interface; that one writes no texts and
/// compresses in its own way, and the other's errors, a `longjmp`, end here.

#ifndef CPNG_H
#define CPNG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <png.h>

/// Bytes for a message, with the final zero.
enum { cinch_png_message = 128 };

typedef struct {
  /// In Latin-1; of the keyword 1 to 79 letters.
  const char *keyword, *text;
} cinch_png_text;

typedef struct {
  /// Row by row, one byte a channel: grey, or red, green and blue.
  const uint8_t *pixels;
  size_t width, height, channels;
  const cinch_png_text *texts;
  size_t text_count;
} cinch_png_image;

/// False where libpng refuses, or `room` bytes are too few: `message` then says why. `size` is the file's
/// where there is one.
bool cinch_png_encode(
    const cinch_png_image *image, uint8_t *file, size_t room, size_t *size, char message[cinch_png_message]);

#endif
