/*
 * getaddrinfo() knows no deadline, so a thread runs it. What it still works on when time is
 * up stays until the program ends.
 */
#include "distctl/names.h"

#include "program/clock.h"

#include <netdb.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

struct look_up {
	struct look_up *next; /* of those that were left behind */
	pthread_t thread;
	pthread_mutex_t lock; /* guards .done */
	pthread_cond_t changed;
	bool done;
	/* The thread's until then: 0, or an EAI_... */
	int error;
	struct addrinfo *found;
	char host[];
};

static void *
look_up_run(void *arg)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	struct look_up *look_up = arg;

	look_up->error = getaddrinfo(look_up->host, NULL, &hints, &look_up->found);
	pthread_mutex_lock(&look_up->lock);
	look_up->done = true;
	pthread_cond_signal(&look_up->changed);
	pthread_mutex_unlock(&look_up->lock);
	return NULL;
}

static void
look_up_free(struct look_up *look_up)
{
	pthread_cond_destroy(&look_up->changed);
	pthread_mutex_destroy(&look_up->lock);
	free(look_up);
}

/* NULL: no memory, or no thread. */
static struct look_up *
look_up_start(const char *host)
{
	struct look_up *look_up = calloc(1, sizeof(*look_up) + strlen(host) + 1);

	if (!look_up)
		return NULL;
	strcpy(look_up->host, host);
	pthread_mutex_init(&look_up->lock, NULL);
	program_cond_init(&look_up->changed);
	if (!pthread_create(&look_up->thread, NULL, look_up_run, look_up))
		return look_up;
	look_up_free(look_up);
	return NULL;
}

/* True: its thread has ended. False: it goes on. */
static bool
look_up_await(struct look_up *look_up, int64_t timeout_ms)
{
	const struct timespec until = program_in_ms(timeout_ms);
	bool done;

	pthread_mutex_lock(&look_up->lock);
	while (!look_up->done &&
	       pthread_cond_timedwait(&look_up->changed, &look_up->lock, &until) == 0)
		;
	done = look_up->done;
	pthread_mutex_unlock(&look_up->lock);
	if (done)
		pthread_join(look_up->thread, NULL);
	else
		pthread_detach(look_up->thread);
	return done;
}

static void
add_name(struct names *names, const struct addrinfo *info)
{
	bool v6 = info->ai_family == AF_INET6;
	char text[NAMES_TEXT_MAX - 2];

	if (names->n == NAMES_MAX ||
	    getnameinfo(info->ai_addr, info->ai_addrlen, text, sizeof(text), NULL, 0,
	                NI_NUMERICHOST))
		return;
	snprintf(names->list[names->n].text, NAMES_TEXT_MAX, v6 ? "[%s]" : "%s", text);
	names->list[names->n++].netid = v6 ? "tcp6" : "tcp";
}

/* As the library has it: what every host calls itself is not looked up. */
static void
add_loopback(struct names *names)
{
	strcpy(names->list[0].text, "127.0.0.1");
	names->list[0].netid = "tcp";
	strcpy(names->list[1].text, "[::1]");
	names->list[1].netid = "tcp6";
	names->n = 2;
}

const char *
names_look_up(struct names *ret_names, const char *host, int64_t timeout_ms)
{
	/* Whoever runs one that goes on writes there. */
	static struct look_up *left_behind;
	struct look_up *look_up;
	int error;

	memset(ret_names, 0, sizeof(*ret_names));
	if (!*host || strcasecmp(host, "localhost") == 0) {
		add_loopback(ret_names);
		return NULL;
	}
	look_up = look_up_start(host);
	if (!look_up)
		return "out of memory";
	if (!look_up_await(look_up, timeout_ms)) {
		look_up->next = left_behind;
		left_behind = look_up;
		return "no answer in time";
	}
	error = look_up->error;
	for (struct addrinfo *info = error ? NULL : look_up->found; info;
	     info = info->ai_next)
		add_name(ret_names, info);
	if (!error)
		freeaddrinfo(look_up->found);
	look_up_free(look_up);
	return error ? gai_strerror(error) : NULL;
}
