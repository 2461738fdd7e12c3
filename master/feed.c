/*
 * A listener with nothing to send has its connection suspended; publishing resumes it.
 * Both happen under the feed's lock, so that no wake-up is lost. MHD calls us without
 * any of its own locks that resuming takes.
 */
#include "feed.h"

#include <netinet/in.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define BLOCK_BYTES ((size_t)64 * 1024)

struct frame {
	unsigned refs; /* guarded by the feed's lock */
	struct text text;
};

/* Where a listener is: an IPv4 address, or the 64 bits of an IPv6 one that name a network. */
struct host {
	int family;
	uint8_t address[8];
};

struct listener {
	struct feed *feed;
	struct MHD_Connection *connection;
	struct host host;
	/* The HTTP thread's. */
	struct frame *frame; /* being sent; NULL: none */
	size_t at;
	uint64_t number; /* of the last moment it was given; 0: none yet */
	/* Guarded by the feed's lock. */
	struct listener *next, **link;
	bool suspended;
	bool ended; /* it counts no more; MHD has yet to notice */
};

struct feed {
	pthread_mutex_t lock; /* guards all below */
	bool stopping;
	struct frame *whole, *change;
	uint64_t number;
	struct listener *listeners; /* the newest first */
	unsigned n_listeners;       /* that have not ended */
};

static void
frame_unref_locked(struct frame *frame)
{
	if (!frame || --frame->refs)
		return;
	text_free(&frame->text);
	free(frame);
}

static struct frame *
frame_new(const char *event, struct text *json)
{
	struct frame *frame = calloc(1, sizeof(*frame));

	if (!frame || json->failed || !json->data) {
		free(frame);
		return NULL;
	}
	frame->refs = 1;
	text_print(&frame->text, "event: %s\ndata: ", event);
	text_add_bytes(&frame->text, json->data, json->length);
	text_add(&frame->text, "\n\n");
	if (!frame->text.failed)
		return frame;
	text_free(&frame->text);
	free(frame);
	return NULL;
}

void
feed_publish(struct feed *feed, struct text *whole, struct text *change)
{
	struct frame *new_whole = frame_new("whole", whole);
	struct frame *new_change = frame_new("change", change);

	text_free(whole);
	text_free(change);
	pthread_mutex_lock(&feed->lock);
	/* Without memory for a moment there is none: the next one is sent whole. */
	frame_unref_locked(feed->change);
	feed->change = new_change;
	feed->number += new_change ? 1 : 2;
	if (new_whole) {
		frame_unref_locked(feed->whole);
		feed->whole = new_whole;
		for (struct listener *it = feed->listeners; it; it = it->next) {
			if (it->suspended)
				MHD_resume_connection(it->connection);
			it->suspended = false;
		}
	}
	pthread_mutex_unlock(&feed->lock);
}

/* The next frame for it; NULL: it has seen all. */
static struct frame *
next_frame_locked(struct listener *listener)
{
	struct feed *feed = listener->feed;
	struct frame *frame;

	if (!feed->whole || listener->number == feed->number)
		return NULL;
	frame = listener->number && listener->number + 1 == feed->number ? feed->change
	                                                                 : feed->whole;
	listener->number = feed->number;
	frame->refs++;
	return frame;
}

/* For MHD: up to @max bytes more, 0 with the connection suspended, or the end. */
static ssize_t
feed_read(void *arg, uint64_t position, char *buffer, size_t max)
{
	struct listener *listener = arg;
	struct feed *feed = listener->feed;
	ssize_t n = 0;

	(void)position;
	pthread_mutex_lock(&feed->lock);
	if (listener->frame && listener->at == listener->frame->text.length) {
		frame_unref_locked(listener->frame);
		listener->frame = NULL;
	}
	if (!listener->frame) {
		listener->frame = next_frame_locked(listener);
		listener->at = 0;
	}
	if (feed->stopping || listener->ended) {
		n = MHD_CONTENT_READER_END_OF_STREAM;
	} else if (!listener->frame) {
		listener->suspended = true;
		MHD_suspend_connection(listener->connection);
	}
	pthread_mutex_unlock(&feed->lock);
	if (n || !listener->frame)
		return n;
	if (max > listener->frame->text.length - listener->at)
		max = listener->frame->text.length - listener->at;
	memcpy(buffer, listener->frame->text.data + listener->at, max);
	listener->at += max;
	return (ssize_t)max;
}

/* For MHD: the connection is over. */
static void
feed_end(void *arg)
{
	struct listener *listener = arg;
	struct feed *feed = listener->feed;

	pthread_mutex_lock(&feed->lock);
	frame_unref_locked(listener->frame);
	*listener->link = listener->next;
	if (listener->next)
		listener->next->link = listener->link;
	feed->n_listeners -= !listener->ended;
	pthread_mutex_unlock(&feed->lock);
	free(listener);
}

