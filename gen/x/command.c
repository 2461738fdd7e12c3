/*
 * What a program writes goes to files in memory, since nobody reads while it runs; so
 * it leaves nothing behind, whatever happens to either of the two.
 */
#include "x/command.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

volatile sig_atomic_t dist_command_interrupted;

/* The program that runs; 0: none. */
static volatile sig_atomic_t running;

static void
on_signal(int number)
{
	dist_command_interrupted = number;
	if (running)
		kill(running, SIGTERM);
}

static const int caught[] = { SIGINT, SIGTERM, SIGHUP };

#define N_CAUGHT (sizeof(caught) / sizeof(caught[0]))

void
dist_command_catch_signals(void)
{
	struct sigaction action = { .sa_handler = on_signal };

	for (size_t i = 0; i < N_CAUGHT; i++)
		sigaction(caught[i], &action, NULL);
}

/* In the child: never returns. */
static void
command_exec(const struct dist_command *command)
{
	int nowhere = open("/dev/null", O_RDWR | O_CLOEXEC);
	int output = command->output < 0 ? nowhere : command->output;
	int messages = command->messages < 0 ? nowhere : command->messages;

	if (nowhere < 0 || dup2(nowhere, 0) < 0 || dup2(output, 1) < 0 ||
	    dup2(messages, 2) < 0 ||
	    (command->directory && chdir(command->directory) < 0) ||
	    (command->include_path && setenv("CPATH", command->include_path, 1) < 0))
		_exit(126);
	/* Messages are looked into, so they have to be in English. */
	setenv("LC_ALL", "C", 1);
	execvp(command->argv[0], (char *const *)command->argv);
	_exit(errno == ENOENT ? DIST_COMMAND_NOT_FOUND : 126);
}

/*
 * Start the program; its number is known to on_signal() before a signal is let in, so
 * that none falls between the two and leaves it running.
 */
static pid_t
child_start(const struct dist_command *command)
{
	sigset_t held, before;
	pid_t pid = -1;

	sigemptyset(&held);
	for (size_t i = 0; i < N_CAUGHT; i++)
		sigaddset(&held, caught[i]);
	sigprocmask(SIG_BLOCK, &held, &before);
	if (!dist_command_interrupted)
		pid = fork();
	if (pid == 0) {
		/* on_signal() is the parent's: a signal before the exec ends the child.
		 */
		for (size_t i = 0; i < N_CAUGHT; i++)
			signal(caught[i], SIG_DFL);
		sigprocmask(SIG_SETMASK, &before, NULL);
		command_exec(command);
	}
	running = pid > 0 ? pid : 0;
	sigprocmask(SIG_SETMASK, &before, NULL);
	return pid;
}

static int
child_wait(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR)
			return -1;
	}
	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	errno = EINTR;
	return -1;
}

int
dist_command_run(const struct dist_command *command)
{
	pid_t pid = child_start(command);
	int status = pid > 0 ? child_wait(pid) : -1;

	running = 0;
	return status;
}

int
dist_command_catch(void)
{
	return memfd_create("caught", MFD_CLOEXEC);
}

static char *
stream_read(struct dist_arena *arena, FILE *stream, size_t *ret_length)
{
	char *text = NULL, buffer[16384];
	size_t length = 0, got;
	FILE *all = open_memstream(&text, &length);
	char *copy = NULL;

	if (!all)
		return NULL;
	while ((got = fread(buffer, 1, sizeof(buffer), stream)) > 0)
		fwrite(buffer, 1, got, all);
	/* Without memory it may end well, and give no text. */
	if (fclose(all) == 0 && text && !ferror(stream)) {
		copy = dist_arena_copy(arena, text, length);
		*ret_length = length;
	}
	free(text);
	return copy;
}

char *
dist_file_read(struct dist_arena *arena, const char *path, size_t *ret_length)
{
	FILE *stream = fopen(path, "re");
	char *text;

	if (!stream)
		return NULL;
	text = stream_read(arena, stream, ret_length);
	fclose(stream);
	return text;
}

char *
dist_command_caught(struct dist_arena *arena, int caught, size_t *ret_length)
{
	FILE *stream = fdopen(caught, "re");
	char *text;

	if (!stream) {
		close(caught);
		return NULL;
	}
	/* The program's own writing moved the place that both go by. */
	rewind(stream);
	text = stream_read(arena, stream, ret_length);
	fclose(stream);
	return text;
}
