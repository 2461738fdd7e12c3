/*
 * How long a procedure takes, learned as it runs: a short one is run by the thread that
 * reads, and any other by the pool, where it delays nobody.
 *
 *	in the pool   32 runs in a row under 50 us make it short
 *	inline        one run over 1 ms, or eight over 50 us among 256, send it back to
 *	              the pool, for twice as many runs
 *
 * A thread may lose its CPU to others in any run. In the pool, where there is the time
 * to look, a run counts for what it used itself, so that a busy machine does not keep
 * short procedures there; inline it is not looked at, but times without trouble are
 * rewarded: then half as many runs do.
 */
#ifndef DIST_SERVER_PACE_H
#define DIST_SERVER_PACE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Under this for long enough, a procedure is short. */
#define DIST_PACE_SHORT_NS INT64_C(50000)
/* Over this once, it is not; the loop is taken over after as long. */
#define DIST_PACE_LONG_NS INT64_C(1000000)

/* Any thread notes, any thread looks: a run that is lost between two does no harm. */
struct dist_pace {
	uint32_t proc; /* read-only */
	atomic_bool is_short;
	atomic_uint n_short;   /* while it is not: runs in a row that were short */
	atomic_uint n_needed;  /* so many make it short; doubled when it disappoints */
	atomic_uint n_medium;  /* while it is short: runs that were not, of late */
	atomic_uint n_trusted; /* ... and runs since the last trouble */
};

void dist_pace_init(struct dist_pace *pace, uint32_t proc);

static inline bool
dist_pace_is_short(const struct dist_pace *pace)
{
	return atomic_load_explicit(&pace->is_short, memory_order_relaxed);
}

/* It ran inline for @ran_ns; DIST_NEVER: it went to sleep, however quick it was. */
void dist_pace_note_inline(struct dist_pace *pace, int64_t ran_ns);
/* It ran in the pool, for which it used @used_ns. */
void dist_pace_note_pooled(struct dist_pace *pace, int64_t used_ns);

/* A run in the pool, or of large arguments, from its begin. */
struct dist_pace_run {
	int64_t began_ns;
	int64_t cpu_ns;
	long n_sleeps;
};

void dist_pace_run_begin(struct dist_pace_run *run);
/* What it used: CPU time alone, where its thread never slept; else all the time. */
int64_t dist_pace_run_end(const struct dist_pace_run *run);

/* Arguments of more bytes are large. */
#define DIST_PACE_LARGE ((size_t)64 * 1024)

/*
 * What a run used beside decoding and a look at each number, for which a nanosecond a
 * byte is allowed: nobody can read a megabyte in the time of a short procedure. To hand
 * a large record on is to hand it to another cache, which costs more than most of them.
 */
static inline int64_t
dist_pace_without_bytes(int64_t used_ns, size_t n_bytes)
{
	int64_t allowed_ns = n_bytes > DIST_PACE_LARGE ? (int64_t)n_bytes : 0;

	return used_ns > allowed_ns ? used_ns - allowed_ns : 0;
}

#endif
