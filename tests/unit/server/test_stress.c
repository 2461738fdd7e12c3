/*
 * Many threads with many connections each do what peers do, at random: batches of calls
 * that are short, long, large, deferred, cancelled, and connections that end in the
 * middle of it. Nothing may be answered twice, or with another's result, or not at all.
 */
#include "fixture.h"

#include "server/core.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define N_CALLERS   6
#define N_ROUNDS    60
#define BATCH_MAX   40
#define REPLY_LIMIT (128 * 1024)

struct caller {
	struct dist_server *server;
	pthread_t thread;
	unsigned seed;
	bool misleads;
	const char *wrong; /* what went wrong, told by the main thread */
};

static atomic_uint n_deferrals; /* calls of PROBE_DEFER that may be waiting */
static atomic_bool over;

/* --- One that answers what was deferred ----------------------------------------- */

static void *
answer_deferred(void *arg)
{
	int value = 77;

	(void)arg;
	for (;;) {
		struct dist_deferred *deferred = fixture_deferred();
		/* Read before the reply, which lets the main thread go on to say it. */
		bool is_last = atomic_load(&over);

		/* The caller may be gone; that of the last one is not. */
		if (!dist_deferred_reply(deferred, (xdrproc_t)xdr_int, &value) && is_last)
			return NULL;
		atomic_fetch_sub(&n_deferrals, 1);
	}
}

/* --- Callers -------------------------------------------------------------------- */

struct expected {
	uint32_t proc, arg;
	bool answered;
};

static struct fixture_call
random_call(struct caller *caller, uint32_t xid, struct expected *expected)
{
	static const uint32_t procs[] = { PROBE_ADD,   PROBE_ADD,  PROBE_ADD,
		                          PROBE_SPIN,  NULLPROC,   PROBE_MAKE,
		                          PROBE_MOODY, PROBE_DEFER };
	struct fixture_call call = { .xid = xid, .prog = PROBE_PROG, .vers = 1 };
	uint32_t arg = (uint32_t)rand_r(&caller->seed);

	call.proc = procs[(uint32_t)rand_r(&caller->seed) % 8];
	if (call.proc == PROBE_DEFER && atomic_fetch_add(&n_deferrals, 1) >= 60) {
		atomic_fetch_sub(&n_deferrals, 1);
		call.proc = PROBE_ADD;
	}
	if (call.proc == PROBE_MAKE)
		arg = arg % 8 == 0 ? arg % 100000 : arg % 100;
	if (call.proc == PROBE_SPIN)
		arg = arg % 16 == 0 ? 2500 : arg % 20;
	call.n_args = call.proc == NULLPROC ? 0 : 2;
	call.args[0] = arg;
	call.args[1] = 1;
	call.with_meta = arg % 2;
	*expected = (struct expected){ call.proc, arg, false };
	return call;
}

static bool
result_is_right(const struct expected *expected, uint32_t first)
{
	switch (expected->proc) {
	case PROBE_ADD:
		return first == expected->arg + 1;
	case PROBE_MAKE:
	case PROBE_MOODY:
		return first == expected->arg;
	case PROBE_DEFER:
		return first == 77;
	default:
		return true;
	}
}

/* One reply; what is wrong with it, or NULL. */
static const char *
take_reply(int fd, uint32_t *buffer, struct expected *expected, uint32_t n_expected)
{
	unsigned results;
	uint32_t length;

	if (recv(fd, buffer, 4, MSG_WAITALL) != 4)
		return "no reply";
	length = dist_load_be32(buffer) & 0x7fffffff;
	if (length < 24 || length > REPLY_LIMIT ||
	    recv(fd, buffer, length, MSG_WAITALL) != (ssize_t)length)
		return "half a reply";
	expected += dist_load_be32(&buffer[0]) % 1000;
	if (dist_load_be32(&buffer[0]) % 1000 >= n_expected || expected->answered)
		return "answered twice, or never asked";
	expected->answered = true;
	results = 5 + dist_load_be32(&buffer[4]) / 4;
	if (dist_load_be32(&buffer[results]) != SUCCESS)
		return "refused";
	if (expected->proc != NULLPROC &&
	    !result_is_right(expected, dist_load_be32(&buffer[results + 1])))
		return "the wrong result";
	return NULL;
}

