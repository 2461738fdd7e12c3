#include "base/blocking.h"

__thread dist_block_fn *dist_thread_block_hook;
