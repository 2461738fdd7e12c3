/*
 * A server with the probe service, stock libtirpc clients to call it, and connections
 * for bytes made by hand. Procedures that wait do so at a gate that the test opens.
 */
#ifndef SERVER_FIXTURE_H
#define SERVER_FIXTURE_H

#include "support/check.h"

#include "base/bytes.h"
#include "probe.h"
#include "server/server.h"

#include <dist/request.h>
#include <rpc/rpc.h>
#include <stdbool.h>

extern const struct dist_service probe_prog_1_service;
extern const struct dist_service probe_prog_3_service;

/* --- Servers and clients -------------------------------------------------------- */

/* Started, with both versions of the probe; @options may be NULL. */
struct dist_server *fixture_server(const struct dist_server_options *options);
struct dist_server *fixture_server_with(const struct dist_server_options *options,
                                        const struct dist_service *service);

/* A connected socket; receiving gives up after 20 s. */
int fixture_connect(struct dist_server *server);
void fixture_connect_socket(struct dist_server *server, int fd);
/* As a peer for which the kernel takes little that it does not read; else it may be tens
 * of megabytes. */
int fixture_connect_small(struct dist_server *server);
/* Where the test's thread plays the loop's: take the one that connected last. */
void fixture_accept(struct dist_server *server);
/* libtirpc's own, which closes its socket; calls time out after 20 s. */
CLIENT *fixture_client(struct dist_server *server, rpcprog_t prog, rpcvers_t vers);

/* --- Bytes by hand -------------------------------------------------------------- */

struct fixture_call {
	uint32_t xid, prog, vers, proc;
	uint32_t rpc_version; /* 0: 2 */
	uint32_t flavor;      /* of an empty credential */
	bool with_meta;
	uint32_t left_ms; /* 0: none */
	uint32_t attempt; /* 0: the first */
	uint32_t args[8];
	unsigned n_args;
};

/* Of the probe's version 1, with its xid as the argument. */
static inline struct fixture_call
fixture_call_of(uint32_t xid, uint32_t proc)
{
	return (struct fixture_call){ .xid = xid,
		                      .prog = PROBE_PROG,
		                      .vers = 1,
		                      .proc = proc,
		                      .args = { xid },
		                      .n_args = 1 };
}

#define FIXTURE_CALL_MAX 256

/* The whole record, with its mark; returns its length. */
size_t fixture_call_write(const struct fixture_call *call, uint8_t *to);
void fixture_send(int fd, const void *data, size_t length);
void fixture_send_call(int fd, const struct fixture_call *call);

struct fixture_reply {
	uint32_t words[4096];
	unsigned n_words;
};

/* One whole record, of words. False: the peer has closed. */
bool fixture_receive(int fd, struct fixture_reply *ret_reply);
/* Fails unless the next reply is these words. */
#define fixture_expect(fd, ...) \
	do { \
		const uint32_t expected_[] = { __VA_ARGS__ }; \
		struct fixture_reply reply_; \
		assert_true(fixture_receive(fd, &reply_)); \
		assert_int_equal(reply_.n_words, sizeof(expected_) / 4); \
		assert_memory_equal(reply_.words, expected_, sizeof(expected_)); \
	} while (0)
/* A success whose verifier is empty, with these result words. */
#define fixture_expect_success(fd, xid, ...) \
	fixture_expect(fd, xid, REPLY, MSG_ACCEPTED, 0, 0, SUCCESS, __VA_ARGS__)
/* ... with none. */
#define fixture_expect_void(fd, xid) \
	fixture_expect(fd, xid, REPLY, MSG_ACCEPTED, 0, 0, SUCCESS)
/* Fails unless the peer closes, without another byte. */
void fixture_expect_closed(int fd);

/* --- The gate of PROBE_HOLD and PROBE_MOODY ------------------------------------- */

/* Shut, with nobody at it. */
void fixture_gate_reset(void);
/* Wait until @n have come to the gate, since the reset. */
void fixture_gate_wait(unsigned n);
unsigned fixture_gate_arrived(void);
/* The most that ever waited at once. */
unsigned fixture_gate_most(void);
void fixture_gate_open(void);

/* PROBE_MOODY comes to the gate from now on. */
void fixture_moody(bool slow);
/* ... as a procedure does that calls others by our client. */
void fixture_moody_tells(bool tells);

/* A handle that PROBE_DEFER gave (64 at most wait), waited for; now the test's. */
struct dist_deferred *fixture_deferred(void);

/* Wait until @condition(@arg), which something else brings about. */
void fixture_until(bool (*condition)(void *arg), void *arg);

#endif
