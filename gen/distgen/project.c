#include "distgen/project.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What stands for what in the files. */
struct words {
	const char *name;
	const char *upper;
	char number[sizeof("0x3fffffff")];
};

/*
 * The name becomes part of C names, and in capitals of macros: two names that differ in
 * case alone would meet there.
 */
static bool
name_is_right(const char *name)
{
	size_t length = strlen(name);

	return length > 0 && length <= DIST_PROJECT_NAME_MAX &&
	       islower((unsigned char)*name) &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_") == length;
}

/*
 * Names of their own should have program numbers of their own, so that two projects can
 * share a cluster: the name's hash (FNV-1a) in the upper half of what RFC 5531 section
 * 13.3 leaves to users; the lower half is for numbers that people choose.
 */
static uint32_t
program_number(const char *name)
{
	uint32_t hash = 2166136261U;

	for (; *name; name++)
		hash = (hash ^ (unsigned char)*name) * 16777619U;
	return 0x30000000U | ((hash ^ hash >> 28) & 0x0fffffffU);
}

static void
words_init(struct words *words, struct dist_job *job)
{
	char *upper = dist_arena_copy(&job->arena, job->project, strlen(job->project));

	for (char *c = upper; *c; c++)
		*c = (char)toupper((unsigned char)*c);
	words->name = job->project;
	words->upper = upper;
	snprintf(words->number, sizeof(words->number), "0x%08x",
	         program_number(job->project));
}

/* The word that @text begins with, put into @ret_value; its length, 0 for none. */
static size_t
word_at(const struct words *words, const char *text, const char **ret_value)
{
	const struct {
		const char *word, *value;
	} all[] = {
		{ "@name@", words->name },
		{ "@NAME@", words->upper },
		{ "@number@", words->number },
	};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		if (strncmp(text, all[i].word, strlen(all[i].word)) == 0) {
			*ret_value = all[i].value;
			return strlen(all[i].word);
		}
	}
	return 0;
}

static void
write_text(FILE *stream, const struct words *words, const char *text)
{
	const char *value;
	size_t length;

	while (*text) {
		length = word_at(words, text, &value);
		if (length > 0)
			fputs(value, stream);
		else
			fputc(*text, stream);
		text += length > 0 ? length : 1;
	}
}

/* False with errno. */
static bool
write_file(const char *path, const struct words *words,
           const struct dist_project_file *file)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
	              file->is_program ? 0777 : 0666);
	FILE *stream = fd < 0 ? NULL : fdopen(fd, "w");
	bool written;

	if (!stream) {
		if (fd >= 0)
			close(fd);
		return false;
	}
	write_text(stream, words, file->text);
	written = !ferror(stream);
	return fclose(stream) == 0 && written;
}

/* Its name, in which a word can only come first. */
static const char *
file_path(struct dist_job *job, const struct words *words, const char *directory,
          const struct dist_project_file *file)
{
	const char *value = "";
	size_t length = word_at(words, file->name, &value);

	return dist_arena_printf(&job->arena, "%s/%s%s", directory, value,
	                         file->name + length);
}

static bool
write_files(struct dist_job *job, const char *directory)
{
	struct words words;

	words_init(&words, job);
	for (size_t i = 0; i < DIST_N_PROJECT_FILES; i++) {
		const char *path =
			file_path(job, &words, directory, &dist_project_files[i]);

		if (!write_file(path, &words, &dist_project_files[i])) {
			dist_diag_fail(&job->diag, "%s: cannot be written: %s", path,
			               strerror(errno));
			return false;
		}
	}
	return true;
}

bool
dist_project_new(struct dist_job *job)
{
	const char *made, *target;
	struct stat info;

	if (!name_is_right(job->project)) {
		dist_diag_fail(
			&job->diag,
			"--new '%s': a name has small letters, digits and '_', at "
			"most %d, and begins with a letter",
			job->project, DIST_PROJECT_NAME_MAX);
		return false;
	}
	target = strcmp(job->directory, ".") == 0
	                 ? job->project
	                 : dist_arena_printf(&job->arena, "%s/%s", job->directory,
	                                     job->project);
	/* rename() would take the place of an empty directory. */
	if (lstat(target, &info) == 0) {
		dist_diag_fail(&job->diag,
		               "%s is there already: choose another name, or move it "
		               "away",
		               target);
		return false;
	}
	if (!dist_job_make_work(job))
		return false;
	made = dist_job_path(job, job->project);
	if (mkdir(made, 0777) < 0) {
		dist_diag_fail(&job->diag, "%s: %s", made, strerror(errno));
		return false;
	}
	if (!write_files(job, made))
		return false;
	if (rename(made, target) < 0) {
		dist_diag_fail(&job->diag, "%s: %s", target, strerror(errno));
		return false;
	}
	printf("%s is made. Next: cd %s && make run\n", target, target);
	return true;
}
