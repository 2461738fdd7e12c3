/*
 * The sink is called under locks of the library, so it only copies; a long line is cut.
 */
#include "events.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define ID_MAX   64
#define TEXT_MAX 512

struct event {
	int64_t time_ms;
	enum dist_log_level level;
	char id[ID_MAX];
	char text[TEXT_MAX];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards both below */
static struct event ring[EVENTS_KEPT];
static uint64_t n_events; /* so many there were; number N is at N - 1 */

static enum dist_log_level stderr_level; /* set before any thread */

/* What the cluster of the gateway sees of a node, the registry has told already. */
static bool
is_told_twice(const char *id)
{
	return strcmp(id, "node-seen") == 0 || strcmp(id, "node-left") == 0;
}

static void
events_sink(enum dist_log_level level, const char *id, const char *text, void *arg)
{
	struct timespec now;
	struct event *event;

	(void)arg;
	if (level <= stderr_level)
		dist_log_to_stderr(level, id, text, NULL);
	if (level > DIST_LOG_INFO || is_told_twice(id))
		return;
	clock_gettime(CLOCK_REALTIME, &now);
	pthread_mutex_lock(&lock);
	event = &ring[n_events++ % EVENTS_KEPT];
	event->time_ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
	event->level = level;
	snprintf(event->id, sizeof(event->id), "%s", id);
	snprintf(event->text, sizeof(event->text), "%s", text);
	pthread_mutex_unlock(&lock);
}

void
events_begin(enum dist_log_level level)
{
	stderr_level = level;
	dist_log_set_sink(events_sink, NULL,
	                  level > DIST_LOG_INFO ? level : DIST_LOG_INFO);
}

static const char *
level_name(enum dist_log_level level)
{
	switch (level) {
	case DIST_LOG_ERROR:
		return "error";
	case DIST_LOG_WARNING:
		return "warning";
	case DIST_LOG_NOTICE:
		return "notice";
	default:
		return "info";
	}
}

uint64_t
events_print(struct text *text, uint64_t after)
{
	uint64_t first, last;

	pthread_mutex_lock(&lock);
	last = n_events;
	first = last > EVENTS_KEPT ? last - EVENTS_KEPT : 0;
	if (after > first && after <= last)
		first = after;
	for (uint64_t i = first; i < last; i++) {
		const struct event *event = &ring[i % EVENTS_KEPT];

		text_print(text,
		           "%s{\"n\":%llu,\"time_ms\":%lld,\"level\":\"%s\",\"id\":",
		           i > first ? "," : "", (unsigned long long)(i + 1),
		           (long long)event->time_ms, level_name(event->level));
		text_json(text, event->id);
		text_add(text, ",\"text\":");
		text_json(text, event->text);
		text_add(text, "}");
	}
	pthread_mutex_unlock(&lock);
	return last;
}
