#include "base/mutex.h"

#ifndef NDEBUG
__thread unsigned dist_mutex_held;
#endif
