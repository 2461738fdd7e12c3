/*
 * A list of pieces. Short records are copied one behind the other into blocks; a block
 * that has joined the batch is not added to any more, so that appending and sending
 * never touch the same memory.
 *
 * Blocks are of two sizes. A connection has one small block, which is all that most of
 * them ever need. What does not fit into it, or is appended while it is being sent,
 * goes to large ones: of the process's reserve, or malloc()ed where that is used up.
 * Two of these stay for what comes next, one to fill while the other is sent, until
 * many batches in a row did without: a connection that carries a heartbeat a second
 * must not keep what a burst needed.
 */
#include "io/outbuf.h"

#include "base/copy.h"
#include "base/error.h"
#include "base/reserve.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

/* What a block holds. */
#define SMALL ((size_t)1024)
#define LARGE (DIST_RESERVE_BLOCK - sizeof(struct dist_outpiece))
/* Large blocks that stay. */
#define LARGE_MAX 2
/* After so many batches that the small block would have held it is taken first again,
 * and after so many that needed no large one there are none any more. */
#define NARROW_SMALL   8
#define NARROW_NO_MORE 64
/* Pieces in one system call. */
#define SEND_PIECES 64
/*
 * Bytes in one send: a receiver that keeps up would have its sender copy a record of any
 * size without a pause, and a loop has other connections.
 */
#define SEND_BYTES ((size_t)1088 * 1024)

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
	*out = (struct dist_outbuf){ .n_narrow = NARROW_SMALL };
	dist_list_init(&out->waiting);
	dist_list_init(&out->spares);
	dist_list_init(&out->batch);
	dist_list_init(&out->done);
}

static void
piece_free(struct dist_outpiece *piece)
{
	if (piece->release)
		piece->release(piece->arg);
	if (!dist_reserve_give(piece))
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
	pieces_free(&out->spares);
	pieces_free(&out->done);
	out->waiting_bytes = out->batch_bytes = 0;
}

/* --- Blocks --------------------------------------------------------------------- */

static struct dist_outpiece *
block_new(size_t capacity, bool from_reserve)
{
	struct dist_outpiece *block = NULL;

	if (capacity == LARGE && from_reserve)
		block = dist_reserve_take();
	if (!block)
		block = malloc(sizeof(*block) + capacity);
	if (block)
		*block = (struct dist_outpiece){ .capacity = capacity };
	return block;
}

static unsigned
blocks_count(struct dist_list *blocks, size_t capacity)
{
	struct dist_outpiece *block, *next;
	unsigned n = 0;

	DIST_LIST_EACH (block, next, blocks, link)
		n += block->capacity == capacity;
	return n;
}

/* One that was sent stays in @blocks, the small one first, unless there are enough. */
static void
blocks_keep(struct dist_list *blocks, struct dist_outpiece *block)
{
	if (block->capacity == SMALL)
		dist_list_prepend(blocks, &block->link);
	else if (block->capacity == LARGE && blocks_count(blocks, LARGE) < LARGE_MAX)
		dist_list_append(blocks, &block->link);
	else
		piece_free(block);
}

static void
blocks_free_large(struct dist_list *blocks)
{
	struct dist_outpiece *block, *next;

	DIST_LIST_EACH (block, next, blocks, link) {
		if (block->capacity == SMALL)
			continue;
		dist_list_remove(&block->link);
		piece_free(block);
	}
}

/* A spare block with at least @capacity bytes; NULL: there is none. */
static struct dist_outpiece *
blocks_take(struct dist_list *blocks, size_t capacity)
{
	struct dist_outpiece *block, *next;

	DIST_LIST_EACH (block, next, blocks, link) {
		if (block->capacity < capacity)
			continue;
		dist_list_remove(&block->link);
		return block;
	}
	return NULL;
}

/* --- Appending ------------------------------------------------------------------ */

/* The last waiting piece, where it is a block; else NULL. */
static struct dist_outpiece *
outbuf_last_block(const struct dist_outbuf *out)
{
	struct dist_outpiece *last;

	if (dist_list_empty(&out->waiting))
		return NULL;
	last = PIECE(out->waiting.prev);
	return last->capacity ? last : NULL;
}

/* Of the size that @length more bytes are best copied to, the last block being full. */
static size_t
outbuf_next_capacity(const struct dist_outbuf *out, size_t length)
{
	bool narrow = !outbuf_last_block(out) && out->n_narrow >= NARROW_SMALL;

	if (length > LARGE)
		return length;
	return narrow && length <= SMALL ? SMALL : LARGE;
}

