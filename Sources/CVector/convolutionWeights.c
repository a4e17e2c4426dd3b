#include <string.h>

#include "convolutionJob.h"

// The weights of a convolution as its kernels read them, and where their taps lie in a tile.

/// Makes two of each of `count` numbers.
static void repeat_weights(float *packed, int64_t count) {
  for (int64_t i = count - 1; i >= 0; i--) packed[2 * i] = packed[2 * i + 1] = packed[i];
}

/// Copies the taps of one pair of phases, in the order of their places, as blocks of output channels.
static void pack_weights(
    const cinch_convolution_job *job, const cinch_convolution *g, bool transposed, const float *weight, int64_t py,
    int64_t px, int64_t taps, float *packed) {
  const cinch_tiling *t = &job->t;
  const int64_t inputs = t->inputs, outputs = t->outputs, vector = job->kernels->width;
  for (int64_t k0 = 0; k0 < outputs;) {
    int64_t width = 1;
    if (job->lanes == over_outputs) {
      width = job->together == 2 ? vector / 2 : outputs - k0 <= vector || job->squares ? vector : 2 * vector;
    } else if (job->lanes == over_pixels) {
      width = vector == 16 ? 8 : 4;
      while (width > outputs - k0) width /= 2;
    }
    const int64_t used = cinch_min(width, outputs - k0);
    int64_t tap = 0;
    // A transposed convolution reads its taps backwards.
    for (int64_t a = 0; a < g->kernel_height; a++) {
      const int64_t u = transposed ? g->kernel_height - 1 - a : a;
      if (cinch_axis_place(&t->y, py, u) < 0) continue;
      for (int64_t b = 0; b < g->kernel_width; b++) {
        const int64_t v = transposed ? g->kernel_width - 1 - b : b;
        if (cinch_axis_place(&t->x, px, v) < 0) continue;
        const float *from = weight + (u * g->kernel_width + v) * g->channels * g->output_channels;
        float *to = packed + taps * inputs * k0 + tap * inputs * width;
        if (transposed) {
          for (int64_t j = 0; j < used; j++)
            for (int64_t i = 0; i < inputs; i++) to[i * width + j] = from[(k0 + j) * inputs + i];
        } else {
          for (int64_t i = 0; i < inputs; i++)
            memcpy(to + i * width, from + i * outputs + k0, (size_t)used * sizeof(float));
        }
        if (used < width)
          for (int64_t i = 0; i < inputs; i++)
            memset(to + i * width + used, 0, (size_t)(width - used) * sizeof(float));
        tap++;
      }
    }
    k0 += width;
  }
  if (job->together == 2) repeat_weights(packed, taps * inputs * vector / 2);
}

/// Copies the weights of every tap of one output channel, as blocks of taps.
static void pack_taps(const cinch_convolution_job *job, const float *weight, float *packed) {
  const cinch_tiling *t = &job->t;
  const int64_t taps = cinch_kernel_taps(t), inputs = t->inputs;
  for (int64_t k0 = 0, width; k0 < taps; k0 += width) {
    width = job->kernels->width == 16 ? 8 : 4;
    while (width > taps - k0) width /= 2;
    for (int64_t i = 0; i < inputs; i++)
      for (int64_t j = 0; j < width; j++) packed[inputs * k0 + i * width + j] = weight[(k0 + j) * inputs + i];
  }
}

/// Finds the runs and weights that make a pixel of each pair of phases.
void cinch_plan_runs(cinch_convolution_job *job, const cinch_convolution *g, bool transposed, const float *weight) {
  const cinch_tiling *t = &job->t;
  int64_t count = 0, floats = 0;
  for (int64_t py = 0; py < t->y.phases; py++)
    for (int64_t px = 0; px < t->x.phases; px++) {
      int64_t taps = 0;
      const int64_t first = count, phase = py * t->x.phases + px;
      for (int64_t a = 0; a < g->kernel_height; a++) {
        const int64_t u = transposed ? g->kernel_height - 1 - a : a;
        const int64_t y = cinch_axis_place(&t->y, py, u);
        for (int64_t b = 0; b < g->kernel_width && y >= 0; b++) {
          const int64_t v = transposed ? g->kernel_width - 1 - b : b;
          const int64_t x = cinch_axis_place(&t->x, px, v);
          if (x < 0) continue;
          taps++;
          if (job->lanes == over_taps) {
            job->runs[count++] = (cinch_run){(u * g->kernel_width + v) * job->plane + y * t->columns + x, 1};
            continue;
          }
          if (job->lanes == over_pixels) {
            job->runs[count++] = (cinch_run){y * t->columns + x, t->inputs};
            continue;
          }
          const int64_t offset = (y * t->columns + x) * t->inputs * job->together;
          cinch_run *last = count > first ? &job->runs[count - 1] : NULL;
          if (last && last->offset + last->length * job->together == offset)
            last->length += t->inputs;
          else
            job->runs[count++] = (cinch_run){offset, t->inputs};
        }
      }
      job->phase_runs[3 * phase] = first;
      job->phase_runs[3 * phase + 1] = floats;
      job->phase_runs[3 * phase + 2] = taps * t->inputs;
      if (job->lanes != over_taps) pack_weights(job, g, transposed, weight, py, px, taps, job->weights + floats);
      floats += taps * t->inputs * job->padded;
    }
  job->phase_runs[3 * t->y.phases * t->x.phases] = count;
  if (job->lanes == over_taps) pack_taps(job, weight, job->weights);
}
