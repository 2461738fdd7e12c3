/* What came of the calls; see tally.h. */
#include "measure/tally.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

void
tally_init(struct tally *tally, int64_t begin_ns, int64_t end_ns)
{
	memset(tally, 0, sizeof(*tally));
	tally->begin_ns = begin_ns;
	tally->end_ns = end_ns;
}

static bool
tally_counts(const struct tally *tally, int64_t due_ns)
{
	return due_ns >= tally->begin_ns && due_ns < tally->end_ns;
}

void
tally_add(struct tally *tally, int64_t due_ns, int64_t now_ns, size_t sent,
          size_t received)
{
	if (!tally_counts(tally, due_ns))
		return;
	tally->n_calls++;
	tally->sent_bytes += sent;
	tally->received_bytes += received;
	latency_add(&tally->latency, now_ns - due_ns);
}

void
tally_fail(struct tally *tally, const char *reason)
{
	tally->n_failures++;
	if (!*tally->reason)
		snprintf(tally->reason, sizeof(tally->reason), "%s", reason);
}

void
tally_unsent(struct tally *tally, int64_t due_ns)
{
	if (!tally_counts(tally, due_ns))
		return;
	tally->n_unsent++;
	latency_add(&tally->latency, tally->end_ns - due_ns);
}

void
tally_merge(struct tally *sum, const struct tally *other)
{
	sum->n_calls += other->n_calls;
	sum->n_failures += other->n_failures;
	sum->n_unsent += other->n_unsent;
	sum->sent_bytes += other->sent_bytes;
	sum->received_bytes += other->received_bytes;
	latency_merge(&sum->latency, &other->latency);
	if (!*sum->reason)
		memcpy(sum->reason, other->reason, sizeof(sum->reason));
}
