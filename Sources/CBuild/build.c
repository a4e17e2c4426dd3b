#include "CBuild.h"

#include <stddef.h>

// Tools/commit writes it; a package that depends on this one has none.
#if __has_include("commit.h")
#include "commit.h"
#endif

#ifdef CINCH_COMMIT
const char *cinch_commit(void) { return CINCH_COMMIT; }
#else
const char *cinch_commit(void) { return NULL; }
#endif
