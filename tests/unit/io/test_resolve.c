/*
 * The system's resolver is replaced in this program, so that it answers what a test
 * wants, or not at all until a test lets it.
 */
#include "io/resolve.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "support/check.h"

#include <dlfcn.h>
#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

static struct {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool silent;      /* "silent.test" is not answered while this holds */
	unsigned n_asked; /* names asked for */
	unsigned n_stuck; /* threads that wait in it */
	bool signals_blocked;
	char thread_name[16];
} resolver = { .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };

typedef int getaddrinfo_fn(const char *, const char *, const struct addrinfo *,
                           struct addrinfo **);

static void
note_thread(void)
{
	sigset_t blocked;

	pthread_sigmask(SIG_SETMASK, NULL, &blocked);
	resolver.signals_blocked = sigismember(&blocked, SIGTERM) == 1 &&
	                           sigismember(&blocked, SIGUSR1) == 1;
	pthread_getname_np(pthread_self(), resolver.thread_name,
	                   sizeof(resolver.thread_name));
}

/* An answer of two addresses, one of them twice. */
static int
answer(getaddrinfo_fn *real, struct addrinfo **ret)
{
	static const char *const hosts[] = { "192.0.2.1", "2001:db8::1", "192.0.2.1" };
	struct addrinfo hints = { .ai_flags = AI_NUMERICHOST,
		                  .ai_socktype = SOCK_STREAM };
	struct addrinfo **end = ret;

	for (size_t i = 0; i < DIST_ARRAY_SIZE(hosts); i++) {
		if (real(hosts[i], NULL, &hints, end) != 0)
			return EAI_FAIL;
		end = &(*end)->ai_next;
	}
	return 0;
}

int
getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
            struct addrinfo **ret)
{
	getaddrinfo_fn *real;

