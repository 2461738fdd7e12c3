/*
 * Bytes on their way out of a connection. Many threads append under the owner's lock; the
 * one that holds the writer role takes all there is at once and sends it without the lock,
 * so that what gathered meanwhile leaves in one system call.
 *
 *	lock; dist_outbuf_append(...); if nobody writes: writing = true, unlock, else leave
 *	dist_outbuf_begin()   under the lock: what waits becomes the batch
 *	dist_outbuf_send()    without it
 *	lock; dist_outbuf_end(); more waiting? begin again : writing = false; unlock
 */
#ifndef DIST_IO_OUTBUF_H
#define DIST_IO_OUTBUF_H

#include "base/list.h"

#include <dist/error.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Longer pieces are referenced and sent from where they are; shorter ones are copied. */
#define DIST_OUTBUF_COPY_MAX ((size_t)16 * 1024)

/* Told when a referenced piece is not needed any more: sent, or the outbuf ended. Called
 * without the owner's lock from dist_outbuf_send() or dist_outbuf_fini(). */
typedef void dist_outbuf_release_fn(void *arg);

struct dist_outbuf {
	/* Guarded by the owner's lock. */
	struct dist_list waiting; /* pieces not yet in the batch */
	size_t waiting_bytes;
	uint64_t appended; /* bytes ever appended: an offset in the stream */
	uint64_t accepted; /* bytes that the kernel took, as of the last end() */
	struct dist_list spares; /* blocks for what is appended next */
	bool has_small;          /* its small block is there, wherever it is now */
	unsigned n_narrow;       /* batches since one was more than that block holds */

	/* The writer's alone, between begin() and end(). */
	struct dist_list batch;
	size_t batch_bytes;
	size_t sent; /* since begin() */
	struct dist_list done; /* blocks that may become spare ones */
};

void dist_outbuf_init(struct dist_outbuf *out);
/* Nobody writes, nobody appends. */
void dist_outbuf_fini(struct dist_outbuf *out);

/* Under the lock. Copy @length bytes. DIST_ENOMEM: nothing was appended. */
enum dist_err dist_outbuf_append(struct dist_outbuf *out, const void *data, size_t length)
	DIST_MUST_CHECK;

/*
 * Under the lock. Append @length bytes, at least one, which the caller writes before it
 * gives the lock back. NULL: no memory, nothing was appended.
 */
uint8_t *dist_outbuf_room(struct dist_outbuf *out, size_t length) DIST_MUST_CHECK;

/*
 * Under the lock. Refer to @length bytes that stay where they are until @release(@arg).
 * DIST_ENOMEM: nothing was appended and @release is not called.
 */
enum dist_err dist_outbuf_refer(struct dist_outbuf *out, const void *data, size_t length,
                                dist_outbuf_release_fn *release, void *arg)
	DIST_MUST_CHECK;

/* Under the lock. Both at once: room for @head bytes, and behind it what is referred to. */
uint8_t *dist_outbuf_room_and_refer(struct dist_outbuf *out, size_t head,
                                    const void *data, size_t length,
                                    dist_outbuf_release_fn *release, void *arg)
	DIST_MUST_CHECK;

/* Under the lock: give back memory that is kept for much of what is appended next. */
void dist_outbuf_slim(struct dist_outbuf *out);
/* Under the lock, while nobody writes: all that is kept. */
void dist_outbuf_trim(struct dist_outbuf *out);

/* Bytes appended and not accepted by the kernel yet, under the lock. */
static inline size_t
dist_outbuf_pending(const struct dist_outbuf *out)
{
	return (size_t)(out->appended - out->accepted);
}

enum dist_sent {
	DIST_SENT_ALL,
	/* The socket is full, or had as much as one gets at once: end(), and send again
	 * when it is writable. */
	DIST_SENT_BLOCKED,
	DIST_SENT_BROKEN,  /* the connection is gone; errno says how */
};

/* Under the lock: all that waits joins the batch (what was left of the last one first). */
void dist_outbuf_begin(struct dist_outbuf *out);
/* Without the lock: send the batch to the non-blocking @fd (MSG_NOSIGNAL). */
enum dist_sent dist_outbuf_send(struct dist_outbuf *out, int fd);
/* Under the lock: count what was accepted; true: there is more to send. */
bool dist_outbuf_end(struct dist_outbuf *out);

#endif
