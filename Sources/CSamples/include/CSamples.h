/// Loops over the values of data sets, which come by the hundred million: quick in debug builds, too.
#pragma once

#include <stdbool.h>
#include <stdint.h>

/// The types that files hold numbers in.
typedef enum {
  cinch_uint8,
  cinch_int8,
  cinch_int16,
  cinch_int32,
  cinch_int64,
  cinch_float32,
  cinch_float64,
} cinch_element;

/// Numbers of any type and alignment as floats, divided by `divisor`. `swapped` ones have the other byte order.
void cinch_widen(
    cinch_element type, bool swapped, const void *source, int64_t count, float divisor, float *values);

/// The first value that is NaN or infinite; -1 where all are finite.
int64_t cinch_first_not_finite(const float *values, int64_t count);

/// Extends [low, high] so that it holds all values.
void cinch_extend_range(const float *values, int64_t count, float *low, float *high);

/// Rows in place: (value · raw − offset[c]) / scale[c], and 0 where scale[c] is 0; in double precision.
void cinch_rescale(
    float *values, int64_t rows, int64_t columns, const double *offset, const double *scale, double raw);

/// Each of `count` matrices [rows, columns] to [columns, rows].
void cinch_transpose(const float *from, int64_t count, int64_t rows, int64_t columns, float *to);
void cinch_transpose_bytes(const uint8_t *from, int64_t count, int64_t rows, int64_t columns, uint8_t *to);

/// Where a part of an image lies: `planes` planes of `rows` runs, each of `length` numbers that lie side by side. Strides
/// count numbers.
typedef struct {
  int64_t planes, rows, length, plane_stride, row_stride;
} cinch_window;

/// The numbers of a window that begins at `source`, as `cinch_widen` has them.
void cinch_widen_window(
    cinch_element type, bool swapped, const void *source, cinch_window window, float divisor, float *values);
void cinch_copy_window(const uint8_t *source, cinch_window window, uint8_t *bytes);

// Matrices of doubles, row by row. Sums have a fixed order, so the bits are the same on every processor.

/// centered[r][c] = values[r][c] · raw − mean[c]; no mean is one of 0.
void cinch_center(
    const float *values, int64_t rows, int64_t columns, double raw, const double *mean, double *centered);

/// Sums over r: sums[c] += centered[r][c].
void cinch_add_rows(const double *centered, int64_t rows, int64_t columns, double *sums);

/// The upper triangle of aᵀ a of [rows, columns] is added to `sum` [columns, columns].
void cinch_add_gram(const double *a, int64_t rows, int64_t columns, double *sum);

/// result[r][c] = Σ_k (values[r][k] · raw − before[k]) · matrix[k][c] + after[c], for a square matrix of `columns`.
/// What is added or taken away may be missing; `scratch` has room for 2 · rows · columns doubles, and the result may be
/// the values.
void cinch_linear_map(
    const float *values, int64_t rows, int64_t columns, double raw, const double *before, const double *matrix,
    const double *after, double *scratch, float *result);

/// a = Vᵀ diag(values) V of a symmetric matrix of order n, whose largest number is about 1: eigenvectors are the rows of
/// `vectors` [n, n], in no order. `a` is lost; `work` has room for 5 · n doubles.
///
/// False where the iteration does not come to an end, as with numbers that are not finite.
bool cinch_symmetric_eigen(double *a, int64_t n, double *values, double *vectors, double *work);

// t-SNE: rows first ..< end of all, each by itself.

/// weights[i][j] = exp(−β_i d_ij) / Σ_k exp(−β_i d_ik), where d_ij is the squared distance of samples [count, columns], j ≠ i, and
/// β_i such that the row's entropy is log(perplexity), found by bisection. `scratch` has room for `count` doubles.
void cinch_neighbour_weights(
    const float *values, int64_t count, int64_t columns, int64_t first, int64_t end, double perplexity, double *scratch,
    double *weights);

/// With w_ij = 1 / (1 + ‖y_i − y_j‖²) of points y: sums[i] = Σ_j w_ij, attraction[i] = Σ_j p_ij w_ij (y_i − y_j), and
/// repulsion[i] = Σ_j w_ij² (y_i − y_j), of two numbers each.
void cinch_neighbour_forces(
    const double *joint, const double *x, const double *y, int64_t count, int64_t first, int64_t end,
    double *attraction, double *repulsion, double *sums);

// Images of bytes with their channels side by side.

/// Pixels with alpha behind their channels, not multiplied by it, in front of white.
void cinch_over_white(const uint8_t *from, int64_t pixels, int64_t channels, uint8_t *to);

/// Luma of RGB, 0.299 R + 0.587 G + 0.114 B (ITU-R BT.601).
void cinch_grey(const uint8_t *from, int64_t pixels, uint8_t *to);

/// Another size, each axis for itself: the mean of what a pixel covers where there will be fewer, bilinear where there will
/// be more. `sums` has room for to_width · channels doubles.
void cinch_resize(
    const uint8_t *from, int64_t height, int64_t width, int64_t channels, int64_t to_height, int64_t to_width,
    double *sums, uint8_t *to);

