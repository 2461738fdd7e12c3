/*
 * The loop role, in one word: who may touch the loop's state.
 *
 *	FREE    nobody holds it: any thread that is idle takes it
 *	HELD    a thread waits for readiness, or reads and answers
 *	INLINE  its holder is inside a procedure that it believed to be short
 *	STAYING its holder sleeps in recv() on one connection (stay.h)
 *	ENDED   the server stops: nobody takes it any more
 *
 *   FREE   -> HELD     [dist_role_take_free]
 *   HELD   -> INLINE   [dist_role_begin_inline]
 *   HELD   -> STAYING  [dist_role_begin_stay]
 *   both   -> HELD     [dist_role_resume]      by its holder, which goes on
 *   both   -> HELD     [dist_role_take_away]   by another thread, which holds it now
 *   HELD   -> FREE     [dist_role_free]        by a holder whose procedure will block,
 *                                              after taking it from its own run
 *   HELD   -> ENDED    [dist_role_end]
 *
 * Each change of state takes a new number, so that a compare-exchange never mistakes a
 * later inline run for the one that it was about. A holder whose dist_role_resume()
 * fails has lost the role, and must not touch the loop's state any more. Taking it
 * acquires, and giving it releases, all that its holder wrote.
 */
#ifndef DIST_SERVER_ROLE_H
#define DIST_SERVER_ROLE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum dist_role_state {
	DIST_ROLE_FREE,
	DIST_ROLE_HELD,
	DIST_ROLE_INLINE,
	DIST_ROLE_STAYING,
	DIST_ROLE_ENDED,
};

struct dist_role {
	atomic_uint_least64_t word;          /* number << 3 | state */
	atomic_int_least64_t inline_since_ns; /* of the run that INLINE is about */
};

static inline enum dist_role_state
dist_role_state_of(uint64_t word)
{
	return (enum dist_role_state)(word & 7);
}

static inline uint64_t
dist_role_word_after(uint64_t word, enum dist_role_state state)
{
	return ((word >> 3) + 1) << 3 | state;
}

static inline enum dist_role_state
dist_role_state(const struct dist_role *role)
{
	return dist_role_state_of(atomic_load(&role->word));
}

static inline void
dist_role_init(struct dist_role *role)
{
	atomic_init(&role->word, DIST_ROLE_FREE);
	atomic_init(&role->inline_since_ns, 0);
}

static inline bool
dist_role_change(struct dist_role *role, uint64_t from, enum dist_role_state to)
{
	return atomic_compare_exchange_strong(&role->word, &from,
	                                      dist_role_word_after(from, to));
}

static inline bool
dist_role_take_free(struct dist_role *role)
{
	uint64_t word = atomic_load(&role->word);

	return dist_role_state_of(word) == DIST_ROLE_FREE &&
	       dist_role_change(role, word, DIST_ROLE_HELD);
}

/*
 * By the holder. Returns the word to end it with. The store is sequentially consistent:
 * a watchdog that goes to sleep sees this run, or its sleep is seen after it.
 */
static inline uint64_t
dist_role_begin_inline(struct dist_role *role, int64_t now_ns)
{
	uint64_t word = atomic_load_explicit(&role->word, memory_order_relaxed);

	word = dist_role_word_after(word, DIST_ROLE_INLINE);
	atomic_store_explicit(&role->inline_since_ns, now_ns, memory_order_relaxed);
	atomic_store(&role->word, word);
	return word;
}

/* The same before it sleeps; a lookout that comes now sees it, or is seen after it. */
static inline uint64_t
dist_role_begin_stay(struct dist_role *role)
{
	uint64_t word = atomic_load_explicit(&role->word, memory_order_relaxed);

	word = dist_role_word_after(word, DIST_ROLE_STAYING);
	atomic_store(&role->word, word);
	return word;
}

/* False: the role was taken away. */
static inline bool
dist_role_resume(struct dist_role *role, uint64_t word)
{
	return dist_role_change(role, word, DIST_ROLE_HELD);
}

/* End @word's hold on the role; false: its holder has resumed. */
static inline bool
dist_role_take_away(struct dist_role *role, uint64_t word)
{
	return dist_role_change(role, word, DIST_ROLE_HELD);
}

static inline void
dist_role_free(struct dist_role *role)
{
	uint64_t word = atomic_load_explicit(&role->word, memory_order_relaxed);

	atomic_store(&role->word, dist_role_word_after(word, DIST_ROLE_FREE));
}

static inline void
dist_role_end(struct dist_role *role)
{
	atomic_store(&role->word, DIST_ROLE_ENDED);
}

#endif
