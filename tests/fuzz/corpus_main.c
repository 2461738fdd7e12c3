/*
 * Runs a fuzz target over its corpus, as an ordinary test: each file as it is, and cut
 * at each byte of its first kilobyte, a case of TAP for each file. What a target finds
 * wrong ends the program, which the runner counts as a failure.
 */
#include "fuzz.h"

#include <dirent.h>
#include <string.h>

#define FILE_MAX ((size_t)1 << 20)
#define CUT_MAX  1024

/* The input in memory of just its size, so that a sanitizer sees a read past its end.
 */
static void
run(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size + !size);

	FUZZ_CHECK(copy);
	memcpy(copy, data, size);
	LLVMFuzzerTestOneInput(copy, size);
	free(copy);
}

static void
run_file(const char *directory, const char *name)
{
	static uint8_t data[FILE_MAX];
	char path[4096];
	size_t size;
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	file = fopen(path, "rb");
	FUZZ_CHECK(file);
	size = fread(data, 1, sizeof(data), file);
	fclose(file);
	for (size_t cut = 0; cut < size && cut < CUT_MAX; cut++)
		run(data, cut);
	run(data, size);
}

static int
is_seed(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

int
main(int n_args, char **args)
{
	struct dirent **seeds;
	int n;

	FUZZ_CHECK(n_args == 2);
	n = scandir(args[1], &seeds, is_seed, alphasort);
	FUZZ_CHECK(n > 0);
	printf("1..%d\n", n);
	for (int i = 0; i < n; i++) {
		run_file(args[1], seeds[i]->d_name);
		printf("ok %d - %s\n", i + 1, seeds[i]->d_name);
		fflush(stdout);
		free(seeds[i]);
	}
	free(seeds);
	return 0;
}
