// What follows a product or an image op, on a block of the result.

static void epilogue_block(
    const cinch_epilogue *e, const float *source, float *destination, int64_t r0, int64_t r1, int64_t c0, int64_t c1) {
  switch (e->kind) {
    case cinch_epilogue_none:
    case cinch_epilogue_accumulate: break;
    case cinch_epilogue_forward:
      FOR_EACH_ACTIVATION(e->activation, forward_block, e, source, destination, r0, r1, c0, c1)
      break;
    case cinch_epilogue_backward:
      FOR_EACH_ACTIVATION(e->activation, backward_block, e, source, destination, r0, r1, c0, c1)
      break;
    case cinch_epilogue_loss: loss_block(e, source, destination, r0, r1, c0, c1); break;
    case cinch_epilogue_row_pull: row_pull_block(e, source, destination, r0, r1, c0, c1); break;
  }
}
