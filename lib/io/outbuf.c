/*
 * A list of pieces. Short records are copied one behind the other into blocks; a block
 * that has joined the batch is not added to any more, so that appending and sending
 * never touch the same memory. Blocks grow while they fill up and shrink while they do
 * not: a connection that carries a heartbeat a second must not keep what a burst
 * needed.
 */
#include "io/outbuf.h"

#include "base/error.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#define BLOCK_MIN ((size_t)1024)
#define BLOCK_MAX ((size_t)32 * 1024)
/* Pieces in one system call. */
#define SEND_PIECES 64

struct dist_outpiece {
	struct dist_list link;
	const uint8_t *data;
	size_t length;
	size_t sent; /* of them, the writer's alone */
	dist_outbuf_release_fn *release;
	void *arg;
	size_t capacity; /* 0: refers to bytes elsewhere */
	uint8_t block[];
};

#define PIECE(list) DIST_CONTAINER_OF(list, struct dist_outpiece, link)

void
dist_outbuf_init(struct dist_outbuf *out)
{
	*out = (struct dist_outbuf){ .block_size = BLOCK_MIN };
	dist_list_init(&out->waiting);
	dist_list_init(&out->batch);
}

static void
piece_free(struct dist_outpiece *piece)
{
	if (piece->release)
		piece->release(piece->arg);
	free(piece);
}

static void
pieces_free(struct dist_list *pieces)
{
	struct dist_list *link;

	while ((link = dist_list_pop(pieces)))
		piece_free(PIECE(link));
}

void
dist_outbuf_fini(struct dist_outbuf *out)
{
	pieces_free(&out->batch);
	pieces_free(&out->waiting);
	free(out->spare);
	free(out->done);
	out->spare = out->done = NULL;
	out->waiting_bytes = out->batch_bytes = 0;
}

/* The last waiting piece, where it is a block with room; else NULL. */
static struct dist_outpiece *
outbuf_open_block(struct dist_outbuf *out, size_t length)
{
	struct dist_outpiece *last;

	if (dist_list_empty(&out->waiting))
		return NULL;
	last = PIECE(out->waiting.prev);
	return last->capacity && last->capacity - last->length >= length ? last : NULL;
}

/* A block for at least @length bytes; larger than the last one, if that filled up. */
static struct dist_outpiece *
outbuf_add_block(struct dist_outbuf *out, size_t length)
{
	struct dist_outpiece *block = out->spare;
	size_t capacity;

	if (!dist_list_empty(&out->waiting) && out->block_size < BLOCK_MAX)
		out->block_size *= 2;
	capacity = DIST_MAX(out->block_size, length);

	out->spare = NULL;
	if (!block || block->capacity < capacity) {
		free(block);
		block = malloc(sizeof(*block) + capacity);
		if (!block)
			return NULL;
		*block = (struct dist_outpiece){ .capacity = capacity };
	}
	block->data = block->block;
	block->length = block->sent = 0;
	dist_list_append(&out->waiting, &block->link);
	return block;
}

enum dist_err
dist_outbuf_append(struct dist_outbuf *out, const void *data, size_t length)
{
	struct dist_outpiece *block = outbuf_open_block(out, length);

	if (length == 0)
		return DIST_OK;
	if (!block)
		block = outbuf_add_block(out, length);
	if (!block)
		return dist_error_set_plain(DIST_ENOMEM);

	memcpy(block->block + block->length, data, length);
	block->length += length;
	out->waiting_bytes += length;
	out->appended += length;
	return DIST_OK;
}

enum dist_err
dist_outbuf_refer(struct dist_outbuf *out, const void *data, size_t length,
                  dist_outbuf_release_fn *release, void *arg)
{
	struct dist_outpiece *piece = malloc(sizeof(*piece));

	if (!piece)
		return dist_error_set_plain(DIST_ENOMEM);
	*piece = (struct dist_outpiece){
		.data = data, .length = length, .release = release, .arg = arg
	};
	dist_list_append(&out->waiting, &piece->link);
	out->waiting_bytes += length;
	out->appended += length;
	return DIST_OK;
}

void
dist_outbuf_begin(struct dist_outbuf *out)
{
	if (out->waiting_bytes < out->block_size / 4 && out->block_size > BLOCK_MIN)
		out->block_size /= 2;
	dist_list_move_all(&out->waiting, &out->batch);
	out->batch_bytes += out->waiting_bytes;
	out->waiting_bytes = 0;
	out->sent = 0;
}

/* All of @piece is with the kernel: keep one block for later, release the others. */
static void
outbuf_piece_done(struct dist_outbuf *out, struct dist_outpiece *piece)
{
	dist_list_remove(&piece->link);
	if (!out->done && piece->capacity && piece->capacity <= BLOCK_MAX)
		out->done = piece;
	else
		piece_free(piece);
}

/* The kernel took @n bytes off the front of the batch. */
static void
outbuf_advance(struct dist_outbuf *out, size_t n)
{
	struct dist_outpiece *piece, *next;
	size_t here;

	out->sent += n;
	out->batch_bytes -= n;
	DIST_LIST_EACH (piece, next, &out->batch, link) {
		here = DIST_MIN(n, piece->length - piece->sent);
		piece->sent += here;
		n -= here;
		if (piece->sent < piece->length)
			return;
		outbuf_piece_done(out, piece);
	}
}

static size_t
outbuf_gather(struct dist_outbuf *out, struct iovec *pieces, size_t n_max)
{
	struct dist_outpiece *piece, *next;
	size_t n = 0;

	DIST_LIST_EACH (piece, next, &out->batch, link) {
		if (n == n_max)
			break;
		pieces[n].iov_base = (void *)(piece->data + piece->sent);
		pieces[n].iov_len = piece->length - piece->sent;
		n++;
	}
	return n;
}

enum dist_sent
dist_outbuf_send(struct dist_outbuf *out, int fd)
{
	struct iovec pieces[SEND_PIECES];
	struct msghdr message = { .msg_iov = pieces };
	ssize_t n;

	while (out->batch_bytes > 0) {
		message.msg_iovlen = outbuf_gather(out, pieces, SEND_PIECES);
		n = sendmsg(fd, &message, MSG_NOSIGNAL);
		if (n >= 0)
			outbuf_advance(out, (size_t)n);
		else if (errno == EAGAIN || errno == EWOULDBLOCK)
			return DIST_SENT_BLOCKED;
		else if (errno != EINTR)
			return DIST_SENT_BROKEN;
	}
	/* Pieces of no bytes wait for nothing. */
	outbuf_advance(out, 0);
	return DIST_SENT_ALL;
}

bool
dist_outbuf_end(struct dist_outbuf *out)
{
	out->accepted += out->sent;
	out->sent = 0;
	if (!out->spare && out->done && out->done->capacity <= out->block_size)
		out->spare = out->done;
	else
		free(out->done);
	out->done = NULL;
	return out->batch_bytes + out->waiting_bytes > 0;
}

void
dist_outbuf_trim(struct dist_outbuf *out)
{
	free(out->spare);
	out->spare = NULL;
	out->block_size = BLOCK_MIN;
}
