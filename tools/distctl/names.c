/*
 * getaddrinfo() knows no deadline, so a thread runs it. What it still works on when time is
 * up stays until the program ends.
 */
#include "distctl/names.h"

#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

struct look_up {
	struct look_up *next; /* of those that were left behind */
	sem_t done;
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
	sem_post(&look_up->done);
	return NULL;
}

/* NULL: no memory, or no thread. */
static struct look_up *
look_up_start(const char *host)
{
	struct look_up *look_up = calloc(1, sizeof(*look_up) + strlen(host) + 1);
	pthread_t thread;

	if (!look_up)
		return NULL;
	strcpy(look_up->host, host);
	sem_init(&look_up->done, 0, 0);
	if (pthread_create(&thread, NULL, look_up_run, look_up)) {
		free(look_up);
		return NULL;
	}
	pthread_detach(thread);
	return look_up;
}

/* False: it goes on. */
static bool
look_up_await(struct look_up *look_up, int64_t timeout_ms)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += timeout_ms / 1000;
	until.tv_nsec += timeout_ms % 1000 * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_nsec -= 1000000000;
		until.tv_sec++;
	}
	return TEMP_FAILURE_RETRY(
		       sem_clockwait(&look_up->done, CLOCK_MONOTONIC, &until)) == 0;
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
	free(look_up);
	return error ? gai_strerror(error) : NULL;
}
