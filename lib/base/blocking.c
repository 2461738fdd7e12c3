#include "base/blocking.h"

DIST_THREAD_LOCAL dist_block_fn *dist_thread_block_hook;
