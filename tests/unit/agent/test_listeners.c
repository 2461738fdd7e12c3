/* Sockets that listen before a node or a master is started on them. */
#include "support/check.h"

#include "base/cleanup.h"
#include "idl/node.h"
#include "io/socket.h"

#include <arpa/inet.h>
#include <dist/listeners.h>
#include <dist/master.h>
#include <dist/node.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

/* Longer than anything here takes. */
#define PATIENCE_MS 20000

static void
dispatch(struct svc_req *rqstp, SVCXPRT *xprt)
{
	(void)rqstp;
	svcerr_noproc(xprt);
}

static const struct dist_service service = {
	.size = sizeof(service),
	.program = 0x20000099,
	.version = 1,
	.dispatch = dispatch,
};

static const struct dist_service *const services[] = { &service, NULL };

static struct dist_listeners *
listen_on(const char *text)
{
	struct dist_listeners *listeners;

	assert_ok(dist_listeners_new(&listeners, text, 0));
	return listeners;
}

static void
wait_readable(int fd)
{
	struct pollfd polled = { .fd = fd, .events = POLLIN };

	assert_int_equal(poll(&polled, 1, PATIENCE_MS), 1);
}

static int
connect_to(const struct dist_sockaddr *address)
{
	struct pollfd polled = { .events = POLLOUT };

	assert_ok(dist_socket_connect(address, &polled.fd));
	assert_int_equal(poll(&polled, 1, PATIENCE_MS), 1);
	assert_ok(dist_socket_connect_result(polled.fd, address));
	return polled.fd;
}

/* Procedure 0 of the node program, which every server has (RFC 5531 section 9). */
static int
call(const struct dist_sockaddr *address)
{
	uint32_t words[] = {
		1u << 31 | 40, 7, CALL, 2, DIST_NODE, DIST_NODE_V1, 0, 0, 0, 0, 0
	};
	int fd = connect_to(address);

	for (size_t i = 0; i < DIST_ARRAY_SIZE(words); i++)
		words[i] = htonl(words[i]);
	assert_int_equal(write(fd, words, sizeof(words)), sizeof(words));
	return fd;
}

static void
assert_answered(int fd)
{
	uint32_t words[7];

	wait_readable(fd);
	assert_int_equal(recv(fd, words, sizeof(words), MSG_WAITALL), sizeof(words));
	assert_int_equal(ntohl(words[1]), 7);
	assert_int_equal(ntohl(words[2]), REPLY);
	assert_int_equal(ntohl(words[6]), SUCCESS);
}

/* Only those of the node keep the port. */
static void
assert_refused(const struct dist_sockaddr *address)
{
	struct dist_listeners again;
	char text[DIST_ADDRESS_TEXT_MAX];

	assert_ok(dist_listeners_open(&again, dist_sockaddr_format(address, text), 0));
	dist_listeners_close(&again);
}

static void
test_a_call_is_answered_that_came_before_the_node(void **state)
{
	struct dist_listeners *listeners = listen_on("127.0.0.1:0");
	struct dist_sockaddr address = listeners->address;
	/* @listen is not looked at. */
	struct dist_node_options options = { .listeners = listeners,
		                             .listen = "no address",
		                             .no_rpcbind = true };
	int early = call(&address), late;
	struct dist_node *node;

	(void)state;
	assert_ok(dist_node_start(&node, services, &options));
	dist_listeners_free(listeners);
	assert_int_equal(dist_node_port(node), dist_sockaddr_port(&address));
	late = call(&address);
	assert_answered(early);
	assert_answered(late);
	close(early);
	close(late);
	dist_node_stop(node);
	assert_refused(&address);
}

static void
test_a_master_serves_on_all_of_them(void **state)
{
	struct dist_listeners *listeners = listen_on(NULL);
	struct dist_listeners copy = *listeners;
	struct dist_master_options options = { .listeners = listeners,
		                               .no_rpcbind = true };
	struct dist_master *master;

	(void)state;
	assert_ok(dist_master_start(&master, &options));
	assert_int_equal(dist_master_port(master), copy.port);
	for (unsigned i = 0; i < copy.n; i++) {
		struct dist_sockaddr address = dist_socket_local(copy.fds[i]);
		int fd = call(&address);

		assert_answered(fd);
		close(fd);
	}
	dist_listeners_free(listeners);
	dist_master_stop(master);
	assert_refused(&copy.address);
}

static void
test_a_start_that_fails_leaves_them_for_another(void **state)
{
	static const struct dist_service *const twice[] = { &service, &service, NULL };
	struct dist_listeners *listeners = listen_on("127.0.0.1:0");
	struct dist_node_options options = { .listeners = listeners,
		                             .no_rpcbind = true };
	int early = call(&listeners->address);
	struct dist_node *node;

	(void)state;
	assert_err(dist_node_start(&node, twice, &options), DIST_EINVAL);
	assert_ok(dist_node_start(&node, services, &options));
	assert_answered(early);
	close(early);
	dist_listeners_free(listeners);
	dist_node_stop(node);
}

static void
test_without_a_node_callers_are_reset(void **state)
{
	struct dist_listeners *listeners = listen_on("127.0.0.1:0");
	int fd = call(&listeners->address);
	char byte;

	(void)state;
	dist_listeners_free(listeners);
	wait_readable(fd);
	assert_true(recv(fd, &byte, 1, 0) <= 0);
	close(fd);
	dist_listeners_free(NULL);
}

static void
test_what_cannot_be_listened_on_is_told(void **state)
{
	struct dist_listeners *taken = listen_on("127.0.0.1:0"), *listeners = NULL;

	(void)state;
	assert_err(dist_listeners_new(&listeners, "127.0.0.1", taken->port),
	           DIST_EADDRINUSE);
	assert_non_null(strstr(dist_error_text(), "127.0.0.1"));
	assert_err(dist_listeners_new(&listeners, "a-name:0", 0), DIST_EADDRESS);
	assert_null(listeners);
	dist_listeners_free(taken);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_a_call_is_answered_that_came_before_the_node),
	cmocka_unit_test(test_a_master_serves_on_all_of_them),
	cmocka_unit_test(test_a_start_that_fails_leaves_them_for_another),
	cmocka_unit_test(test_without_a_node_callers_are_reset),
	cmocka_unit_test(test_what_cannot_be_listened_on_is_told),
};

CHECK_MAIN(tests)
