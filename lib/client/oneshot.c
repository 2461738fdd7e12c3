#include "client/oneshot.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "io/socket.h"
#include "wire/callmsg.h"
#include "wire/record.h"
#include "wire/xdr.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define STOP_LOOK_MS 50
#define RECORD_MAX   ((size_t)1024 * 1024)
#define ONLY_XID     1u /* one call a connection */

struct exchange {
	const struct dist_oneshot *oneshot;
	char where[DIST_ADDRESS_TEXT_MAX]; /* for people */
	int fd;
};

static void
exchange_close(struct exchange *exchange)
{
	if (exchange->fd >= 0)
		close(exchange->fd);
}

/* Until the socket is ready for @events, time is up, or we are to stop. */
static enum dist_err
exchange_wait(const struct exchange *exchange, short events)
{
	const struct dist_oneshot *oneshot = exchange->oneshot;
	struct pollfd pollfd = { .fd = exchange->fd, .events = events };

	for (;;) {
		int left_ms = dist_deadline_poll_ms(oneshot->deadline_ns);
		int n;

		if (oneshot->stop && atomic_load(oneshot->stop))
			return dist_error_set_plain(DIST_ECLOSED);
		if (left_ms == 0)
			return dist_error_set(DIST_EDEADLINE,
			                      "%s did not answer in time",
			                      exchange->where);
		if (oneshot->stop && (left_ms < 0 || left_ms > STOP_LOOK_MS))
			left_ms = STOP_LOOK_MS;
		n = poll(&pollfd, 1, left_ms);
		if (n > 0)
			return DIST_OK;
		if (n < 0 && errno != EINTR)
			return dist_error_set_errno(DIST_ESYSTEM, errno, "poll");
	}
}

