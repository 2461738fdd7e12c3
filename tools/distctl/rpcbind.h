/*
 * What rpcbind on a host says of the registry program (RFC 1833), asked as any server is:
 * with a deadline, and by TCP.
 */
#ifndef DISTCTL_RPCBIND_H
#define DISTCTL_RPCBIND_H

#include <stdint.h>

enum rpcbind_answer {
	RPCBIND_TELLS,   /* a port */
	RPCBIND_UNKNOWN, /* it knows no master */
	RPCBIND_ABSENT,  /* nobody listens there */
	RPCBIND_SILENT,  /* no answer came in time */
	RPCBIND_ODD,     /* what came is no answer to that */
};

#define RPCBIND_SAYS_MAX 512

/*
 * @address  "ADDR", numeric, IPv6 in brackets.
 * @netid    "tcp" or "tcp6", as @address is.
 *
 * *ret_port is its port; other than RPCBIND_TELLS: 0. @ret_says: what went wrong, in a
 * sentence.
 */
enum rpcbind_answer rpcbind_ask(const char *address, const char *netid,
                                int64_t timeout_ms, unsigned *ret_port,
                                char ret_says[RPCBIND_SAYS_MAX]);

#endif
