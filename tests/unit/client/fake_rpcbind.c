#include "unit/client/fake_rpcbind.h"

#include "support/check.h"

#include "base/bytes.h"
#include "base/cleanup.h"
#include "wire/callmsg.h"
#include "wire/record.h"
#include "wire/xdr.h"

#include <poll.h>
#include <rpc/rpc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define PATIENCE_S 20

/* --- Answers ------------------------------------------------------------------ */

static struct fake_entry *
find_locked(struct fake_rpcbind *fake, uint32_t prog, const char *netid)
{
	for (unsigned i = 0; i < fake->n_entries; i++) {
		if (fake->entries[i].prog == prog &&
		    (!netid || !strcmp(fake->entries[i].netid, netid)))
			return &fake->entries[i];
	}
	return NULL;
}

static bool_t
set_locked(struct fake_rpcbind *fake, const struct rpcb *map)
{
	struct fake_entry *entry = find_locked(fake, map->r_prog, map->r_netid);

	if (entry)
		return !strcmp(entry->uaddr, map->r_addr);
	entry = &fake->entries[fake->n_entries++];
	*entry = (struct fake_entry){ .prog = map->r_prog, .vers = map->r_vers };
	snprintf(entry->netid, sizeof(entry->netid), "%s", map->r_netid);
	snprintf(entry->uaddr, sizeof(entry->uaddr), "%s", map->r_addr);
	return TRUE;
}

static bool_t
unset_locked(struct fake_rpcbind *fake, const struct rpcb *map)
{
	struct fake_entry *entry = find_locked(fake, map->r_prog, map->r_netid);

	if (!entry || entry->of_another_user)
		return FALSE;
	*entry = fake->entries[--fake->n_entries];
	return TRUE;
}

static void
put(struct dist_encoder *encoder, xdrproc_t xdr, const void *value)
{
	assert_ok(dist_encoder_put(encoder, xdr, value));
}

static void
dump_locked(struct fake_rpcbind *fake, struct dist_encoder *encoder)
{
	bool_t more = TRUE, last = FALSE;

	for (unsigned i = 0; i < fake->n_entries; i++) {
		struct fake_entry *entry = &fake->entries[i];
		struct rpcb map = { entry->prog, entry->vers, entry->netid,
			            entry->uaddr,
			            entry->of_another_user ? "somebody" : "superuser" };

		put(encoder, (xdrproc_t)xdr_bool, &more);
		put(encoder, (xdrproc_t)xdr_rpcb, &map);
	}
	put(encoder, (xdrproc_t)xdr_bool, &last);
	fake->n_dumps++;
}

static void
change_locked(struct fake_rpcbind *fake, const struct dist_call_header *header,
              struct dist_encoder *encoder)
{
	struct dist_decoder decoder;
	struct rpcb map = { 0 };
	bool_t done;

	dist_decoder_init(&decoder, header->args, 1 << 16);
	assert_ok(dist_decoder_get(&decoder, (xdrproc_t)xdr_rpcb, &map));
	done = header->proc == RPCBPROC_SET ? set_locked(fake, &map)
	                                    : unset_locked(fake, &map);
	put(encoder, (xdrproc_t)xdr_bool, &done);
	xdr_free((xdrproc_t)xdr_rpcb, &map);
}

static void
answer(struct fake_rpcbind *fake, int fd, struct dist_bytes record)
{
	DIST_CLEANUP(dist_encoder_fini) struct dist_encoder encoder;
	uint8_t first[4096], *start, mark[DIST_RECORD_MARK_SIZE];
	uint8_t reply[DIST_REPLY_HEADER_MAX];
	struct dist_call_header header;
	size_t length;

	assert_ok(dist_call_header_read(record, &header));
	assert_int_equal(header.prog, RPCBPROG);
	dist_encoder_init(&encoder, first, sizeof(first), sizeof(first));
	length = dist_reply_header_write(reply, header.xid, SUCCESS, NULL);
	start = dist_encoder_reserve(&encoder, length);
	memcpy(start, reply, length);
	pthread_mutex_lock(&fake->lock);
	if (header.proc == RPCBPROC_DUMP)
		dump_locked(fake, &encoder);
	else
		change_locked(fake, &header, &encoder);
	pthread_cond_broadcast(&fake->changed);
	pthread_mutex_unlock(&fake->lock);
	dist_record_mark(mark, dist_encoder_length(&encoder));
	(void)!send(fd, mark, sizeof(mark), MSG_NOSIGNAL | MSG_MORE);
	(void)!send(fd, encoder.data, dist_encoder_length(&encoder), MSG_NOSIGNAL);
}