static struct dist_outpiece *
outbuf_add_block(struct dist_outbuf *out, size_t length)
{
	size_t capacity = outbuf_next_capacity(out, length);
	struct dist_outpiece *block = blocks_take(&out->spares, capacity);

	/* The small one is on its way out. */
	if (!block && capacity == SMALL && out->has_small)
		capacity = LARGE;
	/* The reserve is not for what a peer does not take. */
	if (!block)
		block = block_new(capacity, dist_outbuf_pending(out) < LARGE_MAX * LARGE);
	if (!block)
		return NULL;
	if (block->capacity == SMALL)
		out->has_small = true;
	else
		out->n_narrow = DIST_MIN(out->n_narrow, NARROW_SMALL);
	block->data = block->block;
	block->length = block->sent = 0;
	dist_list_append(&out->waiting, &block->link);
	return block;
}

uint8_t *
dist_outbuf_room(struct dist_outbuf *out, size_t length)
{
	struct dist_outpiece *block = outbuf_last_block(out);
	uint8_t *room;

	if (!block || block->capacity - block->length < length)
		block = outbuf_add_block(out, length);
	if (!block)
		return NULL;
	room = block->block + block->length;
	block->length += length;
	out->waiting_bytes += length;
	out->appended += length;
	return room;
}

enum dist_err
dist_outbuf_append(struct dist_outbuf *out, const void *data, size_t length)
{
	uint8_t *room;

	if (length == 0)
		return DIST_OK;
	room = dist_outbuf_room(out, length);
	if (!room)
		return dist_error_set_plain(DIST_ENOMEM);
	dist_copy(room, data, length);
	return DIST_OK;
}

static void
outbuf_add_piece(struct dist_outbuf *out, struct dist_outpiece *piece)
{
	dist_list_append(&out->waiting, &piece->link);
	out->waiting_bytes += piece->length;
	out->appended += piece->length;
}

static struct dist_outpiece *
piece_refer(const void *data, size_t length, dist_outbuf_release_fn *release, void *arg)
{
	struct dist_outpiece *piece = malloc(sizeof(*piece));

	if (piece)
		*piece = (struct dist_outpiece){
			.data = data, .length = length, .release = release, .arg = arg
		};
	return piece;
}

enum dist_err
dist_outbuf_refer(struct dist_outbuf *out, const void *data, size_t length,
                  dist_outbuf_release_fn *release, void *arg)
{
	struct dist_outpiece *piece = piece_refer(data, length, release, arg);

	if (!piece)
		return dist_error_set_plain(DIST_ENOMEM);
	outbuf_add_piece(out, piece);
	return DIST_OK;
}

uint8_t *
dist_outbuf_room_and_refer(struct dist_outbuf *out, size_t head, const void *data,
                           size_t length, dist_outbuf_release_fn *release, void *arg)
{
	struct dist_outpiece *piece = piece_refer(data, length, release, arg);
	uint8_t *room = piece ? dist_outbuf_room(out, head) : NULL;

	if (room)
		outbuf_add_piece(out, piece);
	else
		free(piece);
	return room;
}

/* --- Sending -------------------------------------------------------------------- */

void
dist_outbuf_begin(struct dist_outbuf *out)
{
	out->n_narrow = out->waiting_bytes > SMALL ? 0 : out->n_narrow + 1;
	if (out->n_narrow > NARROW_NO_MORE) {
		blocks_free_large(&out->spares);
		out->n_narrow = NARROW_SMALL;
	}
	dist_list_move_all(&out->waiting, &out->batch);
	out->batch_bytes += out->waiting_bytes;
	out->waiting_bytes = 0;
	out->sent = 0;
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
		dist_list_remove(&piece->link);
		blocks_keep(&out->done, piece);
	}
}

static size_t
outbuf_gather(struct dist_outbuf *out, struct iovec *pieces, size_t n_max, size_t room)
{
	struct dist_outpiece *piece, *next;
	size_t n = 0, length;

	DIST_LIST_EACH (piece, next, &out->batch, link) {
		if (n == n_max || room == 0)
			break;
		length = DIST_MIN(piece->length - piece->sent, room);
		pieces[n].iov_base = (void *)(piece->data + piece->sent);
		pieces[n].iov_len = length;
		room -= length;
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
		if (out->sent >= SEND_BYTES)
			return DIST_SENT_BLOCKED;
		message.msg_iovlen =
			outbuf_gather(out, pieces, SEND_PIECES, SEND_BYTES - out->sent);
		/* One piece, as with most small calls, needs no list of them. */
		if (message.msg_iovlen == 1)
			n = send(fd, pieces[0].iov_base, pieces[0].iov_len,
			         MSG_NOSIGNAL | MSG_DONTWAIT);
		else
			n = sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
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
	struct dist_list *link;

	out->accepted += out->sent;
	out->sent = 0;
	while ((link = dist_list_pop(&out->done)))
		blocks_keep(&out->spares, PIECE(link));
	return out->batch_bytes + out->waiting_bytes > 0;
}

void
dist_outbuf_slim(struct dist_outbuf *out)
{
	blocks_free_large(&out->spares);
}

void
dist_outbuf_trim(struct dist_outbuf *out)
{
	out->has_small = out->has_small && !blocks_count(&out->spares, SMALL);
	pieces_free(&out->spares);
}
