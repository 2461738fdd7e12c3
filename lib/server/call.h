/*
 * A call that a server has taken. One that runs inline lives on the stack of the thread
 * that reads, its record lies in that thread's buffer, and only the loop knows of it.
 * All others are *adopted*: they hold their connection, which has them in its list of
 * pending calls, so that CANCEL and the connection's end find them.
 */
#ifndef DIST_SERVER_CALL_H
#define DIST_SERVER_CALL_H

#include "server/conn.h"
#include "server/service.h"
#include "wire/callmsg.h"

struct dist_server_call {
	struct dist_server_conn *conn;
	struct dist_served *served;
	struct dist_pace *pace;
	struct dist_served_counts *counts;
	struct dist_call_header header; /* points into the record */
	int64_t deadline_ns;            /* DIST_NEVER: none */
	int64_t received_ns;
	enum dist_outcome outcome; /* when it has run */
	size_t reply_bytes;        /* of a success */
	bool adopted;
	bool reusable; /* it lies in call_memory.h's */
	size_t record_bytes;
	void *memory; /* the record, where it is the call's own; freed with it */
	struct dist_pending pending;
	struct dist_list link; /* in a queue of calls */
};

/* What became of a queued call before it could run. */
enum dist_call_fate {
	DIST_CALL_RUNS,
	DIST_CALL_UNWANTED, /* connection gone or deadline passed: nobody waits */
	DIST_CALL_CANCELLED,
	DIST_CALL_STOPPED, /* the server ends */
	DIST_CALL_BUSY, /* its caller takes no replies: there is no room for one more */
};

/* Fill in the rest of @call, whose @header was read at @now_ns; not adopted. */
void dist_server_call_init(struct dist_server_call *call, struct dist_server_conn *conn,
                           struct dist_served *served, int64_t now_ns);

/* Have it own its record: the reader's buffer, when the record fills it, or a copy. */
enum dist_err dist_server_call_own_record(struct dist_server_call *call,
                                          struct dist_bytes record) DIST_MUST_CHECK;

/*
 * Its arguments were decoded into the memory it owned at @before; what it owns now has
 * the header alone. A second look at the arguments finds none.
 */
void dist_server_call_args_gone(struct dist_server_call *call, const uint8_t *before);

/*
 * The same in memory of its own, adopted, with a copy of @record, unless it owns it
 * already; by the holder of the loop role. @from's memory is its. DIST_ENOMEM: nothing
 * was taken.
 */
enum dist_err dist_server_call_new(struct dist_server_call **ret_call,
                                   const struct dist_server_call *from,
                                   struct dist_bytes record) DIST_MUST_CHECK;
/* It is over: disowned, and its record gone where that was its own. The call itself is
 * left to be given back, if it is @reusable, or free()d. */
void dist_server_call_end(struct dist_server_call *call);

/* Make it known to its connection; disown is the opposite, and may free that. */
void dist_server_call_adopt(struct dist_server_call *call);
void dist_server_call_disown(struct dist_server_call *call);

enum dist_call_fate dist_server_call_fate(const struct dist_server_call *call);

/* Whether nobody waits for the reply any more. */
bool dist_pending_unwanted(const struct dist_pending *pending,
                           const struct dist_server_conn *conn, int64_t deadline_ns);

#endif
