#include "CJPEG.h"

#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <jpeglib.h>

#include <jerror.h>

/// A progressive file may repeat scans that cost much and say nothing; encoders write about ten.
enum { most_scans = 500 };

typedef struct {
  struct jpeg_decompress_struct decoder;
  struct jpeg_error_mgr errors;
  struct jpeg_progress_mgr progress;
  jmp_buf failed;
  char *message;
} reader;

static void fail(j_common_ptr decoder) {
  reader *const self = decoder->client_data;
  char text[JMSG_LENGTH_MAX];
  decoder->err->format_message(decoder, text);
  snprintf(self->message, cinch_jpeg_message, "%.*s", cinch_jpeg_message - 1, text);
  longjmp(self->failed, 1);
}

/// Warnings say that pixels are made up, but for two.
static void emit(j_common_ptr decoder, int level) {
  if (level >= 0) return;
  const int code = decoder->err->msg_code;
  if (code != JWRN_EXTRANEOUS_DATA && code != JWRN_ADOBE_XFORM && code != JWRN_JFIF_MAJOR) fail(decoder);
}

static void ignore(j_common_ptr decoder) { (void)decoder; }

static void refuse(reader *self, const char *why) {
  snprintf(self->message, cinch_jpeg_message, "%s", why);
  longjmp(self->failed, 1);
}

static void count_scans(j_common_ptr decoder) {
  if (((j_decompress_ptr)decoder)->input_scan_number > most_scans) refuse(decoder->client_data, "Too many scans");
}

static void begin(reader *self, char *message) {
  memset(self, 0, sizeof *self);
  self->message = message;
  message[0] = 0;
  self->decoder.err = jpeg_std_error(&self->errors);
  self->errors.error_exit = fail;
  self->errors.emit_message = emit;
  self->errors.output_message = ignore;
  self->decoder.client_data = self;
}

/// Up to the first scan.
static void read_header(reader *self, const uint8_t *file, size_t size, cinch_jpeg_header *header) {
  struct jpeg_decompress_struct *const decoder = &self->decoder;
  jpeg_create_decompress(decoder);
  self->progress.progress_monitor = count_scans;
  decoder->progress = &self->progress;
  jpeg_mem_src(decoder, (unsigned char *)file, (unsigned long)size);
  jpeg_read_header(decoder, TRUE);
  switch (decoder->jpeg_color_space) {
  case JCS_GRAYSCALE: decoder->out_color_space = JCS_GRAYSCALE; break;
  case JCS_YCbCr:
  case JCS_RGB: decoder->out_color_space = JCS_RGB; break;
  case JCS_YCCK:
  case JCS_CMYK: decoder->out_color_space = JCS_CMYK; break;
  default: refuse(self, "Its colours are neither grey nor RGB nor CMYK"); break;
  }
  header->width = (int32_t)decoder->image_width;
  header->height = (int32_t)decoder->image_height;
  const J_COLOR_SPACE colours = decoder->out_color_space;
  header->channels = colours == JCS_CMYK ? 4 : colours == JCS_RGB ? 3 : 1;
  header->room = 1 << 20;
  for (int i = 0; i < decoder->num_components; i++) {
    const jpeg_component_info *const part = &decoder->comp_info[i];
    const int64_t rows = jpeg_has_multiple_scans(decoder) ? part->height_in_blocks + 16 : 16;
    header->room += (int64_t)sizeof(JBLOCK) * rows * (part->width_in_blocks + 16);
  }
}

bool cinch_jpeg_read_header(
    const uint8_t *file, size_t size, cinch_jpeg_header *header, char message[cinch_jpeg_message]) {
  reader self;
  begin(&self, message);
  if (setjmp(self.failed)) {
    jpeg_destroy_decompress(&self.decoder);
    return false;
  }
  read_header(&self, file, size, header);
  jpeg_destroy_decompress(&self.decoder);
  return true;
}

bool cinch_jpeg_decode(
    const uint8_t *file, size_t size, const cinch_jpeg_header *header, uint8_t *pixels,
    char message[cinch_jpeg_message]) {
  reader self;
  begin(&self, message);
  if (setjmp(self.failed)) {
    jpeg_destroy_decompress(&self.decoder);
    return false;
  }
  cinch_jpeg_header found;
  read_header(&self, file, size, &found);
  if (found.width != header->width || found.height != header->height || found.channels != header->channels)
    refuse(&self, "Its header has changed");
  // The accurate transform: its bits are the same with and without vector instructions.
  self.decoder.dct_method = JDCT_ISLOW;
  jpeg_start_decompress(&self.decoder);
  const size_t row = (size_t)found.width * (size_t)found.channels;
  while (self.decoder.output_scanline < self.decoder.output_height) {
    JSAMPROW target = pixels + row * self.decoder.output_scanline;
    jpeg_read_scanlines(&self.decoder, &target, 1);
  }
  jpeg_finish_decompress(&self.decoder);
  jpeg_destroy_decompress(&self.decoder);
  return true;
}
