#pragma once

#include "internal.h"

// Epilogues of images, whose pixels count as rows: seen as fewer rows of many pixels, so that few channels leave no
// lanes empty.

/// Columns at which rows of `channels` repeat and fill whole cells: few channels would leave lanes empty.
static inline int64_t cinch_repeat_columns(int64_t channels) {
  int64_t columns = channels;
  if (channels < 64)
    while (columns % 64) columns += channels;
  return columns;
}

/// An epilogue of an image, whose pixels count as rows, seen as fewer rows of many pixels.
typedef struct {
  cinch_epilogue epilogue;
  int64_t columns;
  /// Loss: sums that one call of `cinch_finish` writes.
  int64_t partials;
  /// Loss: a factor of the sums.
  float share;
} cinch_image_epilogue;

static inline int64_t cinch_image_epilogue_floats(int64_t channels) {
  return 2 * cinch_round_up(cinch_repeat_columns(channels), 16);
}
/// How many sums the loss of this many elements takes.
int64_t cinch_image_partials(int64_t elements, int64_t channels);
/// `features` are a sample's elements; `memory` takes `cinch_image_epilogue_floats`.
cinch_image_epilogue cinch_prepare_epilogue(
    const cinch_epilogue *epilogue, int64_t channels, int64_t features, float *memory);
/// The epilogue of elements e0 ..< e1 of an image, which are whole pixels.
void cinch_finish(
    const cinch_device *device, const cinch_image_epilogue *image, float *result, int64_t e0, int64_t e1,
    float *partials);
