/*
 * Calls over HTTP: POST /call/PROGRAM/VERSION/PROCEDURE, with the arguments as a JSON
 * array, answered with the result as JSON, as distctl call does it. The interface is what
 * a node that serves the program hands out.
 *
 * The HTTP thread takes the request in and suspends its connection. A few threads find
 * the interface, convert the arguments and start the call; its end is told by the
 * cluster's callback thread, which writes the answer and resumes the connection. No
 * thread waits for a call.
 *
 * What is refused, and how calls end, in statuses:
 *
 *	200  it ran; {"node", "address", "ms", "result"}
 *	400  the body is no JSON, or does not fit the interface; timeout_ms is no number
 *	401  no token, or another one
 *	404  a path of another form; a program, version or procedure that is not known
 *	405  another method than POST
 *	413  the body is larger than GATEWAY_BODY_MAX
 *	500  the procedure gave no answer (SYSTEM_ERR); it may have run
 *	501  the nodes that were asked have no interface of it
 *	502  the node was lost, or its answer was another than the interface says: it may
 *	     have run; or the node refused the arguments or the caller
 *	503  no live node serves it, none could be asked for the interface, all are busy,
 *	     or too many calls are on their way: it did not run; Retry-After
 *	504  time is up; it may have run, if the answer says so
 *
 * But for 200 all have a body {"error": SENTENCE, "may_have_run": BOOLEAN}.
 */
#ifndef MASTER_GATEWAY_H
#define MASTER_GATEWAY_H

#include "board.h"
#include "text.h"
#include "token.h"

#include <dist/master.h>
#include <microhttpd.h>

#define GATEWAY_CALLS_MAX   32u
#define GATEWAY_BODY_MAX    ((size_t)1 << 20)
#define GATEWAY_RECORD_MAX  ((size_t)4 << 20)  /* of a call, and of its reply */
#define GATEWAY_RESULT_MAX  ((size_t)16 << 20) /* as JSON */
#define GATEWAY_TIMEOUT_MS  10000
#define GATEWAY_TIMEOUT_MAX 60000

struct gateway;
struct gateway_request;

struct gateway_options {
	struct dist_master *master;
	struct board *board;
	const struct token *token;
};

struct gateway_answer {
	unsigned status;
	struct text text; /* JSON; taken by whoever sends it */
};

/* All borrowed until gateway_free(). Given; NULL: no memory, or no threads. */
struct gateway *gateway_start(const struct gateway_options *options);
/*
 * End all calls: each request is answered, and no connection stays suspended. Later ones
 * are refused. NULL is nothing, here and below.
 */
void gateway_stop(struct gateway *gateway);
/* No request is left. */
void gateway_free(struct gateway *gateway);

/* The answer that something went wrong: {"error": ..., "may_have_run": ...}. */
struct gateway_answer gateway_refuse(unsigned status, bool may_have_run,
                                     const char *format, ...) DIST_PRINTF(3, 4);

/* Whether @path is the gateway's. */
bool gateway_owns(const char *path);

/*
 * A request whose headers are there, of the HTTP thread as all below. Given:
 * gateway_request_free() it when MHD is done with it. NULL: *@ret_answer is to be sent.
 */
struct gateway_request *gateway_request_new(struct gateway *gateway,
                                            struct MHD_Connection *connection,
                                            const char *path, const char *method,
                                            struct gateway_answer *ret_answer);

/* A piece of its body. False: it is far too long, end the connection. */
bool gateway_request_add(struct gateway_request *request, const char *data,
                         size_t length);

/*
 * Its body is there, or it was resumed. True: *@ret_answer is to be sent. False: its
 * connection is suspended now, until there is one.
 */
bool gateway_request_go(struct gateway_request *request,
                        struct gateway_answer *ret_answer);

void gateway_request_free(struct gateway_request *request);

#endif
