// Tables whose columns are of several kinds.

/// The largest of a category's outputs. `!(x <= most)` also takes a NaN, which then spreads to them all as it should.
INLINE float peak_of(const float *a, int64_t texts) {
  float most = a[0];
  for (int64_t c = 1; c < texts; c++)
    if (!(a[c] <= most)) most = a[c];
  return most;
}

/// Σ exp(a − peak).
INLINE float powers_of(const float *a, int64_t texts, float peak) {
  vf total = 0.0f;
  for (int64_t start = 0; start < texts; start += stretch) {
    const int64_t end = cinch_min(start + stretch, texts);
    vf part = 0.0f;
    for (int64_t c = start; c < end; c += CINCH_WIDTH) {
      const int64_t n = end - c;
      const vf e = exp_v(load_some(a + c, n) - peak);
      part += n >= CINCH_WIDTH ? e : first_lanes(e, n);
    }
    total += part;
  }
  return sum_lanes(total);
}

static void mixed_output_rows(const cinch_mixed *m, int64_t r0, int64_t r1) {
  for (int64_t r = r0; r < r1; r++) {
    for (int64_t column = 0; column < m->columns; column++) {
      const int64_t at = r * m->width + (int64_t)m->starts[column], code = (int64_t)m->codes[column];
      const float *from = m->a + at;
      float *to = m->gradient + at;
      if (code == 0) {
        *to = *from;
      } else if (code == 1) {
        store_part(to, activate(cinch_sigmoid, (vf)*from), 1);
      } else {
        const float peak = peak_of(from, code), sum = powers_of(from, code, peak);
        for (int64_t c = 0; c < code; c += CINCH_WIDTH) {
          const int64_t n = code - c;
          store_some(to + c, exp_v(load_some(from + c, n) - peak) / sum, n);
        }
      }
    }
  }
}

static void mixed_loss_rows(const cinch_mixed *m, int64_t r0, int64_t r1) {
  for (int64_t r = r0; r < r1; r++) {
    for (int64_t column = 0; column < m->columns; column++) {
      const int64_t at = r * m->width + (int64_t)m->starts[column], code = (int64_t)m->codes[column];
      const float *from = m->a + at, *target = m->target + at;
      float *to = m->gradient + at, *loss = m->losses + at;
      if (code < 2) {
        const vf weight = m->weight ? m->weight[at] : 1.0f, a = *from, x = *target;
        const cinch_loss kind = code == 0 ? cinch_sse : cinch_bce;
        const loss_terms terms = loss_terms_of(kind, code == 0 ? cinch_linear : cinch_sigmoid, a, x);
        const vf value = loss_of(kind, &terms);
        store_part(loss, weighted(code == 0 ? value * 0.5f : value, weight), 1);
        store_part(to, weighted(terms.gradient * m->gradient_scale, weight), 1);
        continue;
      }
      const float peak = peak_of(from, code), sum = powers_of(from, code, peak), log_sum = logf(sum);
      float total = 0.0f;
      for (int64_t c = 0; c < code; c++) total += target[c];
      const float share = total / sum;
      for (int64_t c = 0; c < code; c += CINCH_WIDTH) {
        const int64_t n = code - c;
        const vf distance = load_some(from + c, n) - peak, x = load_some(target + c, n);
        const vf weight = m->weight ? load_some(m->weight + at + c, n) : (vf)1.0f;
        const vf value = x == 0.0f ? (vf)0.0f : x * (log_sum - distance);
        store_some(loss + c, weighted(value, weight), n);
        store_some(to + c, weighted((exp_v(distance) * share - x) * m->gradient_scale, weight), n);
      }
    }
  }
}
