/*
 * A listener with nothing to send has its connection suspended; publishing resumes it.
 * Both happen under the feed's lock, so that no wake-up is lost. MHD calls us without
 * any of its own locks that resuming takes.
 */
#include "feed.h"

#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_BYTES ((size_t)64 * 1024)

struct frame {
	unsigned refs; /* guarded by the feed's lock */
	struct text text;
};

struct listener {
	struct feed *feed;
	struct MHD_Connection *connection;
	/* The HTTP thread's. */
	struct frame *frame; /* being sent; NULL: none */
	size_t at;
	uint64_t number; /* of the last moment it was given; 0: none yet */
	/* Guarded by the feed's lock. */
	struct listener *next, **link;
	bool suspended;
};

struct feed {
	pthread_mutex_t lock; /* guards all below */
	bool stopping;
	struct frame *whole, *change;
	uint64_t number;
	struct listener *listeners;
	unsigned n_listeners;
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
	if (feed->stopping) {
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
	feed->n_listeners--;
	pthread_mutex_unlock(&feed->lock);
	free(listener);
}

bool
feed_has_room(struct feed *feed)
{
	bool has_room;

	pthread_mutex_lock(&feed->lock);
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
