/*
 * What can go wrong, and the text that says so.
 *
 * Functions that can fail return an enum dist_err; DIST_OK is 0. Each also leaves a
 * sentence for its thread, dist_error_text(), that names the node, address or program
 * concerned and, where there is one, the next thing to do.
 */
#ifndef DIST_ERROR_H
#define DIST_ERROR_H

#include <dist/macros.h>
#include <rpc/rpc.h>

DIST_BEGIN_DECLS

/* Name, and what it says of itself. Grows at its end only. */
#define DIST_ERRORS(X) \
	X(ENOMEM, "out of memory") \
	X(EINVAL, "an argument is not valid") \
	X(ETIMEDOUT, "this wait is over; the call goes on") \
	X(EDEADLINE, "the call's deadline passed") \
	X(ENONODE, "no live node serves this program and version") \
	X(EENCODE, "the arguments cannot be encoded") \
	X(EDECODE, "the reply's result cannot be decoded") \
	X(ECONNECT, "no connection to the node; the call did not run") \
	X(ECONNRESET, "the connection was lost after sending; the call may have run") \
	X(EBUSY, "all nodes are busy; the call did not run") \
	X(ECANCELED, "the call was cancelled") \
	X(ECLOSED, "the cluster was closed") \
	X(EFORKED, "opened before fork(), so not usable in the child") \
	X(EDEADLK, "a callback waits for its own call") \
	X(ERPC, "the server answered no") \
	X(EADDRESS, "an address does not parse") \
	X(ERESOLVE, "a host name does not resolve") \
	X(ENOMASTER, "no master answers") \
	X(EADDRINUSE, "the address is in use") \
	X(EREFUSED, "the master refused the registration") \
	X(EPROTO, "the peer broke the protocol") \
	X(ETOOBIG, "beyond the record limit") \
	X(ESYSTEM, "a system call failed")

enum dist_err {
	DIST_OK = 0,
#define DIST_ERROR_ENUM(name, text) DIST_##name,
	DIST_ERRORS(DIST_ERROR_ENUM)
#undef DIST_ERROR_ENUM
};

/* "DIST_ENONODE"; "DIST_?" for a number that is none. Static. */
DIST_PUBLIC const char *dist_error_name(enum dist_err err);

/* The general sentence for @err, without a name or an address in it. Static. */
DIST_PUBLIC const char *dist_error_string(enum dist_err err);

/*
 * What last went wrong in this thread, in a sentence that a person can act on; "" when
 * nothing did. A success leaves it alone. Borrowed until the thread's next call of ours.
 */
DIST_PUBLIC const char *dist_error_text(void);

/* The same as a value; DIST_OK when nothing went wrong in this thread yet. */
DIST_PUBLIC enum dist_err dist_error_last(void);

/*
 * The ONC RPC status that a stub returns for @err (RFC 5531 section 9; rpc/clnt_stat.h).
 * For DIST_ERPC the server's own answer tells more: clnt_geterr(), dist_waiter_status().
 */
DIST_PUBLIC enum clnt_stat dist_error_to_clnt_stat(enum dist_err err);

/* The other way: DIST_ERPC for all that a server answers itself. */
DIST_PUBLIC enum dist_err dist_error_from_clnt_stat(enum clnt_stat stat);

DIST_END_DECLS

#endif
