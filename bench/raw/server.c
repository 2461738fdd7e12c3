/*
 * The server of the baseline, plain TCP: what any RPC system could reach at best.
 *
 *	server PORT
 *
 * One connection at a time, and blocking calls: whatever calls one recv() brings are
 * answered by one send().
 */
#include "measure/peer.h"
#include "raw/wire.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct stream {
	int fd;
	char *in; /* RAW_MAX_CALL bytes; what lies between taken and end is unread */
	size_t taken, end;
	char out[65536];
	size_t n_out;
};

static int64_t
sum_of(const char *call)
{
	const uint32_t *words = (const uint32_t *)call;
	uint32_t count = ntohl(words[RAW_COUNT]);
	int64_t sum = 0;

	for (uint32_t i = 0; i < count; i++)
		sum += (int32_t)ntohl(words[RAW_INTS + i]);
	return sum;
}

static int
stream_reply(struct stream *stream, const char *call)
{
	uint32_t reply[RAW_REPLY / 4] = { htonl(RAW_REPLY - 4) };
	int64_t sum = sum_of(call);

	memcpy(&reply[RAW_ID], call + 4, 4);
	memcpy(&reply[RAW_SUM], &sum, sizeof(sum));
	if (stream->n_out + RAW_REPLY > sizeof(stream->out)) {
		if (!raw_send(stream->fd, stream->out, stream->n_out))
			return 0;
		stream->n_out = 0;
	}
	memcpy(stream->out + stream->n_out, reply, RAW_REPLY);
	stream->n_out += RAW_REPLY;
	return 1;
}

/* A whole call; NULL: it has not all come. */
static const char *
stream_next(struct stream *stream)
{
	const char *call = stream->in + stream->taken;
	size_t there = stream->end - stream->taken, size;

	if (there < RAW_CALL_HEADER)
		return NULL;
	size = ntohl(*(const uint32_t *)call) + (size_t)4;
	if (size > RAW_MAX_CALL || size % 4)
		peer_die("a call is too long, or no call");
	if (there < size)
		return NULL;
	stream->taken += size;
	return call;
}

/* Room for more: what is unread moves to the front when less than a quarter is left. */
static void
stream_make_room(struct stream *stream)
{
	if (stream->taken == stream->end) {
		stream->taken = stream->end = 0;
	} else if (RAW_MAX_CALL - stream->end < RAW_MAX_CALL / 4) {
		stream->end -= stream->taken;
		memmove(stream->in, stream->in + stream->taken, stream->end);
		stream->taken = 0;
	}
}

/* What is there now is answered; false: the peer is gone. */
static int
stream_turn(struct stream *stream)
{
	const char *call;
	ssize_t n;

	stream_make_room(stream);
	n = recv(stream->fd, stream->in + stream->end, RAW_MAX_CALL - stream->end, 0);
	if (n <= 0)
		return 0;
	stream->end += (size_t)n;
	while ((call = stream_next(stream))) {
		if (!stream_reply(stream, call))
			return 0;
	}
	n = (ssize_t)stream->n_out;
	stream->n_out = 0;
	return raw_send(stream->fd, stream->out, (size_t)n);
}

int
main(int argc, char **argv)
{
	int listener = peer_listen(argc == 2 ? atoi(argv[1]) : 0);
	static struct stream stream;

	stream.in = malloc(RAW_MAX_CALL);
	if (!stream.in)
		peer_die("out of memory");
	while ((stream.fd = accept(listener, NULL, NULL)) >= 0) {
		stream.taken = stream.end = stream.n_out = 0;
		while (stream_turn(&stream))
			;
		close(stream.fd);
	}
	return 1;
}
