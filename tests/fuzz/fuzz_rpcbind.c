/*
 * What an rpcbind says: the first byte chooses a question, the rest is all that the peer
 * answers before it closes the connection, record marks included. An answer that is
 * believed must be what libtirpc makes of the same bytes; any other is an error with a
 * sentence, and leaves the caller's memory as it was.
 */
#include "client/rpcbind.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "fuzz.h"
#include "io/socket.h"
#include "stream.h"
#include "wire/callmsg.h"

#include <fcntl.h>
#include <pthread.h>
#include <rpc/rpcb_prot.h>
#include <sys/un.h>
#include <unistd.h>

enum {
	FIND,
	ENTRIES,
	SET,
	UNSET,
	N_QUESTIONS,
};

#define RECORD_MAX  ((size_t)1024 * 1024)
#define CALL_MAX    4096
#define ENTRIES_MAX 8
#define PROG        100000
#define VERS        4
/* What nobody said, in memory that must not change. */
#define UNTOUCHED 77

static struct dist_sockaddr address; /* of the peer over TCP */
static char directory[] = "/tmp/fuzz-rpcbind-XXXXXX";
static char path[sizeof(directory) + 8]; /* its local socket */

/* Handed to the peer with the connection. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct dist_bytes answer;

/* --- The peer ------------------------------------------------------------------------ */

/* A copy: the input is gone as soon as the last of it was received. */
static uint8_t *
peer_answer(size_t *ret_length)
{
	uint8_t *copy;

	pthread_mutex_lock(&lock);
	copy = malloc(answer.length + 1);
	FUZZ_CHECK(copy);
	memcpy(copy, answer.data, answer.length);
	*ret_length = answer.length;
	pthread_mutex_unlock(&lock);
	return copy;
}

/* Calls are small, and whole before they are answered. */
static void
peer_read_call(int fd)
{
	uint8_t call[CALL_MAX];
	size_t length;

	fuzz_take(fd, call, 4);
	length = dist_load_be32(call) & 0x7fffffff;
	FUZZ_CHECK(length <= sizeof(call));
	fuzz_take(fd, call, length);
	FUZZ_CHECK(dist_load_be32(call + 12) == RPCBPROG);
}

static void *
peer_run(void *listener)
{
	/* Else the ports of thousands of connections would wait for their last packets. */
	struct linger at_once = { 1, 0 };
	size_t at, length;
	uint8_t *bytes;
	ssize_t n;
	int fd;

	for (;;) {
		fd = fuzz_accept((int)(intptr_t)listener);
		peer_read_call(fd);
		bytes = peer_answer(&length);
		for (at = 0; at < length; at += (size_t)n) {
			n = TEMP_FAILURE_RETRY(
				send(fd, bytes + at, length - at, MSG_NOSIGNAL));
			if (n < 0)
				break; /* it had enough, and has closed */
		}
		free(bytes);
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
		close(fd);
	}
	return NULL;
}

static void
peer_start(int listener)
{
	pthread_t thread;

	FUZZ_CHECK(pthread_create(&thread, NULL, peer_run, (void *)(intptr_t)listener) == 0);
	pthread_detach(thread);
}

static void
remove_directory(void)
{
	unlink(path);
	rmdir(directory);
}

