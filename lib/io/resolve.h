/*
 * Names to addresses, with a deadline. getaddrinfo() knows none, so it runs on a thread
 * of its own, which is left behind when time is up and ends by itself.
 */
#ifndef DIST_IO_RESOLVE_H
#define DIST_IO_RESOLVE_H

#include "wire/uaddr.h"

#include <dist/error.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define DIST_RESOLVE_MAX 16

struct dist_addresses {
	struct dist_sockaddr list[DIST_RESOLVE_MAX];
	unsigned n;
};

/*
 * Look @host up, with @port put into each address. A host that is an address already
 * costs no thread. DIST_ERESOLVE: it does not resolve, or not by @deadline_ns (a point on
 * dist_clock_ns()); the text says which. DIST_ECLOSED: *@stop turned true, which is seen
 * within 50 ms; NULL: no such flag. DIST_ENOMEM, DIST_ESYSTEM (no thread).
 */
enum dist_err dist_resolve(const char *host, int port, int64_t deadline_ns,
                           const atomic_bool *stop, struct dist_addresses *ret)
	DIST_MUST_CHECK;

#endif
