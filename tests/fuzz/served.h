/*
 * A whole server and some peers of it, all in the thread that runs an input: there is
 * no other, so an input does the same each time. The thread is the holder of the loop
 * role and all the workers in turn; a peer is the other end of a socketpair.
 *
 * What holds of every server, whatever peers send, is checked here:
 *
 *   - a call is answered once at most, and nothing is answered that was not asked;
 *   - each call before the first broken record is answered, as long as the peer stays;
 *   - a broken record ends its connection, and nothing else does, without the peer's
 *     doing or time's;
 *   - a peer that behaves, the bystander, is answered all the same;
 *   - the server comes to rest, and then nothing is left of what ended.
 */
#ifndef FUZZ_SERVED_H
#define FUZZ_SERVED_H

#include "server/core.h"

#include "bytes_buffer.h"
#include "steps.h"

#define SERVED_PEERS 3

struct served_peer {
	int fd;    /* -1: it has closed */
	bool deaf; /* it does not read */
	bool left; /* it has shut or closed its end, or was silent for too long */
	struct dist_server_conn *conn; /* a reference; the server may have ended it */
	struct bytes_buffer sent, received;
};

struct served {
	struct dist_server *server;
	struct dist_worker *worker;
	struct served_peer peers[SERVED_PEERS + 1]; /* the last is the bystander */
	uint8_t *joined;                            /* room for a record */
	/* What a target does beside, whenever the server is at rest; whether it did
	 * anything. NULL: nothing. */
	bool (*on_rest)(struct served *served);
};

enum served_step {
	SERVED_RUN = STEP_N_COMMON, /* the workers run what is queued */
	SERVED_TIME, /* bytes[0] * 5 seconds pass, and the server sweeps */
	SERVED_DEAF, /* the peer reads no more, or again */
	SERVED_N_STEPS,
};

/* Once. @services end with NULL. */
void served_open(struct served *served, const struct dist_server_options *options,
                 const struct dist_service *const *services);

/* For each input. @short_runs: procedures are known to be short, and run inline. */
void served_begin(struct served *served, bool short_runs);
/* False: it is none of those above. */
bool served_step(struct served *served, const struct step *step);
/*
 * A record that begins with the step's bytes, but for the first, which says how long it
 * is: so many times 2 KiB. The rest is zeros.
 */
void served_send_long(struct served *served, const struct step *step);
/* Handle what there is until nothing moves; @run: queued calls, too. */
void served_rest(struct served *served, bool run);
/* Every peer listens, and everything comes to rest. Then the checks. */
void served_end(struct served *served);

#endif
