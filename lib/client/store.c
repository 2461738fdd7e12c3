/*
 * A thread that ends calls which others start, and takes none itself, keeps a few and
 * hands the others back soon: what lies with it, those that start calls would have to
 * make anew. One that does start calls keeps more, as it is seen to run out of them.
 *
 * When there is none at hand several are made. A load that is steady then has some more
 * than it uses at once, for the moments in which a call stays a little longer.
 */
#include "client/store.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/mutex.h"
#include "base/thread.h"
#include "client/call.h"

/* Of one thread, at first and at most; half of it moves to or from the common store. */
#define MINE_FEW 16
#define MINE_MAX 128
/* In the common store; beyond that, memory is given back. */
#define COMMON_MAX 4096
/* Made at once, at first and at most: 64 or 256 in flight leave some to spare. */
#define MADE_FIRST 6
#define MADE_MAX   64

struct thread_store {
	unsigned n, max;
	unsigned n_made;
	bool ran_out; /* once before */
	/* The one used last is the last; @few, or malloc()ed. */
	struct dist_call **calls;
	struct dist_call *few[MINE_FEW];
};

static __thread struct thread_store own;
static DIST_THREAD_LOCAL struct thread_store *mine; /* @own; NULL: not used yet */
static pthread_key_t at_exit;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static struct {
	struct dist_mutex lock; /* guards the rest */
	unsigned n;
	struct dist_call *calls[COMMON_MAX];
} common = { .lock = DIST_MUTEX_INITIALIZER(DIST_RANK_LEAF) };

static void
memory_free(struct dist_call *call)
{
	dist_mutex_fini(&call->lock);
	free(call);
}

/* The last @n of a thread's to the common store. */
static void
store_give_common(struct thread_store *store, unsigned n)
{
	unsigned n_kept;

	dist_lock(&common.lock);
	n_kept = DIST_MIN(n, COMMON_MAX - common.n);
	memcpy(&common.calls[common.n], &store->calls[store->n - n_kept],
	       n_kept * sizeof(store->calls[0]));
	common.n += n_kept;
	dist_unlock(&common.lock);
	store->n -= n_kept;
	for (; n_kept < n; n_kept++)
		memory_free(store->calls[--store->n]);
}

static void
store_take_common(struct thread_store *store)
{
	unsigned n;

	dist_lock(&common.lock);
	n = DIST_MIN(store->max / 2, common.n);
	common.n -= n;
	memcpy(store->calls, &common.calls[common.n], n * sizeof(store->calls[0]));
	dist_unlock(&common.lock);
	store->n = n;
}

static void
thread_ends(void *arg)
{
	struct thread_store *store = arg;

	store_give_common(store, store->n);
	if (store->calls != store->few)
		free(store->calls);
	mine = NULL;
}

static void
make_key(void)
{
	pthread_key_create(&at_exit, thread_ends);
}

/* This thread's. */
static struct thread_store *
store_mine(void)
{
	if (!mine) {
		pthread_once(&once, make_key);
		mine = &own;
		*mine = (struct thread_store){ .calls = own.few, .max = MINE_FEW };
		pthread_setspecific(at_exit, mine);
	}
	return mine;
}

/* It runs out of calls: if not for the first time, it may keep more. */
static void
store_widen(struct thread_store *store)
{
	struct dist_call **calls = NULL;

	if (store->ran_out && store->max < MINE_MAX)
		calls = malloc(MINE_MAX * sizeof(struct dist_call *));
	store->ran_out = true;
	if (!calls)
		return;
	store->calls = calls;
	store->max = MINE_MAX;
}

/* As many as it has made before. */
static void
store_make(struct thread_store *store)
{
	unsigned n = DIST_MIN(DIST_MAX(store->n_made, MADE_FIRST), MADE_MAX);
	struct dist_call *call;

	for (n = DIST_MIN(n, store->max); n > 0; n--) {
		call = dist_call_make();
		if (!call)
			return;
		store->calls[store->n++] = call;
		store->n_made++;
	}
}

struct dist_call *
dist_store_take(void)
{
	struct thread_store *store = store_mine();

	if (store->n == 0) {
		store_widen(store);
		store_take_common(store);
	}
	if (store->n == 0)
		store_make(store);
	return store->n ? store->calls[--store->n] : NULL;
}

void
dist_store_give(struct dist_call *call)
{
	struct thread_store *store = store_mine();

	if (store->n == store->max)
		store_give_common(store, store->max / 2);
	store->calls[store->n++] = call;
}

void
dist_store_forked(void)
{
	dist_mutex_init(&common.lock, DIST_RANK_LEAF);
	common.n = 0;
}
