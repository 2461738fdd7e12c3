/*
 * What every cmocka program here starts with: cmocka and the headers that it wants before
 * it, assertions on our own types, and a main() that looks for descriptors left open,
 * ends with the first case that fails, and tells which case ran, and where, when its time
 * is up.
 */
#ifndef SUPPORT_CHECK_H
#define SUPPORT_CHECK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <dist/error.h>
#include <execinfo.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The expression gives DIST_OK; the sentence of what went wrong is shown otherwise. */
#define assert_ok(expression) assert_err(expression, DIST_OK)

/* The expression gives this error. */
#define assert_err(expression, expected) \
	check_err((expression), (expected), #expression, __FILE__, __LINE__)

static inline void
check_err(enum dist_err err, enum dist_err expected, const char *expression,
          const char *file, int line)
{
	if (err == expected)
		return;
	print_error("%s gave %s, not %s: %s\n", expression, dist_error_name(err),
	            dist_error_name(expected), dist_error_text());
	_fail(file, line);
}

/* Bytes of a struct dist_bytes against a string literal, NUL not counted. */
#define assert_bytes_equal(bytes, literal) \
	do { \
		__typeof__(bytes) check_bytes_ = (bytes); \
		assert_int_equal(check_bytes_.length, sizeof(literal) - 1); \
		assert_memory_equal(check_bytes_.data, literal, sizeof(literal) - 1); \
	} while (0)

/* In any thread, which cmocka's own assertions end without a word. The rest tells what is
 * wrong, as printf() takes it. */
#define CHECK(condition, ...) \
	do { \
		if (!(condition)) { \
			fprintf(stderr, "%s:%d: ", __FILE__, __LINE__); \
			fprintf(stderr, __VA_ARGS__); \
			fprintf(stderr, "\n"); \
			abort(); \
		} \
	} while (0)

/* Options for dist_cluster_open(): a busy machine may take more than its five seconds. */
#define CHECK_PATIENT (&(const struct dist_cluster_options){ .open_timeout_ms = 30000 })

/* Descriptors open in this process. */
static inline unsigned
check_count_descriptors(void)
{
	DIR *directory = opendir("/proc/self/fd");
	unsigned count = 0;

	if (!directory)
		return 0;
	while (readdir(directory))
		count++;
	closedir(directory);
	return count;
}

static inline int
check_descriptors(int n_failed, unsigned n_before)
{
	unsigned n_after = check_count_descriptors();

	if (n_after <= n_before)
		return n_failed;
	fprintf(stderr, "%u descriptors were left open\n", n_after - n_before);
	return 1;
}

/* --- Which case runs: cmocka does not tell ------------------------------------------ */

static const struct CMUnitTest *check_case; /* NULL before the first */

/* Its state is the case itself, so that any of them may be left out. */
static inline int
check_setup(void **state)
{
	check_case = *state;
	*state = check_case->initial_state;
	return check_case->setup_func ? check_case->setup_func(state) : 0;
}

static inline void
check_test(void **state)
{
	check_case->test_func(state);
}

/* Meson ends so what goes on for too long. */
static inline void
check_on_term(int number)
{
	static const char what[] = "it was ended in ";
	const char *name = check_case ? check_case->name : "no case";
	void *frames[32];
	int n = backtrace(frames, 32);

	(void)!write(STDERR_FILENO, what, sizeof(what) - 1);
	(void)!write(STDERR_FILENO, name, strlen(name));
	(void)!write(STDERR_FILENO, "\n", 1);
	backtrace_symbols_fd(frames, n, STDERR_FILENO);
	signal(number, SIG_DFL);
	raise(number);
}

/* The array is what cmocka is to run in the place of @cases. */
static inline void
check_begin(const struct CMUnitTest *cases, struct CMUnitTest *array, size_t n)
{
	void *frame;

	for (size_t i = 0; i < n; i++) {
		array[i] = cases[i];
		array[i].initial_state = (void *)(uintptr_t)&cases[i];
		array[i].setup_func = check_setup;
		array[i].test_func = check_test;
	}
	/* A case that fails leaves open what its teardown would wait for, without a word. */
	setenv("CMOCKA_TEST_ABORT", "1", 0);
	/* Each line of TAP is seen, whatever comes of the next case. */
	setvbuf(stdout, NULL, _IOLBF, 0);
	backtrace(&frame, 1); /* what it needs it takes the first time */
	signal(SIGTERM, check_on_term);
}

static inline int
check_skip_all(void)
{
	puts("1..0 # SKIP not in a build of this kind");
	return 0;
}

/*
 * A program that runs the array @tests; a descriptor that a test leaves open fails it.
 * Where it cannot, such as under a sanitizer, @can_run is false: all are skipped together,
 * since cmocka's TAP calls a single one that was skipped "not ok".
 */
#define CHECK_MAIN(tests) CHECK_MAIN_WHERE(true, tests)
#define CHECK_MAIN_WHERE(can_run, tests) \
	int main(void) \
	{ \
		struct CMUnitTest array[sizeof(tests) / sizeof((tests)[0])]; \
		unsigned n_before = check_count_descriptors(); \
		int n_failed; \
		if (!(can_run)) \
			return check_skip_all(); \
		check_begin(tests, array, sizeof(tests) / sizeof((tests)[0])); \
		n_failed = cmocka_run_group_tests_name(#tests, array, NULL, NULL); \
		return check_descriptors(n_failed, n_before); \
	}

#endif
