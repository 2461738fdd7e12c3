/* Names of hosts, looked up within a deadline. */
#ifndef DISTCTL_NAMES_H
#define DISTCTL_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NAMES_MAX      16
#define NAMES_TEXT_MAX 64

struct names {
	struct {
		char text[NAMES_TEXT_MAX]; /* numeric, IPv6 in brackets */
		const char *netid;         /* "tcp" or "tcp6" */
	} list[NAMES_MAX];
	size_t n;
};

/*
 * The addresses of @host, a name or an address without brackets. NULL: found; else why
 * not, borrowed for good.
 */
const char *names_look_up(struct names *ret_names, const char *host,
                          int64_t timeout_ms);

#endif
