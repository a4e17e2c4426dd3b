// What every processor of the architecture has: SSE2 or NEON.

#include <math.h>
#include <string.h>

#include "internal.h"

#define CINCH_WIDTH 4
#define CINCH_KERNELS cinch_kernels_base
#define CINCH_NAME "baseline"
#include "kernels/table.h"
