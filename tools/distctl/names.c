/*
 * getaddrinfo() knows no deadline, so a thread of the C library's runs it. What it still
 * works on when time is up stays until the program ends.
 */
#include "distctl/names.h"

#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

struct look_up {
	struct gaicb request;
	struct addrinfo hints;
	char host[];
};

static struct look_up *
look_up_new(const char *host)
{
	struct look_up *look_up = calloc(1, sizeof(*look_up) + strlen(host) + 1);

	if (!look_up)
		return NULL;
	strcpy(look_up->host, host);
	look_up->hints.ai_socktype = SOCK_STREAM;
	look_up->request.ar_name = look_up->host;
	look_up->request.ar_request = &look_up->hints;
	return look_up;
}

/* 0, or why not, as gai_strerror() has it. */
static int
run(struct look_up *look_up, int64_t timeout_ms)
{
	struct gaicb *list[] = { &look_up->request };
	struct timespec until, now;
	int64_t left_ms = timeout_ms;
	int error;

	error = getaddrinfo_a(GAI_NOWAIT, list, 1, NULL);
	if (error)
		return error;
	clock_gettime(CLOCK_MONOTONIC, &until);
	while ((error = gai_error(&look_up->request)) == EAI_INPROGRESS &&
	       left_ms > 0) {
		struct timespec wait = { left_ms / 1000, left_ms % 1000 * 1000000 };

		gai_suspend((const struct gaicb *const *)list, 1, &wait);
		clock_gettime(CLOCK_MONOTONIC, &now);
		left_ms = timeout_ms - (now.tv_sec - until.tv_sec) * 1000 -
		          (now.tv_nsec - until.tv_nsec) / 1000000;
	}
	return error;
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
	/* Of a look-up that goes on: whoever runs it writes there. */
	static struct look_up *left_behind;
	struct look_up *look_up;
	int error;

	memset(ret_names, 0, sizeof(*ret_names));
	if (!*host || strcasecmp(host, "localhost") == 0) {
		add_loopback(ret_names);
		return NULL;
	}
	look_up = look_up_new(host);
	if (!look_up)
		return "out of memory";
	error = run(look_up, timeout_ms);
	if (error == EAI_INPROGRESS) {
		left_behind = look_up;
		(void)left_behind;
		return "no answer in time";
	}
	for (struct addrinfo *info = look_up->request.ar_result; !error && info;
	     info = info->ai_next)
		add_name(ret_names, info);
	if (!error)
		freeaddrinfo(look_up->request.ar_result);
	free(look_up);
	return error ? gai_strerror(error) : NULL;
}
