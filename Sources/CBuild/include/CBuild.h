#pragma once

/// The commit that this was built from, with `+` where files had changed since; NULL where nobody said.
const char *cinch_commit(void);