static void
peers_start(void)
{
	struct sockaddr_un local = { .sun_family = AF_UNIX };
	struct dist_listeners listeners;
	int listener;

	FUZZ_CHECK(dist_listeners_open(&listeners, "127.0.0.1:0", 0) == DIST_OK);
	FUZZ_CHECK(fcntl(listeners.fds[0], F_SETFL, 0) == 0);
	address = listeners.address;
	peer_start(listeners.fds[0]);

	FUZZ_CHECK(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/socket", directory);
	atexit(remove_directory);
	strcpy(local.sun_path, path);
	listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	FUZZ_CHECK(bind(listener, (struct sockaddr *)&local, sizeof(local)) == 0);
	FUZZ_CHECK(listen(listener, 16) == 0);
	peer_start(listener);
}

/* --- What the answer is -------------------------------------------------------------- */

/* The results of the one reply in @bytes, to be read by libtirpc; it was believed. */
static void
results_open(XDR *xdrs, struct dist_bytes bytes, uint8_t **ret_memory)
{
	struct stream stream = { bytes.data, bytes.data + bytes.length, RECORD_MAX, NULL };
	struct dist_reply_header header;
	size_t length;
	bool have;

	*ret_memory = stream.joined = malloc(bytes.length + 1);
	FUZZ_CHECK(stream.joined);
	FUZZ_CHECK(stream_next(&stream, &length, &have) == DIST_OK && have);
	FUZZ_CHECK(dist_reply_header_read((struct dist_bytes){ stream.joined, length },
	                                  &header) == DIST_OK);
	FUZZ_CHECK(header.xid == 1 && header.stat == MSG_ACCEPTED &&
	           header.accept == SUCCESS);
	xdrmem_create(xdrs, (char *)(uintptr_t)header.results.data,
	              (u_int)header.results.length, XDR_DECODE);
}

static void
check_found(struct dist_bytes bytes, const struct dist_sockaddr *found)
{
	struct dist_sockaddr told, expected = address;
	uint8_t *memory;
	char *uaddr = NULL;
	XDR xdrs;

	results_open(&xdrs, bytes, &memory);
	FUZZ_CHECK(xdr_wrapstring(&xdrs, &uaddr));
	FUZZ_CHECK(dist_uaddr_parse("tcp", uaddr, &told) == DIST_OK);
	dist_sockaddr_set_port(&expected, dist_sockaddr_port(&told));
	FUZZ_CHECK(dist_sockaddr_equal(found, &expected));
	free(uaddr);
	free(memory);
}

static void
check_text(const char *kept, size_t size, const char *said)
{
	FUZZ_CHECK(strlen(kept) == DIST_MIN(strlen(said), size - 1));
	FUZZ_CHECK(strncmp(kept, said, size - 1) == 0);
}

static void
check_entries(struct dist_bytes bytes, const struct dist_rpcbind_entry *entries, unsigned n)
{
	rpcblist_ptr list = NULL;
	uint8_t *memory;
	unsigned at = 0;
	XDR xdrs;

	results_open(&xdrs, bytes, &memory);
	FUZZ_CHECK(xdr_rpcblist_ptr(&xdrs, &list));
	for (rpcblist_ptr one = list; one; one = one->rpcb_next) {
		if (one->rpcb_map.r_prog != PROG || one->rpcb_map.r_vers != VERS ||
		    at == ENTRIES_MAX)
			continue;
		FUZZ_CHECK(at < n);
		FUZZ_CHECK(entries[at].prog == PROG && entries[at].vers == VERS);
		check_text(entries[at].netid, sizeof(entries[at].netid),
		           one->rpcb_map.r_netid);
		check_text(entries[at].uaddr, sizeof(entries[at].uaddr),
		           one->rpcb_map.r_addr);
		check_text(entries[at].owner, sizeof(entries[at].owner),
		           one->rpcb_map.r_owner);
		at++;
	}
	FUZZ_CHECK(at == n);
	xdr_free((xdrproc_t)xdr_rpcblist_ptr, (char *)&list);
	free(memory);
}

static void
check_done(struct dist_bytes bytes)
{
	bool_t done = FALSE;
	uint8_t *memory;
	XDR xdrs;

	results_open(&xdrs, bytes, &memory);
	FUZZ_CHECK(xdr_bool(&xdrs, &done) && done);
	free(memory);
}

/* Of a peer that is there, and an answer that always ends. */
static void
check_error(enum dist_err err)
{
	FUZZ_CHECK(*dist_error_text());
	FUZZ_CHECK(err == DIST_ECONNRESET || err == DIST_ENONODE || err == DIST_ERPC ||
	           err == DIST_EDECODE || err == DIST_EPROTO || err == DIST_ETOOBIG ||
	           err == DIST_EADDRESS || err == DIST_EREFUSED);
}

/* --- Questions ----------------------------------------------------------------------- */

static enum dist_err
ask_find(struct dist_bytes bytes, struct dist_patience patience)
{
	struct dist_sockaddr found;
	uint8_t before[sizeof(found)];
	enum dist_err err;

	memset(&found, UNTOUCHED, sizeof(found));
	memcpy(before, &found, sizeof(found));
	err = dist_rpcbind_find(&address, PROG, VERS, patience, &found);
	if (err)
		FUZZ_CHECK(memcmp(before, &found, sizeof(found)) == 0);
	else
		check_found(bytes, &found);
	return err;
}

static enum dist_err
ask_entries(struct dist_bytes bytes, struct dist_patience patience)
{
	struct dist_rpcbind_entry entries[ENTRIES_MAX];
	unsigned n = UNTOUCHED;
	enum dist_err err =
		dist_rpcbind_entries(path, PROG, VERS, patience, entries, ENTRIES_MAX, &n);

	if (err)
		FUZZ_CHECK(n == UNTOUCHED);
	else
		check_entries(bytes, entries, n);
	return err;
}

static enum dist_err
ask_change(struct dist_bytes bytes, struct dist_patience patience, bool set)
{
	struct dist_rpcbind_entry entry = { PROG, VERS, "tcp", "0.0.0.0.11.184", "" };
	enum dist_err err = set ? dist_rpcbind_set(path, &entry, patience)
	                        : dist_rpcbind_unset(path, &entry, patience);

	if (!err)
		check_done(bytes);
	return err;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct dist_patience patience = { DIST_NEVER, NULL };
	struct dist_bytes bytes;
	enum dist_err err;

	if (size == 0)
		return 0;
	if (!*path)
		peers_start();
	bytes = (struct dist_bytes){ data + 1, size - 1 };
	pthread_mutex_lock(&lock);
	answer = bytes;
	pthread_mutex_unlock(&lock);
	switch (data[0] % N_QUESTIONS) {
	case FIND:
		err = ask_find(bytes, patience);
		break;
	case ENTRIES:
		err = ask_entries(bytes, patience);
		break;
	default:
		err = ask_change(bytes, patience, data[0] % N_QUESTIONS == SET);
		break;
	}
	if (err)
		check_error(err);
	return 0;
}
