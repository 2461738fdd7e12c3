/* One call after the other: the stub as anyone calls it. */
#include "distbench/load.h"

#include "distbench/pace.h"

/* Calls that fail at once would otherwise fail a million times a second. */
#define FAILED_PAUSE_NS 1000000

static void
caller_call(struct caller *caller, int64_t due_ns)
{
	const struct work *work = caller->load->work;
	union work_result result;
	const char *fault;

	if (work_call(work, caller->client, &result) != RPC_SUCCESS) {
		tally_fail(&caller->tally, dist_error_text());
		clock_sleep_until(clock_now_ns() + FAILED_PAUSE_NS);
		return;
	}
	fault = work_fault(work, &result);
	if (fault)
		tally_fail(&caller->tally, fault);
	else
		tally_add(&caller->tally, due_ns, clock_now_ns(), work->arguments_size,
		          work_result_bytes(work, &result));
}

void
caller_run_one(struct caller *caller)
{
	struct pace pace;

	pace_init(&pace, caller);
	for (;;) {
		int64_t now_ns = clock_now_ns();
		int64_t due_ns = pace_due_ns(&pace, now_ns);

		if (due_ns > now_ns && !pace_over(&pace, now_ns)) {
			clock_sleep_until(due_ns < caller->load->end_ns
			                          ? due_ns
			                          : caller->load->end_ns);
			now_ns = clock_now_ns();
			due_ns = pace_due_ns(&pace, now_ns);
		}
		if (pace_over(&pace, now_ns))
			break;
		caller_call(caller, due_ns);
		pace_next(&pace);
	}
	pace_finish(&pace, &caller->tally);
}
