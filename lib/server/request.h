/* Shared by those who tell of a call's deadline. */
#ifndef DIST_SERVER_REQUEST_H
#define DIST_SERVER_REQUEST_H

#include <stdint.h>

/* Milliseconds until @deadline_ns, as dist_request_time_left_ms() gives them. */
int64_t dist_request_left_ms(int64_t deadline_ns);

#endif