/* A batch in one piece; its replies, or the end of the connection in their middle. */
static const char *
one_batch(struct caller *caller, int fd, uint32_t *buffer, bool leaves)
{
	uint32_t n = 1 + (uint32_t)rand_r(&caller->seed) % BATCH_MAX;
	uint8_t bytes[BATCH_MAX * FIXTURE_CALL_MAX];
	struct expected expected[BATCH_MAX];
	const char *wrong = NULL;
	size_t length = 0;

	for (uint32_t i = 0; i < n; i++) {
		struct fixture_call call = random_call(caller, i, &expected[i]);

		length += fixture_call_write(&call, bytes + length);
	}
	if (send(fd, bytes, length, MSG_NOSIGNAL) != (ssize_t)length)
		return "not sent";
	for (uint32_t i = leaves ? n / 2 : 0; i < n && !wrong; i++)
		wrong = take_reply(fd, buffer, expected, n);
	return wrong;
}

/*
 * Have the server believe that all procedures are short: then those that are not keep
 * the loop, and lose it, all the time.
 */
static void
mislead(struct dist_server *server)
{
	struct dist_served *served =
		dist_served_table_find(&server->services, PROBE_PROG, 1);

	for (unsigned i = 0; i < served->n_paces; i++)
		atomic_store(&served->paces[i].is_short, true);
}

static void *
caller_main(void *arg)
{
	struct caller *caller = arg;
	uint32_t *buffer = malloc(REPLY_LIMIT);
	int fd = fixture_connect(caller->server);

	for (int round = 0; round < N_ROUNDS && !caller->wrong; round++) {
		bool leaves = rand_r(&caller->seed) % 10 == 0;

		if (caller->misleads)
			mislead(caller->server);
		caller->wrong = one_batch(caller, fd, buffer, leaves);
		if (leaves) {
			close(fd);
			fd = fixture_connect(caller->server);
		}
	}
	close(fd);
	free(buffer);
	return NULL;
}

static bool
is_quiet(void *arg)
{
	struct dist_server_load load;

	dist_server_load(arg, &load);
	return load.running == 0 && load.queued == 0 && load.deferred == 0 &&
	       load.n_connections == 0;
}

static void
run_callers(struct dist_server *server, bool misleads)
{
	struct caller callers[N_CALLERS] = { { 0 } };

	for (unsigned i = 0; i < N_CALLERS; i++) {
		callers[i] = (struct caller){ .server = server,
			                      .seed = 1 + i,
			                      .misleads = misleads };
		pthread_create(&callers[i].thread, NULL, caller_main, &callers[i]);
	}
	for (unsigned i = 0; i < N_CALLERS; i++)
		pthread_join(callers[i].thread, NULL);
	for (unsigned i = 0; i < N_CALLERS; i++) {
		if (callers[i].wrong)
			fail_msg("caller %u: %s", i, callers[i].wrong);
	}
}

/* A handle that nobody waits for any more, to end the answering thread with. */
static void
end_answers(struct dist_server *server, pthread_t answers)
{
	int fd = fixture_connect(server);

	atomic_store(&over, true);
	fixture_send_call(fd, &(struct fixture_call){ .prog = PROBE_PROG,
	                                              .vers = 1,
	                                              .proc = PROBE_DEFER,
	                                              .n_args = 1 });
	fixture_expect_success(fd, 0, 77);
	pthread_join(answers, NULL);
	close(fd);
}

static void
stress(const struct dist_service *service, unsigned n_workers, bool misleads)
{
	struct dist_server_options options = { .workers = n_workers, .queue = 4096 };
	struct dist_server *server = fixture_server_with(&options, service);
	pthread_t answers;

	atomic_store(&over, false);
	atomic_store(&n_deferrals, 0);
	pthread_create(&answers, NULL, answer_deferred, NULL);
	run_callers(server, misleads);
	fixture_until(is_quiet, server);
	end_answers(server, answers);
	fixture_until(is_quiet, server);
	dist_server_stop(server);
}

static void
test_each_call_is_answered_once(void **state)
{
	(void)state;
	stress(&probe_prog_1_service, 3, false);
	stress(&probe_prog_1_service, 1, false);
}

static void
test_each_call_of_a_serial_service_is_answered_once(void **state)
{
	struct dist_service service = probe_prog_1_service;

	(void)state;
	service.serial = true;
	stress(&service, 3, false);
	stress(&service, 3, true);
}

static void
test_the_loop_may_change_hands_all_the_time(void **state)
{
	(void)state;
	stress(&probe_prog_1_service, 3, true);
	stress(&probe_prog_1_service, 1, true);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_each_call_is_answered_once),
	cmocka_unit_test(test_each_call_of_a_serial_service_is_answered_once),
	cmocka_unit_test(test_the_loop_may_change_hands_all_the_time),
};

CHECK_MAIN(tests)
