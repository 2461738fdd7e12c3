/*
 * A whole server: what peers send goes through record reader, call header, credential,
 * the node program (PING, STATS, DRAIN, CANCEL) and services that rpcgen made, inline
 * and queued, answered at once and later. served.h says what must hold.
 */
#include "fuzz_proc.h"
#include "procedures.h"
#include "served.h"

enum {
	ANSWER = SERVED_N_STEPS, /* a call that was deferred, well if which is even */
	LONG, /* a record too long for what the loop reads into at first */
	N_STEPS,
};

/* In an input's first byte. */
#define SHORT_RUNS 1
#define DRAINING   2

static struct served served;
static unsigned n_drains;

static void
on_drain(void *arg)
{
	(void)arg;
	n_drains++;
}

static bool
answer_later(struct served *at_rest)
{
	static bool well;

	(void)at_rest;
	well = !well;
	return procedures_answer(well);
}

static void
open_server(void)
{
	static struct dist_service serial;
	const struct dist_service *services[] = { &fuzz_prog_1_service, &serial, NULL };
	const struct dist_server_options options = {
		.listen = "127.0.0.1:0",
		.workers = 2,
		.queue = 6,
		.max_deferred = 3,
		.max_record_bytes = (size_t)512 * 1024,
		.on_drain = on_drain,
	};

	serial = fuzz_prog_3_service;
	serial.serial = true;
	served_open(&served, &options, services);
	served.on_rest = answer_later;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct steps steps = { data + 1, data + size, N_STEPS };
	struct step step;

	if (size == 0)
		return 0;
	if (!served.server)
		open_server();
	served_begin(&served, data[0] & SHORT_RUNS);
	atomic_store(&served.server->draining, !!(data[0] & DRAINING));
	while (steps_next(&steps, &step)) {
		if (served_step(&served, &step))
			continue;
		if (step.kind == ANSWER)
			(void)procedures_answer(step.which % 2 == 0);
		else
			served_send_long(&served, &step);
	}
	served_end(&served);
	return 0;
}