/* --- Who may listen --------------------------------------------------------------- */

static struct host
host_of(struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(
		connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
	const struct sockaddr *address = info ? info->client_addr : NULL;
	struct host host = { .family = address ? address->sa_family : AF_UNSPEC };
	const struct in6_addr *ip6;

	if (host.family == AF_INET) {
		memcpy(host.address, &((const struct sockaddr_in *)address)->sin_addr, 4);
	} else if (host.family == AF_INET6) {
		ip6 = &((const struct sockaddr_in6 *)address)->sin6_addr;
		if (IN6_IS_ADDR_V4MAPPED(ip6))
			memcpy(host.address, ip6->s6_addr + 12, 4);
		else
			memcpy(host.address, ip6->s6_addr, 8);
	}
	return host;
}

static unsigned
count_host_locked(const struct feed *feed, const struct host *host)
{
	unsigned n = 0;

	for (const struct listener *it = feed->listeners; it; it = it->next)
		n += !it->ended && it->host.family == host->family &&
		     memcmp(it->host.address, host->address, sizeof(host->address)) == 0;
	return n;
}

/* The longest there of the host that has most; @ret_n says how many. */
static struct listener *
find_most_locked(struct feed *feed, unsigned *ret_n)
{
	struct listener *most = NULL;
	unsigned n;

	*ret_n = 0;
	for (struct listener *it = feed->listeners; it; it = it->next) {
		n = it->ended ? 0 : count_host_locked(feed, &it->host);
		if (n > 0 && n >= *ret_n) {
			*ret_n = n;
			most = it;
		}
	}
	return most;
}

/* Even if it takes nothing of what it is sent. */
static void
end_listener_locked(struct feed *feed, struct listener *listener)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(
		listener->connection, MHD_CONNECTION_INFO_CONNECTION_FD);

	listener->ended = true;
	feed->n_listeners--;
	shutdown(info->connect_fd, SHUT_RDWR);
	if (listener->suspended)
		MHD_resume_connection(listener->connection);
	listener->suspended = false;
}

bool
feed_make_room(struct feed *feed, struct MHD_Connection *connection)
{
	const struct host host = host_of(connection);
	struct listener *most;
	bool has_room;
	unsigned n;

	pthread_mutex_lock(&feed->lock);
	if (feed->n_listeners >= FEED_LISTENERS_MAX) {
		most = find_most_locked(feed, &n);
		if (n > count_host_locked(feed, &host) + 1)
			end_listener_locked(feed, most);
	}
	has_room = feed->n_listeners < FEED_LISTENERS_MAX && !feed->stopping;
	pthread_mutex_unlock(&feed->lock);
	return has_room;
}

enum MHD_Result
feed_reply(struct feed *feed, struct MHD_Connection *connection,
           struct MHD_Response *(*finish)(struct MHD_Response *))
{
	struct listener *listener = calloc(1, sizeof(*listener));
	struct MHD_Response *response;
	enum MHD_Result result;

	if (!listener)
		return MHD_NO;
	listener->feed = feed;
	listener->connection = connection;
	listener->host = host_of(connection);
	response = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK_BYTES,
	                                             feed_read, listener, feed_end);
	if (!response) {
		free(listener);
		return MHD_NO;
	}
	pthread_mutex_lock(&feed->lock);
	listener->next = feed->listeners;
	listener->link = &feed->listeners;
	if (listener->next)
		listener->next->link = &listener->next;
	feed->listeners = listener;
	feed->n_listeners++;
	pthread_mutex_unlock(&feed->lock);
	finish(response);
	result = MHD_queue_response(connection, MHD_HTTP_OK, response);
	MHD_destroy_response(response);
	return result;
}

void
feed_stop(struct feed *feed)
{
	pthread_mutex_lock(&feed->lock);
	feed->stopping = true;
	for (struct listener *it = feed->listeners; it; it = it->next) {
		if (it->suspended)
			MHD_resume_connection(it->connection);
		it->suspended = false;
	}
	pthread_mutex_unlock(&feed->lock);
}

struct feed *
feed_new(void)
{
	struct feed *feed = calloc(1, sizeof(*feed));

	if (feed)
		pthread_mutex_init(&feed->lock, NULL);
	return feed;
}

void
feed_free(struct feed *feed)
{
	if (!feed)
		return;
	frame_unref_locked(feed->whole);
	frame_unref_locked(feed->change);
	pthread_mutex_destroy(&feed->lock);
	free(feed);
}
