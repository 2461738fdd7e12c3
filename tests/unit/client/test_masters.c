/* dist_masters_find(): one call to each place where a master may be. */
#include "support/check.h"

#include <dist/cluster.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* A call of NULLPROC without credentials, mark included, and its answer's size. */
#define CALL_BYTES  44
#define REPLY_BYTES 28

/* What stands for a master: it answers one call, or listens no more. */
struct fake {
	int fd;
	unsigned port;
	pthread_t thread;
};

static void *
fake_answer(void *arg)
{
	struct fake *fake = arg;
	uint32_t call[CALL_BYTES / 4];
	uint32_t reply[REPLY_BYTES / 4] = { htonl(0x80000000 | (REPLY_BYTES - 4)), 0,
		                            htonl(1) };
	int fd = accept(fake->fd, NULL, NULL);

	if (recv(fd, call, sizeof(call), MSG_WAITALL) == sizeof(call)) {
		reply[1] = call[1];
		if (send(fd, reply, sizeof(reply), MSG_NOSIGNAL) < 0)
			print_error("the fake master could not answer\n");
	}
	close(fd);
	return NULL;
}

static void
fake_listen(struct fake *fake)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	socklen_t length = sizeof(address);

	fake->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_return_code(bind(fake->fd, (struct sockaddr *)&address, length), 0);
	assert_return_code(getsockname(fake->fd, (struct sockaddr *)&address, &length),
	                   0);
	fake->port = ntohs(address.sin_port);
}

static void
fake_start(struct fake *fake)
{
	fake_listen(fake);
	assert_return_code(listen(fake->fd, 8), 0);
	assert_int_equal(pthread_create(&fake->thread, NULL, fake_answer, fake), 0);
}

static void
fake_stop(struct fake *fake)
{
	pthread_join(fake->thread, NULL);
	close(fake->fd);
}

/* What was told. */
struct told {
	unsigned n;
	enum dist_err give;
	char masters[4][64];
	char addresses[4][64]; /* "": NULL */
	char text[512];
};

static enum dist_err
tell(const char *master, const char *address, void *arg)
{
	struct told *told = arg;

	snprintf(told->masters[told->n], 64, "%s", master);
	snprintf(told->addresses[told->n++], 64, "%s", address ? address : "");
	if (!address)
		snprintf(told->text, sizeof(told->text), "%s", dist_error_text());
	return told->give;
}

static void
test_a_master_that_answers_is_told_with_its_number(void **state)
{
	struct told told = { .n = 0 };
	char masters[64], wanted[64];
	struct fake fake;
	(void)state;

	fake_start(&fake);
	snprintf(masters, sizeof(masters), "localhost:%u", fake.port);
	snprintf(wanted, sizeof(wanted), "127.0.0.1:%u", fake.port);
	assert_ok(dist_masters_find(masters, 10000, tell, &told));
	fake_stop(&fake);
	assert_int_equal(told.n, 1);
	assert_string_equal(told.masters[0], masters);
	assert_string_equal(told.addresses[0], wanted);
}

static void
test_one_that_does_not_answer_is_told_with_the_reason(void **state)
{
	struct told told = { .n = 0 };
	char masters[128], deaf[64];
	struct fake closed, fake;
	(void)state;

	fake_listen(&closed); /* bound, so that nobody else listens there */
	fake_start(&fake);
	snprintf(deaf, sizeof(deaf), "127.0.0.1:%u", closed.port);
	snprintf(masters, sizeof(masters), "%s,127.0.0.1:%u", deaf, fake.port);
	assert_ok(dist_masters_find(masters, 10000, tell, &told));
	fake_stop(&fake);
	close(closed.fd);
	assert_int_equal(told.n, 2);
	assert_string_equal(told.addresses[0], "");
	assert_non_null(strstr(told.text, "no master answers at "));
	assert_non_null(strstr(told.text, deaf));
	assert_string_equal(told.addresses[1], strchr(masters, ',') + 1);
}

/* It accepts, since its backlog does, and then says nothing. */
static void
test_a_silent_one_costs_its_time_and_no_more(void **state)
{
	struct told told = { .n = 0 };
	char masters[64];
	struct fake silent;
	(void)state;

	fake_listen(&silent);
	assert_return_code(listen(silent.fd, 8), 0);
	snprintf(masters, sizeof(masters), "127.0.0.1:%u", silent.port);
	assert_ok(dist_masters_find(masters, 50, tell, &told));
	close(silent.fd);
	assert_int_equal(told.n, 1);
	assert_string_equal(told.addresses[0], "");
}

static void
test_an_error_of_the_callback_ends_the_round(void **state)
{
	struct told told = { .give = DIST_ECANCELED };
	char masters[128];
	struct fake closed;
	(void)state;

	fake_listen(&closed);
	snprintf(masters, sizeof(masters), "127.0.0.1:%u,127.0.0.1:%u", closed.port,
	         closed.port);
	assert_err(dist_masters_find(masters, 10000, tell, &told), DIST_ECANCELED);
	close(closed.fd);
	assert_int_equal(told.n, 1);
}

static void
test_a_list_that_does_not_parse_asks_nobody(void **state)
{
	struct told told = { .n = 0 };
	(void)state;

	assert_err(dist_masters_find("host,,other", 10000, tell, &told), DIST_EADDRESS);
	assert_err(dist_masters_find("host:port", 10000, tell, &told), DIST_EADDRESS);
	assert_int_equal(told.n, 0);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_a_master_that_answers_is_told_with_its_number),
	cmocka_unit_test(test_one_that_does_not_answer_is_told_with_the_reason),
	cmocka_unit_test(test_a_silent_one_costs_its_time_and_no_more),
	cmocka_unit_test(test_an_error_of_the_callback_ends_the_round),
	cmocka_unit_test(test_a_list_that_does_not_parse_asks_nobody),
};

CHECK_MAIN(tests)
