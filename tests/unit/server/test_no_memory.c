/*
 * A server without memory for a call, at each place where it asks for some: the call is
 * not said to be wrong, and the next one succeeds.
 */
#include "unit/server/fixture.h"

#include "idl/node.h"
#include "support/no_memory.h"
#include "wire/callmsg.h"

#include <unistd.h>

static struct fixture_call
sum_of_two(uint32_t xid)
{
	return (struct fixture_call){ .xid = xid,
		                      .prog = PROBE_PROG,
		                      .vers = PROBE_V1,
		                      .proc = PROBE_SUM,
		                      .with_meta = true,
		                      .args = { 2, 20, 22 },
		                      .n_args = 3 };
}

/* Whether it has run; if not, our own peers are told so, and that it is not their
 * fault. */
static bool
call_has_run(int fd, uint32_t xid)
{
	struct fixture_call call = sum_of_two(xid);
	struct fixture_reply reply;

	fixture_send_call(fd, &call);
	assert_true(fixture_receive(fd, &reply));
	assert_int_equal(reply.words[0], xid);
	assert_int_equal(reply.words[2], MSG_ACCEPTED);
	assert_int_equal(reply.words[3], DIST_META);
	if (reply.words[5 + DIST_META_SIZE / 4] == SUCCESS)
		return true;
	assert_int_equal(reply.words[5 + DIST_META_SIZE / 4], SYSTEM_ERR);
	assert_int_equal(reply.words[6], DIST_NOT_RUN_BUSY);
	return false;
}

static void
test_without_memory_for_its_arguments_a_call_goes_elsewhere(void **state)
{
	struct dist_server *server = fixture_server(NULL);
	int fd = fixture_connect(server);
	unsigned n_refused = 0;
	uint32_t xid = 1;
	(void)state;

	assert_true(call_has_run(fd, xid++)); /* what is taken once */
	for (unsigned long first = 1;; first++) {
		bool has_run;

		no_memory_begin(first, 1);
		has_run = call_has_run(fd, xid++);
		if (!no_memory_end())
			break;
		n_refused += !has_run;
		assert_true(call_has_run(fd, xid++));
	}
	assert_true(n_refused > 0);
	close(fd);
	dist_server_stop(server);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_without_memory_for_its_arguments_a_call_goes_elsewhere),
};

CHECK_MAIN_WHERE(no_memory_works(), tests)
