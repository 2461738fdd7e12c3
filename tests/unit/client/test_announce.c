/* Entries in rpcbind: set, kept, taken back, and those of others left. */
#include "client/announce.h"

#include "unit/client/fake_rpcbind.h"

#include "support/check.h"

#include "base/clock.h"
#include "io/socket.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LOOK_MS 20

struct fixture {
	struct fake_rpcbind fake;
	struct dist_announced program;
	struct dist_announce_options options;
};

static int
setup(void **state)
{
	static struct fixture fixture;

	fake_rpcbind_start(&fixture.fake);
	/* The program's lock is the network's: two runs of this test must not share it.
	 */
	fixture.program = (struct dist_announced){ 0x20000000 + (uint32_t)getpid(), 1 };
	fixture.options = (struct dist_announce_options){ fixture.fake.path, LOOK_MS };
	*state = &fixture;
	return 0;
}

static int
teardown(void **state)
{
	fake_rpcbind_stop(&((struct fixture *)*state)->fake);
	return 0;
}

/* Announced at 127.0.0.1:@port. */
static struct dist_announce *
announce(struct fixture *fixture, int port)
{
	struct dist_announce *announced = NULL;
	struct dist_sockaddr address;

	assert_true(dist_sockaddr_from_numeric("127.0.0.1", port, &address));
	assert_ok(dist_announce_start(&announced, &fixture->program, 1, &address, 1,
	                              &fixture->options));
	return announced;
}

static void
add_entry(struct fixture *fixture, const char *uaddr, bool of_another_user)
{
	struct fake_entry entry = { .prog = fixture->program.prog,
		                    .vers = fixture->program.vers,
		                    .netid = "tcp",
		                    .of_another_user = of_another_user };

	strcpy(entry.uaddr, uaddr);
	fake_rpcbind_add(&fixture->fake, entry);
}

static void
await(struct fixture *fixture, const char *uaddr)
{
	fake_rpcbind_await(&fixture->fake, fixture->program.prog, uaddr);
}

static void
test_an_entry_is_set_and_taken_back(void **state)
{
	struct fixture *fixture = *state;
	struct dist_announce *announced = announce(fixture, 4000);

	await(fixture, "127.0.0.1.15.160");
	dist_announce_stop(announced);
	await(fixture, NULL);
	dist_announce_stop(NULL);
}

static void
test_all_addresses_are_announced_for_both_families(void **state)
{
	struct fixture *fixture = *state;
	struct dist_announce *announced = NULL;
	struct dist_sockaddr address;

	assert_true(dist_sockaddr_from_numeric("::", 4000, &address));
	assert_ok(dist_announce_start(&announced, &fixture->program, 1, &address, 1,
	                              &fixture->options));
	await(fixture, "::.15.160");
	fake_rpcbind_await_looks(&fixture->fake, 2);
	pthread_mutex_lock(&fixture->fake.lock);
	assert_int_equal(fixture->fake.n_entries, 2);
	assert_string_equal(fixture->fake.entries[1].netid, "tcp");
	assert_string_equal(fixture->fake.entries[1].uaddr, "0.0.0.0.15.160");
	pthread_mutex_unlock(&fixture->fake.lock);
	dist_announce_stop(announced);
}

static void
test_an_rpcbind_that_forgot_is_told_again(void **state)
{
	struct fixture *fixture = *state;
	struct dist_announce *announced = announce(fixture, 4000);

	await(fixture, "127.0.0.1.15.160");
	fake_rpcbind_forget_all(&fixture->fake);
	await(fixture, "127.0.0.1.15.160");
	dist_announce_stop(announced);
}

static void
test_a_stale_entry_is_replaced(void **state)
{
	struct fixture *fixture = *state;
	struct dist_announce *announced;

	add_entry(fixture, "127.0.0.1.0.1", false);
	announced = announce(fixture, 4000);
	await(fixture, "127.0.0.1.15.160");
	dist_announce_stop(announced);
	await(fixture, NULL);
}

static void
test_a_stale_entry_of_another_user_is_left(void **state)
{
	struct fixture *fixture = *state;
	struct dist_announce *announced;

	add_entry(fixture, "127.0.0.1.0.1", true);
	announced = announce(fixture, 4000);
	fake_rpcbind_await_looks(&fixture->fake, 3);
	dist_announce_stop(announced);
	await(fixture, "127.0.0.1.0.1");
}

/* A server that takes connections and is too busy to answer: it is not dead. */
static void
test_an_entry_whose_server_is_silent_is_left(void **state)
{
	struct fixture *fixture = *state;
	struct dist_announce *announced;
	struct dist_listeners listeners;
	char uaddr[DIST_ADDRESS_TEXT_MAX];

	assert_ok(dist_listeners_open(&listeners, "127.0.0.1:0", 0));
	add_entry(fixture, dist_uaddr_format(&listeners.address, uaddr), false);
	announced = announce(fixture, 4000);
	fake_rpcbind_await_looks(&fixture->fake, 2);
	dist_announce_stop(announced);
	await(fixture, uaddr);
	dist_listeners_close(&listeners);
}

static void
test_the_next_one_inherits_the_entry(void **state)
{
	struct fixture *fixture = *state;
	struct dist_announce *first = announce(fixture, 4000), *second;

	await(fixture, "127.0.0.1.15.160");
	second = announce(fixture, 4001);
	fake_rpcbind_await_looks(&fixture->fake, 4);
	await(fixture, "127.0.0.1.15.160");
	dist_announce_stop(first);
	await(fixture, "127.0.0.1.15.161");
	dist_announce_stop(second);
	await(fixture, NULL);
}

/* What somebody else has set in our place since is not ours to unset. */
static void
test_only_an_entry_with_our_address_is_taken_back(void **state)
{
	struct fixture *fixture = *state;
	struct dist_announce *announced;

	fixture->options.look_ms = 60000;
	announced = announce(fixture, 4000);
	await(fixture, "127.0.0.1.15.160");
	fake_rpcbind_forget_all(&fixture->fake);
	add_entry(fixture, "127.0.0.1.0.1", false);
	dist_announce_stop(announced);
	await(fixture, "127.0.0.1.0.1");
}

static void
test_an_absent_or_silent_rpcbind_holds_nobody_up(void **state)
{
	struct fixture *fixture = *state;
	int64_t start_ns = dist_clock_ns();

	fixture->fake.silent = true;
	dist_announce_stop(announce(fixture, 4000));
	fixture->options.socket_path = "/nonexistent/socket";
	dist_announce_stop(announce(fixture, 4000));
	assert_true(dist_clock_ns() - start_ns < 10000 * DIST_NS_PER_MS);
}

#define ANNOUNCE_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static const struct CMUnitTest tests[] = {
	ANNOUNCE_TEST(test_an_entry_is_set_and_taken_back),
	ANNOUNCE_TEST(test_all_addresses_are_announced_for_both_families),
	ANNOUNCE_TEST(test_an_rpcbind_that_forgot_is_told_again),
	ANNOUNCE_TEST(test_a_stale_entry_is_replaced),
	ANNOUNCE_TEST(test_a_stale_entry_of_another_user_is_left),
	ANNOUNCE_TEST(test_an_entry_whose_server_is_silent_is_left),
	ANNOUNCE_TEST(test_the_next_one_inherits_the_entry),
	ANNOUNCE_TEST(test_only_an_entry_with_our_address_is_taken_back),
	ANNOUNCE_TEST(test_an_absent_or_silent_rpcbind_holds_nobody_up),
};

CHECK_MAIN(tests)