/// The image as EXIF's tag Orientation, 2 to 8, says that it is seen: `from` has `height` stored rows. Where it is 5 or
/// more, `to` has `width` rows.
void cinch_orient(
    const uint8_t *from, int64_t height, int64_t width, int64_t channels, int32_t orientation, uint8_t *to);

// Images of floats, channels first.

/// target[p][y][x] += row_weights[y] · column_weights[x] · tile[p][y][x], rounded once: the tile is a window of `target`.
void cinch_add_tile(
    const float *tile, cinch_window window, const double *row_weights, const double *column_weights, float *target);

/// What is missing of a plane of an image, filled by diffusion from around it: so many sweeps of over-relaxation towards the
/// mean of each missing pixel's neighbours, from the values that are there.
void cinch_diffuse(float *plane, const bool *missing, int64_t height, int64_t width, int64_t sweeps);

// Tables of text.

/// The number at the beginning of some bytes, correctly rounded; NaN and infinities included.
/// Returns how many bytes it takes, 0 where there is none.
int64_t cinch_scan_number(const uint8_t *bytes, int64_t count, double *value);

/// What becomes of a column's cells.
typedef enum {
  cinch_skip,
  /// Numbers, or texts where they are none.
  cinch_number,
  /// Texts, even where they are numbers.
  cinch_text,
  cinch_label,
  cinch_name,
} cinch_use;

/// Texts one after the other: each ends where `ends` says.
typedef struct {
  uint8_t *bytes;
  int64_t *ends;
  /// How often, and where first; not of names.
  int64_t *counts, *lines;
  int64_t count;
  int64_t byte_room, end_room, count_room, line_room;
  /// Where a text is by its hash, or -1.
  int32_t *slots;
  int64_t slot_count;
} cinch_texts;

void cinch_texts_free(cinch_texts *texts);

/// A cell that is no number has a NaN with these bits for a value, and behind them the number of its text, from 1; 0 where
/// it is missing.
#define CINCH_TAG 0xFFC00000u
#define CINCH_MOST_TAGS 0x400000

/// How a table's rows are read.
typedef struct {
  uint8_t separator;
  int64_t columns;
  /// Of each column; of numbers and texts the place of its cell in a row of `width` values.
  const cinch_use *uses;
  const int64_t *places;
  int64_t width;
  /// Texts that say that a cell has no value, one after the other; the bytes that any of them begins with.
  const uint8_t *missing;
  const int64_t *missing_ends;
  /// What number each of them spells, which cells may spell otherwise, NaN where it is none; NULL where all are none.
  const double *missing_numbers;
  int64_t missing_count, longest_missing;
  bool begins_missing[256];
} cinch_table;

typedef struct {
  cinch_texts texts;
  int64_t numbers, missing;
  /// Where the first is missing.
  int64_t missing_line;
  double sum;
  /// The most digits after the point, of numbers without an exponent.
  int64_t decimals;
  /// Whether a number is neither 0 nor 1.
  bool has_exponent, has_others;
} cinch_table_column;

typedef struct {
  const uint8_t *bytes;
  int64_t count;
} cinch_cell;

typedef enum {
  cinch_no_error,
  cinch_no_memory,
  /// Other cells than the first row has, a quote that is not closed, or text behind one that is.
  cinch_malformed_row,
  /// Not finite as a 32-bit float.
  cinch_unfit_number,
  cinch_no_label,
} cinch_table_error;

/// Some rows of a table.
typedef struct {
  /// Rows of `width` values, and a label each; the caller has room for them.
  float *values;
  int32_t *labels;
  int64_t rows;
  /// Of each text for missing cells, whether there is one.
  bool *missing_met;
  /// Of each column of the table.
  cinch_table_column *columns;
  /// Of the first row, counted as the caller counts.
  int64_t line;
  /// The first line that is blank, 0 where none is; and whether a row follows it.
  int64_t blank_line;
  bool row_after_blank;
  /// Where reading stopped: the row, and the cell in it.
  int64_t error_position, error_line, error_column;
  cinch_texts error_text;
  cinch_cell cell;
} cinch_table_part;

/// The bytes of whole rows: as many as have begun before `wanted`, and end within `count` bytes, the last of a file at its
/// end. `rows` counts blank ones, too.
int64_t cinch_rows(
    const uint8_t *bytes, int64_t count, int64_t wanted, bool is_last, uint8_t separator, int64_t *rows, int64_t *lines);

/// Reads whole rows.
cinch_table_error cinch_read_rows(
    const cinch_table *table, const uint8_t *bytes, int64_t count, cinch_table_part *part);

/// What a column's cells become: a number, or one of `width` that is 1.
typedef struct {
  int64_t width;
  /// For a missing cell: a number, or a place; none is 1 where that is -1.
  float fill;
  /// Of each text.
  const int32_t *places;
} cinch_filling;

/// Rows of `width` cells, as `cinch_read_rows` has them, as numbers. `observed` may be missing.
void cinch_fill_rows(
    const float *cells, int64_t rows, int64_t width, const cinch_filling *columns, float *values, uint8_t *observed);
