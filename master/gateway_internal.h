/* The gateway's insides: what comes in (gateway.c), and what is done with it (gateway_call.c). */
#ifndef MASTER_GATEWAY_INTERNAL_H
#define MASTER_GATEWAY_INTERNAL_H

#include "gateway.h"
#include "interfaces.h"

#include "json/convert.h"
#include "x/find.h"

#include <dist/cluster.h>
#include <pthread.h>

/* Threads; of these so many may ask nodes for interfaces, so that one is left for all else. */
#define GATEWAY_THREADS  4u
#define GATEWAY_FETCHERS (GATEWAY_THREADS - 1)

/*
 *   READING --> READY <--> WAITING       until its interface is there
 *                 |           |
 *              CALLING        |
 *                 |           |
 *                 +--> DONE <-+
 *
 * READING and DONE are the HTTP thread's, and the connection runs; else it is suspended.
 */
enum gateway_state {
	GATEWAY_READING,
	GATEWAY_READY,
	GATEWAY_WAITING,
	GATEWAY_CALLING, /* a thread works on it, or the call is on its way */
	GATEWAY_DONE,
};

struct gateway_request {
	/* The HTTP thread's until it is READY, then whoever took it out of READY. */
	struct gateway *gateway;
	struct MHD_Connection *connection;
	char *name; /* "PROGRAM/VERSION/PROCEDURE" */
	struct dist_spec_way way; /* its parts */
	int64_t timeout_ms, began_ns;
	struct text body;
	bool too_large;
	uint32_t prog, vers, proc;
	struct interface *interface; /* a reference; NULL: not found yet */
	const struct dist_spec_procedure *procedure;
	struct dist_json_bytes arguments, reply;
	struct gateway_answer answer;

	/* Guarded by the gateway's lock. */
	enum gateway_state state;
	struct gateway_request *next; /* in its list, if it is READY or WAITING */
};

struct gateway_list {
	struct gateway_request *first, **last;
};

struct gateway_fetch {
	bool active;
	uint32_t prog, vers;
};

struct gateway {
	struct gateway_options options;
	struct dist_cluster *cluster;
	pthread_t threads[GATEWAY_THREADS];
	unsigned n_threads;

	pthread_mutex_t lock; /* guards all below */
	pthread_cond_t changed;
	bool stopping;
	unsigned n_requests; /* READY, WAITING, CALLING */
	unsigned n_answered; /* DONE: the HTTP thread has yet to send their answers */
	struct gateway_list ready, waiting;
	struct gateway_fetch fetches[GATEWAY_FETCHERS];
	struct interfaces interfaces;
};

void gateway_list_init(struct gateway_list *list);
void gateway_list_add(struct gateway_list *list, struct gateway_request *request);
struct gateway_request *gateway_list_take(struct gateway_list *list);

/* It is answered with @answer, taken. */
void gateway_finish_locked(struct gateway_request *request, struct gateway_answer answer);
void gateway_finish(struct gateway_request *request, struct gateway_answer answer);

/* Milliseconds until its time is up; 0: it is. */
int64_t gateway_time_left_ms(const struct gateway_request *request);

/* gateway_call.c: take it on, without the lock, out of READY. */
void gateway_take_on(struct gateway_request *request);

/* gateway_fetch.c: the interface of these numbers out of a node, into the cache. */
void gateway_fetch_interface(struct gateway *gateway, uint32_t prog, uint32_t vers);

/*
 * The interface of @request, whose numbers are there. False: it has to be fetched. Of a
 * node that is gone there is none any more.
 */
bool gateway_find_interface_locked(struct gateway_request *request);

#endif