/* --- The thread --------------------------------------------------------------- */

/* One call a connection, as our caller makes them. */
static void
serve(struct fake_rpcbind *fake, int fd)
{
	DIST_CLEANUP(dist_record_reader_fini) struct dist_record_reader reader;
	struct pollfd pollfds[] = { { fd, POLLIN, 0 },
		                    { fake->stop_pipe[0], POLLIN, 0 } };
	struct dist_bytes record;
	bool have = false, silent;
	char bytes[1024];

	dist_record_reader_init(&reader, sizeof(bytes));
	pthread_mutex_lock(&fake->lock);
	silent = fake->silent;
	pthread_mutex_unlock(&fake->lock);
	while (!have) {
		ssize_t n = 0;

		poll(pollfds, 2, -1);
		if (pollfds[0].revents)
			n = recv(fd, bytes, sizeof(bytes), 0);
		if (n <= 0)
			return;
		assert_ok(dist_record_reader_feed(&reader, bytes, (size_t)n));
		if (!silent)
			assert_ok(dist_record_reader_next(&reader, &record, &have));
	}
	answer(fake, fd, record);
}

static void *
fake_run(void *arg)
{
	struct fake_rpcbind *fake = arg;
	struct pollfd pollfds[] = { { fake->listener, POLLIN, 0 },
		                    { fake->stop_pipe[0], POLLIN, 0 } };

	while (poll(pollfds, 2, -1) > 0 && !pollfds[1].revents) {
		int fd = accept4(fake->listener, NULL, NULL, SOCK_CLOEXEC);

		if (fd < 0)
			continue;
		serve(fake, fd);
		close(fd);
	}
	return NULL;
}

void
fake_rpcbind_start(struct fake_rpcbind *fake)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	*fake = (struct fake_rpcbind){ .directory = "/tmp/dist-rpcbind-XXXXXX" };
	assert_non_null(mkdtemp(fake->directory));
	snprintf(fake->path, sizeof(fake->path), "%s/socket", fake->directory);
	strcpy(address.sun_path, fake->path);
	fake->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_return_code(
		bind(fake->listener, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_return_code(listen(fake->listener, 16), 0);
	assert_return_code(pipe(fake->stop_pipe), 0);
	pthread_mutex_init(&fake->lock, NULL);
	pthread_cond_init(&fake->changed, NULL);
	assert_int_equal(pthread_create(&fake->thread, NULL, fake_run, fake), 0);
}

void
fake_rpcbind_stop(struct fake_rpcbind *fake)
{
	assert_int_equal(write(fake->stop_pipe[1], "", 1), 1);
	pthread_join(fake->thread, NULL);
	close(fake->stop_pipe[0]);
	close(fake->stop_pipe[1]);
	close(fake->listener);
	unlink(fake->path);
	rmdir(fake->directory);
	pthread_mutex_destroy(&fake->lock);
	pthread_cond_destroy(&fake->changed);
}

/* --- What a test does --------------------------------------------------------- */

void
fake_rpcbind_add(struct fake_rpcbind *fake, struct fake_entry entry)
{
	pthread_mutex_lock(&fake->lock);
	fake->entries[fake->n_entries++] = entry;
	pthread_mutex_unlock(&fake->lock);
}

void
fake_rpcbind_forget_all(struct fake_rpcbind *fake)
{
	pthread_mutex_lock(&fake->lock);
	fake->n_entries = 0;
	pthread_mutex_unlock(&fake->lock);
}

static void
wait_locked(struct fake_rpcbind *fake)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += PATIENCE_S;
	assert_int_equal(pthread_cond_timedwait(&fake->changed, &fake->lock, &until),
	                 0);
}

static bool
is_so_locked(struct fake_rpcbind *fake, uint32_t prog, const char *uaddr)
{
	struct fake_entry *entry = find_locked(fake, prog, NULL);

	return uaddr ? entry && !strcmp(entry->uaddr, uaddr) : !entry;
}

void
fake_rpcbind_await(struct fake_rpcbind *fake, uint32_t prog, const char *uaddr)
{
	pthread_mutex_lock(&fake->lock);
	while (!is_so_locked(fake, prog, uaddr))
		wait_locked(fake);
	pthread_mutex_unlock(&fake->lock);
}

void
fake_rpcbind_await_looks(struct fake_rpcbind *fake, unsigned n)
{
	unsigned until;

	pthread_mutex_lock(&fake->lock);
	until = fake->n_dumps + n;
	while (fake->n_dumps < until)
		wait_locked(fake);
	pthread_mutex_unlock(&fake->lock);
}
