// Shared by every kernel.
