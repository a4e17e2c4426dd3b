// The sampling layer: rows of `units` means and as many log variances.

/// Walks rows r0 ..< r1 by vectors that lie in one row, with the draws of each.
INLINE void sampling_rows(bool gradient, const cinch_sampling *s, int64_t r0, int64_t r1) {
  const int64_t units = s->units, last = r1 * units;
  _Alignas(64) uint32_t draws[draw_count + CINCH_WIDTH];
  for (int64_t start = r0 * units; start < last; start += draw_count) {
    const int64_t end = cinch_min(start + draw_count, last);
    draw(&s->stream, start / 4, end - start, true, draws);
    for (int64_t e = start; e < end;) {
      const int64_t row = e / units, first = e % units, stop = cinch_min(units, first + end - e);
      const float *ms = s->ms + row * 2 * units;
      for (int64_t c = first; c < stop; c += CINCH_WIDTH) {
        const int64_t n = stop - c;
        const vf mean = load_some(ms + c, n), log_variance = load_some(ms + units + c, n);
        // The draws reach a vector past their end.
        const vf noise = (vf)load_words(draws + (e - start) + (c - first)) * exp_v(0.5f * log_variance);
        if (gradient) {
          const vf delta = load_some(s->delta + row * units + c, n);
          float *to = s->result + row * 2 * units;
          store_some(to + c, delta + s->prior * mean, n);
          store_some(
              to + units + c, 0.5f * (delta * noise) + (0.5f * s->prior) * (exp_v(log_variance) - 1.0f), n);
        } else {
          store_some(s->result + row * units + c, mean + noise, n);
        }
      }
      e += stop - first;
    }
  }
}

static void sample_rows(const cinch_sampling *s, int64_t r0, int64_t r1) {
  if (s->drawn) {
    sampling_rows(false, s, r0, r1);
    return;
  }
  for (int64_t r = r0; r < r1; r++)
    memcpy(s->result + r * s->units, s->ms + r * 2 * s->units, (size_t)s->units * sizeof(float));
}

static void sample_gradient_rows(const cinch_sampling *s, int64_t r0, int64_t r1) { sampling_rows(true, s, r0, r1); }

static void prior_divergence_rows(const float *ms, int64_t units, float *divergences, int64_t r0, int64_t r1) {
  for (int64_t r = r0; r < r1; r++) {
    const float *means = ms + r * 2 * units, *log_variances = means + units;
    long_sum total = {(vf)0.0f, (vf)0.0f};
    for (int64_t start = 0; start < units; start += stretch) {
      const int64_t end = cinch_min(start + stretch, units);
      vf part = 0.0f;
      for (int64_t c = start; c < end; c += CINCH_WIDTH) {
        const int64_t n = end - c;
        const vf mean = load_some(means + c, n), s = load_some(log_variances + c, n);
        const vf value = mean * mean + (exp_v(s) - 1.0f - s);
        part += n >= CINCH_WIDTH ? value : first_lanes(value, n);
      }
      add_to(&total, part);
    }
    divergences[r] = 0.5f * sum_lanes(sum_of_long(&total));
  }
}