	*(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
	if (hints && hints->ai_flags & AI_NUMERICHOST)
		return real(name, service, hints, ret);

	pthread_mutex_lock(&resolver.lock);
	note_thread();
	resolver.n_asked++;
	resolver.n_stuck++;
	while (resolver.silent && strcmp(name, "silent.test") == 0)
		pthread_cond_wait(&resolver.changed, &resolver.lock);
	resolver.n_stuck--;
	pthread_cond_broadcast(&resolver.changed);
	pthread_mutex_unlock(&resolver.lock);

	if (strcmp(name, "broken.test") == 0) {
		errno = ENETDOWN;
		return EAI_SYSTEM;
	}
	return strcmp(name, "unknown.test") == 0 ? EAI_NONAME : answer(real, ret);
}

static void
resolver_be_silent(bool silent)
{
	pthread_mutex_lock(&resolver.lock);
	resolver.silent = silent;
	pthread_cond_broadcast(&resolver.changed);
	while (!silent && resolver.n_stuck > 0)
		pthread_cond_wait(&resolver.changed, &resolver.lock);
	pthread_mutex_unlock(&resolver.lock);
}

static unsigned
n_asked(void)
{
	unsigned n;

	pthread_mutex_lock(&resolver.lock);
	n = resolver.n_asked;
	pthread_mutex_unlock(&resolver.lock);
	return n;
}

static void
assert_address(const struct dist_sockaddr *address, const char *expected)
{
	char text[DIST_ADDRESS_TEXT_MAX];

	assert_string_equal(dist_sockaddr_format(address, text), expected);
}

static void
test_an_address_and_localhost_ask_nobody(void **state)
{
	struct dist_addresses found;

	(void)state;
	assert_ok(dist_resolve("127.0.0.1", 3000, 0, NULL, &found));
	assert_int_equal(found.n, 1);
	assert_address(&found.list[0], "127.0.0.1:3000");
	assert_ok(dist_resolve("2001:db8::5", 1, 0, NULL, &found));
	assert_address(&found.list[0], "[2001:db8::5]:1");
	assert_ok(dist_resolve("localhost", 7, 0, NULL, &found));
	assert_int_equal(found.n, 2);
	assert_address(&found.list[0], "127.0.0.1:7");
	assert_address(&found.list[1], "[::1]:7");
	assert_ok(dist_resolve("LocalHost", -1, 0, NULL, &found));
	assert_ok(dist_resolve("", 7, 0, NULL, &found));
	assert_address(&found.list[0], "127.0.0.1:7");
	assert_int_equal(n_asked(), 0);
}

static void
test_a_name_becomes_its_addresses_each_once(void **state)
{
	struct dist_addresses found;

	(void)state;
	assert_ok(dist_resolve("host.test", 3000, DIST_NEVER, NULL, &found));
	assert_int_equal(found.n, 2);
	assert_address(&found.list[0], "192.0.2.1:3000");
	assert_address(&found.list[1], "[2001:db8::1]:3000");
	assert_true(resolver.signals_blocked);
	assert_string_equal(resolver.thread_name, "dist-resolve");
}

static void
test_a_name_that_does_not_resolve_is_told(void **state)
{
	struct dist_addresses found = { .n = 9 };

	(void)state;
	assert_err(dist_resolve("unknown.test", 1, DIST_NEVER, NULL, &found),
	           DIST_ERESOLVE);
	assert_non_null(strstr(dist_error_text(), "unknown.test"));
	assert_err(dist_resolve("broken.test", 1, DIST_NEVER, NULL, &found),
	           DIST_ERESOLVE);
	assert_non_null(strstr(dist_error_text(), strerror(ENETDOWN)));
	assert_int_equal(found.n, 9);
}

static void
test_a_silent_name_server_holds_nobody_past_the_deadline(void **state)
{
	int64_t begin = dist_clock_ns();
	struct dist_addresses found;

	(void)state;
	resolver_be_silent(true);
	assert_err(
		dist_resolve("silent.test", 1, dist_deadline_in_ms(120), NULL, &found),
		DIST_ERESOLVE);
	assert_true(dist_clock_ns() - begin >= 120 * DIST_NS_PER_MS);
	assert_non_null(strstr(dist_error_text(), "silent.test"));
	/* Others are looked up meanwhile. */
	assert_ok(dist_resolve("host.test", 1, DIST_NEVER, NULL, &found));
	resolver_be_silent(false);
	assert_ok(dist_resolve("silent.test", 1, DIST_NEVER, NULL, &found));
}

static void *
raise_flag(void *arg)
{
	atomic_store((atomic_bool *)arg, true);
	return NULL;
}

static void
test_a_raised_flag_calls_it_off(void **state)
{
	struct dist_addresses found;
	atomic_bool stop = false;
	pthread_t thread;

	(void)state;
	resolver_be_silent(true);
	assert_int_equal(pthread_create(&thread, NULL, raise_flag, &stop), 0);
	assert_err(dist_resolve("silent.test", 1, DIST_NEVER, &stop, &found),
	           DIST_ECLOSED);
	pthread_join(thread, NULL);
	resolver_be_silent(false);
}

/* Threads left behind are bounded; once the server answers, look-ups work again. */
static void
test_a_silent_name_server_does_not_gather_threads(void **state)
{
	struct dist_addresses found;
	unsigned before = n_asked();
	enum dist_err err;

	(void)state;
	resolver_be_silent(true);
	for (int i = 0; i < 100; i++)
		assert_err(dist_resolve("silent.test", 1, 0, NULL, &found),
		           DIST_ERESOLVE);
	assert_non_null(strstr(dist_error_text(), "wait for a name server"));
	resolver_be_silent(false);
	do
		err = dist_resolve("host.test", 1, DIST_NEVER, NULL, &found);
	while (err != DIST_OK);
	assert_true(n_asked() - before < 100);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_an_address_and_localhost_ask_nobody),
	cmocka_unit_test(test_a_name_becomes_its_addresses_each_once),
	cmocka_unit_test(test_a_name_that_does_not_resolve_is_told),
	cmocka_unit_test(test_a_silent_name_server_holds_nobody_past_the_deadline),
	cmocka_unit_test(test_a_raised_flag_calls_it_off),
	cmocka_unit_test(test_a_silent_name_server_does_not_gather_threads),
};

CHECK_MAIN(tests)