static enum dist_err
connect_local(struct exchange *exchange)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	const char *path = exchange->oneshot->local_path;

	if (strlen(path) >= sizeof(address.sun_path))
		return dist_error_set(DIST_EADDRESS, "\"%.80s...\" is too long a path",
		                      path);
	strcpy(address.sun_path, path);
	exchange->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (exchange->fd < 0)
		return dist_error_set_errno(DIST_ESYSTEM, errno, "no socket to be had");
	/* A local connection is there at once, or its backlog is full: tried again
	 * later. */
	if (connect(exchange->fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return dist_error_set_errno(DIST_ECONNECT, errno,
		                            "cannot connect to %s", path);
	return DIST_OK;
}

static enum dist_err
exchange_connect(struct exchange *exchange)
{
	const struct dist_oneshot *oneshot = exchange->oneshot;
	enum dist_err err;

	if (!oneshot->address)
		return connect_local(exchange);
	err = dist_socket_connect(oneshot->address, &exchange->fd);
	if (!err)
		err = exchange_wait(exchange, POLLOUT);
	if (err)
		return err;
	return dist_socket_connect_result(exchange->fd, oneshot->address);
}

static enum dist_err
exchange_lost(const struct exchange *exchange, int why)
{
	return dist_error_set_errno(DIST_ECONNRESET, why, "%s closed the connection",
	                            exchange->where);
}

static enum dist_err
exchange_send(struct exchange *exchange, const uint8_t *data, size_t length)
{
	while (length) {
		ssize_t n = send(exchange->fd, data, length, MSG_NOSIGNAL);

		if (n >= 0) {
			data += n;
			length -= (size_t)n;
		} else if (errno == EAGAIN) {
			enum dist_err err = exchange_wait(exchange, POLLOUT);

			if (err)
				return err;
		} else if (errno != EINTR) {
			return exchange_lost(exchange, errno);
		}
	}
	return DIST_OK;
}

static enum dist_err
exchange_send_call(struct exchange *exchange, uint32_t proc, xdrproc_t xdr_args,
                   const void *args)
{
	const struct dist_oneshot *oneshot = exchange->oneshot;
	static const struct dist_auth none = { .flavor = AUTH_NONE };
	DIST_CLEANUP(dist_encoder_fini) struct dist_encoder encoder;
	uint8_t first[512], *header;
	enum dist_err err;

	dist_encoder_init(&encoder, first, sizeof(first), RECORD_MAX);
	header = dist_encoder_reserve(&encoder,
	                              DIST_RECORD_MARK_SIZE +
	                                      dist_call_header_size(none.body, false));
	if (!header)
		return dist_error_set_plain(DIST_ENOMEM);
	dist_call_header_write(header + DIST_RECORD_MARK_SIZE, ONLY_XID, oneshot->prog,
	                       oneshot->vers, proc, none, NULL);
	err = dist_encoder_put(&encoder, xdr_args, args);
	if (err)
		return err;
	dist_record_mark(encoder.data, dist_encoder_length(&encoder) - DIST_RECORD_MARK_SIZE);
	return exchange_send(exchange, encoder.data, dist_encoder_length(&encoder));
}

static enum dist_err
exchange_receive(struct exchange *exchange, struct dist_record_reader *reader,
                 struct dist_bytes *ret_record)
{
	bool have = false;
	enum dist_err err;

	while (!(err = dist_record_reader_next(reader, ret_record, &have)) && !have) {
		uint8_t *space;
		size_t room;
		ssize_t n;

		err = exchange_wait(exchange, POLLIN);
		if (!err)
			err = dist_record_reader_space(reader, &space, &room);
		if (err)
			return err;
		n = recv(exchange->fd, space, room, 0);
		if (n > 0)
			dist_record_reader_filled(reader, (size_t)n);
		else if (n == 0)
			return exchange_lost(exchange, ECONNRESET);
		else if (errno != EAGAIN && errno != EINTR)
			return exchange_lost(exchange, errno);
	}
	return err;
}

static enum dist_err
exchange_decode(const struct exchange *exchange, struct dist_bytes record,
                xdrproc_t xdr_result, void *result)
{
	struct dist_reply_header header;
	struct dist_decoder decoder;
	struct rpc_err why;
	enum dist_err err;

	err = dist_reply_header_read(record, &header);
	if (err)
		return err;
	if (header.xid != ONLY_XID)
		return dist_error_set(DIST_EPROTO, "%s answered another call",
		                      exchange->where);
	dist_reply_header_to_rpc_err(&header, &why);
	if (why.re_status != RPC_SUCCESS)
		return dist_error_set(why.re_status == RPC_PROGUNAVAIL ? DIST_ENONODE
		                                                       : DIST_ERPC,
		                      "%s answered: %s", exchange->where,
		                      clnt_sperrno(why.re_status));
	dist_decoder_init(&decoder, header.results,
	                  dist_decoder_default_budget(header.results.length));
	return dist_decoder_get(&decoder, xdr_result, result);
}

enum dist_err
dist_oneshot_call(const struct dist_oneshot *oneshot, uint32_t proc, xdrproc_t xdr_args,
                  const void *args, xdrproc_t xdr_result, void *result)
{
	DIST_CLEANUP(exchange_close) struct exchange exchange = { oneshot, "", -1 };
	DIST_CLEANUP(dist_record_reader_fini) struct dist_record_reader reader;
	struct dist_bytes record;
	enum dist_err err;

	dist_record_reader_init(&reader, oneshot->max_record_bytes ? oneshot->max_record_bytes
	                                                           : RECORD_MAX);
	if (oneshot->address)
		dist_sockaddr_format(oneshot->address, exchange.where);
	else
		snprintf(exchange.where, sizeof(exchange.where), "%s",
		         oneshot->local_path);
	err = exchange_connect(&exchange);
	if (!err)
		err = exchange_send_call(&exchange, proc, xdr_args, args);
	if (!err)
		err = exchange_receive(&exchange, &reader, &record);
	if (!err)
		err = exchange_decode(&exchange, record, xdr_result, result);
	return err;
}
