/*
 * The common part of the daemons; see daemon.h.
 *
 * Stop signals stay blocked in the main thread, which takes them synchronously: nothing
 * ever runs in a signal handler. The library's threads block all signals themselves.
 */
#include "program/daemon.h"

#include "program/options.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#ifdef HAVE_SYSTEMD
#include <systemd/sd-daemon.h>
#endif

static void
stop_signals(sigset_t *ret_signals)
{
	sigemptyset(ret_signals);
	sigaddset(ret_signals, SIGTERM);
	sigaddset(ret_signals, SIGINT);
}

/* Each connection is a descriptor; the soft limit of 1024 is there for select(2). */
static void
raise_descriptor_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur == limit.rlim_max)
		return;
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit))
		dist_log(DIST_LOG_WARNING, "descriptor-limit-kept", "reason=\"%s\"",
		         strerror(errno));
}

void
daemon_begin(enum dist_log_level level)
{
	sigset_t signals;

	dist_log_set_sink(dist_log_to_stderr, NULL, level);
	signal(SIGPIPE, SIG_IGN);
	/* A log that may not grow (RLIMIT_FSIZE) ends no more than one that nobody reads. */
	signal(SIGXFSZ, SIG_IGN);
	/* A shell starts background jobs with SIGINT ignored. */
	signal(SIGINT, SIG_DFL);
	signal(SIGTERM, SIG_DFL);
	stop_signals(&signals);
	pthread_sigmask(SIG_BLOCK, &signals, NULL);
	raise_descriptor_limit();
}

int
daemon_start_failed(enum dist_err err)
{
	if (err == DIST_EADDRESS)
		return program_wrong_usage("%s", dist_error_text());
	return program_fail("%s", dist_error_text());
}

static void
notify(const char *state, const char *status)
{
#ifdef HAVE_SYSTEMD
	sd_notifyf(0, "%s\nSTATUS=%s", state, status);
#else
	(void)state;
	(void)status;
#endif
}

/* The host part of "ADDR:PORT", for people: where callers on which hosts get in. */
static void
listen_host(const char *listen, char *ret_host, size_t size)
{
	const char *colon = listen ? strrchr(listen, ':') : NULL;

	/* Without a colon it would not have been listened on. */
	if (!colon)
		snprintf(ret_host, size, "localhost");
	else if (colon == listen)
		snprintf(ret_host, size, "*");
	else
		snprintf(ret_host, size, "%.*s", (int)(colon - listen), listen);
}

void
daemon_listening(const char *id, const char *listen, unsigned port, const char *name)
{
	char host[256], status[300];

	listen_host(listen, host, sizeof(host));
	dist_log(DIST_LOG_NOTICE, id, "address=%s port=%u%s%s", host, port,
	         name ? " name=" : "", name ? name : "");
	snprintf(status, sizeof(status), "Listening on %s, port %u", host, port);
	notify("READY=1", status);
}

/* Of the signals that are pending; 0: none is. */
static int
take_signal(const sigset_t *signals)
{
	const struct timespec at_once = { 0 };
	int number = sigtimedwait(signals, NULL, &at_once);

	return number < 0 ? 0 : number;
}

int
daemon_wait_signal(int fd)
{
	struct pollfd polled[2] = { { .fd = -1, .events = POLLIN },
		                    { .fd = fd, .events = POLLIN } };
	sigset_t signals;
	int number = 0;

	stop_signals(&signals);
	if (fd < 0) {
		while (sigwait(&signals, &number))
			;
		return number;
	}
	polled[0].fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
	do {
		/* Signals without a descriptor are looked for each second. */
		if (poll(polled, 2, polled[0].fd < 0 ? 1000 : -1) < 0 && errno != EINTR)
			break;
		number = take_signal(&signals);
	} while (!number && !polled[1].revents);
	if (polled[0].fd >= 0)
		close(polled[0].fd);
	return number;
}

const char *
daemon_signal_name(int number)
{
	return number == SIGINT ? "SIGINT" : "SIGTERM";
}

static void
on_first_signal(int number)
{
	(void)number;
}

void
daemon_stopping(const char *why, bool by_signal)
{
	const struct sigaction once = { .sa_handler = on_first_signal,
		                        .sa_flags = SA_RESETHAND | SA_RESTART };
	sigset_t signals;

	notify("STOPPING=1", why);
	if (!by_signal) {
		sigaction(SIGTERM, &once, NULL);
		sigaction(SIGINT, &once, NULL);
	}
	stop_signals(&signals);
	pthread_sigmask(SIG_UNBLOCK, &signals, NULL);
}
