// Tables of text, cell by cell. A number becomes a float at once; of any other cell its text is kept once a column.
#include "CSamples.h"

#include <errno.h>
#include <float.h>
#include <stdlib.h>
#include <string.h>

// The same bits on every processor: no product may be fused with a sum.
#pragma STDC FP_CONTRACT OFF

typedef struct {
  const uint8_t *at, *end;
} text;

static bool is_blank(uint8_t byte, uint8_t separator) { return byte == ' ' || (byte == '\t' && separator != '\t'); }

static const uint8_t *skip_blanks(const uint8_t *at, const uint8_t *end, uint8_t separator) {
  while (at < end && is_blank(*at, separator)) at++;
  return at;
}

// Numbers.

static const double tens[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                              1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

#if LDBL_MANT_DIG == 64
static const long double long_tens[] = {
    1e0L,  1e1L,  1e2L,  1e3L,  1e4L,  1e5L,  1e6L,  1e7L,  1e8L,  1e9L,  1e10L, 1e11L, 1e12L, 1e13L,
    1e14L, 1e15L, 1e16L, 1e17L, 1e18L, 1e19L, 1e20L, 1e21L, 1e22L, 1e23L, 1e24L, 1e25L, 1e26L, 1e27L};

/// Up to 2⁶⁴ times or divided by a power of ten up to 10²⁷, all exact in 64 bits, is off by half of their last one at most:
/// what is not beside the middle of two doubles rounds to the right one.
static bool scale_long(uint64_t mantissa, int exponent, double *value) {
  if (exponent < -27 || exponent > 27 || mantissa == 0) return false;
  const long double power = long_tens[exponent < 0 ? -exponent : exponent];
  const long double wide = exponent < 0 ? (long double)mantissa / power : (long double)mantissa * power;
  uint64_t bits;
  memcpy(&bits, &wide, 8);
  if ((bits & 0x7FF) == 0x400) return false;
  *value = (double)wide;
  return true;
}
#else
static bool scale_long(uint64_t mantissa, int exponent, double *value) {
  (void)mantissa, (void)exponent, (void)value;
  return false;
}
#endif

static const uint8_t *scan_word(const uint8_t *at, const uint8_t *end, double *value) {
  static const struct {
    const char *word;
    int length;
    bool is_nan;
  } words[] = {{"nan", 3, true}, {"infinity", 8, false}, {"inf", 3, false}};
  for (int i = 0; i < 3; i++) {
    int length = 0;
    while (length < words[i].length && at + length < end && (at[length] | 0x20) == words[i].word[length]) length++;
    if (length < words[i].length) continue;
    *value = words[i].is_nan ? __builtin_nan("") : __builtin_inf();
    return at + length;
  }
  return NULL;
}

static double read_slowly(const uint8_t *begin, const uint8_t *end) {
  char few[64];
  const size_t length = (size_t)(end - begin);
  char *digits = length < sizeof few ? few : malloc(length + 1);
  if (!digits) return __builtin_nan("");
  memcpy(digits, begin, length);
  digits[length] = 0;
  const double value = strtod(digits, NULL);
  if (digits != few) free(digits);
  return value;
}

/// The end of the number at `begin`, or NULL. `decimals` is how many digits follow the point; -1 with an exponent.
static const uint8_t *scan_number(const uint8_t *begin, const uint8_t *end, double *value, int64_t *decimals) {
  const uint8_t *at = begin;
  const bool is_negative = at < end && *at == '-';
  if (at < end && (*at == '-' || *at == '+')) at++;
  const uint8_t *unsigned_part = at;
  // Zeros before the first digit count for nothing.
  while (at < end && *at == '0') at++;
  const uint8_t *significant = at;
  uint64_t mantissa = 0;
  while (at < end && (uint8_t)(*at - '0') < 10) mantissa = mantissa * 10 + (uint8_t)(*at++ - '0');
  int64_t places = at - significant;
  int64_t digits = at - unsigned_part;
  int64_t exponent = 0;
  *decimals = 0;
  if (at < end && *at == '.') {
    const uint8_t *point = ++at;
    // No digit yet that counts; a mantissa of many digits may have wrapped to 0.
    if (places == 0) {
      while (at < end && *at == '0') at++;
      significant = at;
      places = 0;
    }
    const uint8_t *first = at;
    while (at < end && (uint8_t)(*at - '0') < 10) mantissa = mantissa * 10 + (uint8_t)(*at++ - '0');
    places += at - first;
    digits += at - point;
    exponent = -(at - point);
    *decimals = at - point;
  }
  if (digits == 0) {
    const uint8_t *word = scan_word(unsigned_part, end, value);
    if (word && is_negative) *value = -*value;
    return word;
  }
  if (at < end && (*at | 0x20) == 'e') {
    const uint8_t *ahead = at + 1;
    const bool is_small = ahead < end && *ahead == '-';
    if (ahead < end && (*ahead == '-' || *ahead == '+')) ahead++;
    if (ahead < end && (uint8_t)(*ahead - '0') < 10) {
      int64_t written = 0;
      for (; ahead < end && (uint8_t)(*ahead - '0') < 10; ahead++) {
        if (written < 1000000) written = written * 10 + (*ahead - '0');
      }
      exponent += is_small ? -written : written;
      at = ahead;
      *decimals = -1;
    }
  }
  double magnitude;
  if (places <= 19 && mantissa == 0) {
    magnitude = 0;
  } else if (places <= 19 && mantissa <= (uint64_t)1 << 53 && exponent >= -22 && exponent <= 22) {
    // Both exact, so there is one rounding: Clinger, "How to read floating point numbers accurately" (PLDI 1990).
    magnitude = exponent < 0 ? (double)mantissa / tens[-exponent] : (double)mantissa * tens[exponent];
  } else if (places > 19 || exponent < -27 || exponent > 27 || !scale_long(mantissa, (int)exponent, &magnitude)) {
    *value = read_slowly(begin, at);
    return at;
  }
  *value = is_negative ? -magnitude : magnitude;
  return at;
}

int64_t cinch_scan_number(const uint8_t *bytes, int64_t count, double *value) {
  int64_t decimals;
  const uint8_t *end = scan_number(bytes, bytes + count, value, &decimals);
  return end ? end - bytes : 0;
}

// Texts, each kept once.

static uint64_t hash(const uint8_t *bytes, int64_t count) {
  // FNV-1a, and a last mix for the low bits.
  uint64_t sum = 0xCBF29CE484222325u;
  for (int64_t i = 0; i < count; i++) sum = (sum ^ bytes[i]) * 0x100000001B3u;
  return sum ^ sum >> 29;
}

static bool grow(void **array, int64_t *room, int64_t needed, size_t size) {
  if (needed <= *room) return true;
  const int64_t larger = needed * 2 > 16 ? needed * 2 : 16;
  void *moved = realloc(*array, (size_t)larger * size);
  if (!moved) return false;
  *array = moved;
  *room = larger;
  return true;
}

static bool keep(cinch_texts *texts, const uint8_t *bytes, int64_t count) {
  const int64_t size = texts->count ? texts->ends[texts->count - 1] : 0;
  if (!grow((void **)&texts->bytes, &texts->byte_room, size + count, 1)) return false;
  if (!grow((void **)&texts->ends, &texts->end_room, texts->count + 1, sizeof(int64_t))) return false;
  if (count) memcpy(texts->bytes + size, bytes, (size_t)count);
  texts->ends[texts->count++] = size + count;
  return true;
}

static bool spread(cinch_texts *texts) {
  if (2 * (texts->count + 1) <= texts->slot_count) return true;
  const int64_t larger = texts->slot_count ? 2 * texts->slot_count : 64;
  int32_t *slots = malloc((size_t)larger * sizeof *slots);
  if (!slots) return false;
  for (int64_t i = 0; i < larger; i++) slots[i] = -1;
  for (int64_t index = 0; index < texts->count; index++) {
    const int64_t begin = index ? texts->ends[index - 1] : 0;
    uint64_t slot = hash(texts->bytes + begin, texts->ends[index] - begin) & (uint64_t)(larger - 1);
    while (slots[slot] >= 0) slot = (slot + 1) & (uint64_t)(larger - 1);
    slots[slot] = (int32_t)index;
  }
  free(texts->slots);
  texts->slots = slots;
  texts->slot_count = larger;
  return true;
}

/// The number of a text, which is kept where it is new; -1 where there is no memory.
static int64_t intern(cinch_texts *texts, text cell, int64_t line) {
  if (!spread(texts)) return -1;
  const int64_t count = cell.end - cell.at;
  uint64_t slot = hash(cell.at, count) & (uint64_t)(texts->slot_count - 1);
  for (; texts->slots[slot] >= 0; slot = (slot + 1) & (uint64_t)(texts->slot_count - 1)) {
    const int64_t index = texts->slots[slot];
    const int64_t begin = index ? texts->ends[index - 1] : 0;
    if (texts->ends[index] - begin != count) continue;
    if (count && memcmp(texts->bytes + begin, cell.at, (size_t)count) != 0) continue;
    texts->counts[index]++;
    return index;
  }
  if (!grow((void **)&texts->counts, &texts->count_room, texts->count + 1, sizeof(int64_t))) return -1;
  if (!grow((void **)&texts->lines, &texts->line_room, texts->count + 1, sizeof(int64_t))) return -1;
  texts->counts[texts->count] = 1;
  texts->lines[texts->count] = line;
  texts->slots[slot] = (int32_t)texts->count;
  return keep(texts, cell.at, count) ? texts->count - 1 : -1;
}

void cinch_texts_free(cinch_texts *texts) {
  free(texts->bytes);
  free(texts->ends);
  free(texts->counts);
  free(texts->lines);
  free(texts->slots);
  memset(texts, 0, sizeof *texts);
}

// Rows.

/// The end of a row, behind its line's end; NULL where it does not end before `end`.
static const uint8_t *row_end(const uint8_t *at, const uint8_t *end, uint8_t separator, int64_t *lines) {
  const uint8_t *line = memchr(at, '\n', (size_t)(end - at));
  if (line && !memchr(at, '"', (size_t)(line - at))) {
    ++*lines;
    return line + 1;
  }
  if (!line && !memchr(at, '"', (size_t)(end - at))) return NULL;
  int64_t passed = 0;
  while (at < end) {
    at = skip_blanks(at, end, separator);
    if (at < end && *at == '"') {
      for (at++;; at++) {
        if (at == end) return NULL;
        if (*at == '\n') passed++;
        if (*at != '"') continue;
        if (at + 1 < end && at[1] == '"') at++;
        else break;
      }
      at++;
    }
    while (at < end && *at != separator && *at != '\n') at++;
    if (at == end) return NULL;
    if (*at++ == '\n') {
      *lines += passed + 1;
      return at;
    }
  }
  return NULL;
}

int64_t cinch_rows(
    const uint8_t *bytes, int64_t count, int64_t wanted, bool is_last, uint8_t separator, int64_t *rows, int64_t *lines) {
  const uint8_t *at = bytes, *end = bytes + count;
  *rows = *lines = 0;
  while (at < end && at - bytes < wanted) {
    const uint8_t *next = row_end(at, end, separator, lines);
    if (!next) {
      if (!is_last) break;
      next = end;
    }
    at = next;
    ++*rows;
  }
  return at - bytes;
}

static bool is_missing(const cinch_table *table, cinch_table_part *part, text cell) {
  const int64_t count = cell.end - cell.at;
  if (count > table->longest_missing) return false;
  if (count && !table->begins_missing[cell.at[0]]) return false;
  int64_t begin = 0;
  for (int64_t i = 0; i < table->missing_count; i++) {
    const int64_t end = table->missing_ends[i];
    if (end - begin == count && (count == 0 || memcmp(table->missing + begin, cell.at, (size_t)count) == 0)) {
      part->missing_met[i] = true;
      return true;
    }
    begin = end;
  }
  return false;
}

/// Programs write -999 as -999.0.
static bool is_missing_number(const cinch_table *table, cinch_table_part *part, double number) {
  for (int64_t i = 0; i < table->missing_count; i++) {
    if (table->missing_numbers[i] != number) continue;
    part->missing_met[i] = true;
    return true;
  }
  return false;
}

static void set_tag(float *value, int64_t tag) {
  const uint32_t bits = CINCH_TAG | (uint32_t)tag;
  memcpy(value, &bits, 4);
}

static cinch_table_error store(
    const cinch_table *table, cinch_table_part *part, int64_t place, text cell, int64_t line, float *row) {
  cinch_table_column *column = &part->columns[place];
  switch (table->uses[place]) {
  case cinch_skip: return cinch_no_error;
  case cinch_name: return keep(&column->texts, cell.at, cell.end - cell.at) ? cinch_no_error : cinch_no_memory;
  case cinch_label: {
    if (cell.at == cell.end) return cinch_no_label;
    const int64_t code = intern(&column->texts, cell, line);
    part->labels[part->rows] = (int32_t)code;
    return code < 0 ? cinch_no_memory : cinch_no_error;
  }
  default: break;
  }
  float *value = row + table->places[place];
  bool missing = is_missing(table, part, cell);
  bool is_number = false;
  double number = 0;
  int64_t decimals = 0;
  if (!missing && (table->uses[place] == cinch_number || table->missing_numbers)) {
    is_number = scan_number(cell.at, cell.end, &number, &decimals) == cell.end;
    missing = is_number && table->missing_numbers && is_missing_number(table, part, number);
  }
  if (missing) {
    if (!column->missing++) column->missing_line = line;
    set_tag(value, 0);
    return cinch_no_error;
  }
  if (table->uses[place] == cinch_number && is_number) {
    *value = (float)number;
    if (!__builtin_isfinite(*value)) return cinch_unfit_number;
    column->numbers++;
    column->sum += number;
    if (decimals < 0) column->has_exponent = true;
    else if (decimals > column->decimals) column->decimals = decimals;
    if (number != 0 && number != 1) column->has_others = true;
    return cinch_no_error;
  }
  const int64_t code = intern(&column->texts, cell, line);
  if (code < 0 || code >= CINCH_MOST_TAGS - 1) return cinch_no_memory;
  set_tag(value, code + 1);
  return cinch_no_error;
}

/// A cell that begins with a quote, whose text is put into `scratch` where a quote is doubled in it. NULL where it is never
/// closed.
static const uint8_t *quoted(const uint8_t *at, const uint8_t *end, uint8_t *scratch, text *cell, int64_t *line) {
  const uint8_t *begin = ++at;
  bool is_plain = true;
  for (;; at++) {
    if (at == end) return NULL;
    if (*at == '\n') ++*line;
    if (*at != '"') continue;
    if (at + 1 == end || at[1] != '"') break;
    is_plain = false;
    at++;
  }
  *cell = (text){begin, at};
  if (is_plain) return at + 1;
  uint8_t *to = scratch;
  for (const uint8_t *from = begin; from < at; from++) {
    *to++ = *from;
    if (*from == '"') from++;
  }
  *cell = (text){scratch, to};
  return at + 1;
}

cinch_table_error cinch_read_rows(const cinch_table *table, const uint8_t *bytes, int64_t count, cinch_table_part *part) {
  const uint8_t *at = bytes, *end = bytes + count;
  const uint8_t separator = table->separator;
  int64_t line = part->line;
  float *row = part->values;
  uint8_t *scratch = NULL;
  cinch_table_error error = cinch_no_error;
  while (at < end && !error) {
    part->error_position = at - bytes;
    part->error_line = line;
    at = skip_blanks(at, end, separator);
    if (at == end) break;
    if (*at == '\n' || (*at == '\r' && at + 1 < end && at[1] == '\n')) {
      if (!part->blank_line) part->blank_line = line;
      at += *at == '\n' ? 1 : 2;
      line++;
      continue;
    }
    if (part->blank_line) {
      part->row_after_blank = true;
      break;
    }
    int64_t ends = line;
    for (int64_t place = 0;; place++) {
      at = skip_blanks(at, end, separator);
      text cell;
      part->error_column = place;
      if (at < end && *at == '"') {
        if (!scratch) scratch = malloc((size_t)(end - at));
        if (!scratch) error = cinch_no_memory;
        else if (!(at = quoted(at, end, scratch, &cell, &ends))) error = cinch_malformed_row;
        if (error) break;
        at = skip_blanks(at, end, separator);
      } else {
        cell.at = at;
        while (at < end && *at != separator && *at != '\n' && *at != '\r') at++;
        cell.end = at;
        while (cell.end > cell.at && (cell.end[-1] == ' ' || cell.end[-1] == '\t')) cell.end--;
      }
      part->cell = (cinch_cell){cell.at, cell.end - cell.at};
      if (place >= table->columns) {
        error = cinch_malformed_row;
        break;
      }
      error = store(table, part, place, cell, line, row);
      if (error) break;
      if (at < end && *at == separator) {
        at++;
        continue;
      }
      if (at < end && *at == '\r') at++;
      if (at < end && *at != '\n') error = cinch_malformed_row;
      else if (place + 1 != table->columns) error = cinch_malformed_row;
      break;
    }
    if (error) break;
    line = ends;
    if (at < end) {
      at++;
      line++;
    }
    part->rows++;
    row += table->width;
  }
  // The text of an error's cell may lie in the scratch.
  if (error == cinch_unfit_number) {
    if (!keep(&part->error_text, part->cell.bytes, part->cell.count)) error = cinch_no_memory;
  }
  free(scratch);
  return error;
}

void cinch_fill_rows(
    const float *cells, int64_t rows, int64_t width, const cinch_filling *columns, float *values, uint8_t *observed) {
  for (int64_t r = 0; r < rows; r++) {
    for (int64_t c = 0; c < width; c++, cells++) {
      const cinch_filling *column = &columns[c];
      uint32_t bits;
      memcpy(&bits, cells, 4);
      const bool is_tag = (bits & CINCH_TAG) == CINCH_TAG;
      const uint32_t tag = bits & (CINCH_MOST_TAGS - 1);
      const float value = !is_tag ? *cells : tag == 0 ? column->fill : (float)column->places[tag - 1];
      if (column->width == 1) {
        *values = value;
      } else {
        for (int64_t i = 0; i < column->width; i++) values[i] = (float)i == value;
      }
      if (observed) {
        memset(observed, !is_tag || tag != 0, (size_t)column->width);
        observed += column->width;
      }
      values += column->width;
    }
  }
}
