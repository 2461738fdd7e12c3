#include "command.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
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

static int
output_open(const char *path)
{
	if (!path)
		return open("/dev/null", O_WRONLY | O_CLOEXEC);
	return open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
}

/* In the child: never returns. */
static void
command_exec(const struct dist_command *command, int output, int messages)
{
	int input = open("/dev/null", O_RDONLY | O_CLOEXEC);

	if (input < 0 || dup2(input, 0) < 0 || dup2(output, 1) < 0 ||
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
child_start(const struct dist_command *command, int output, int messages)
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
		/* on_signal() is the parent's: a signal before the exec ends the child. */
		for (size_t i = 0; i < N_CAUGHT; i++)
			signal(caught[i], SIG_DFL);
		sigprocmask(SIG_SETMASK, &before, NULL);
		command_exec(command, output, messages);
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
	int output = output_open(command->output);
	int messages = output_open(command->messages);
	int status = -1, saved_errno;
	pid_t pid;

	if (output >= 0 && messages >= 0) {
		pid = child_start(command, output, messages);
		if (pid > 0)
			status = child_wait(pid);
		running = 0;
	}
	saved_errno = errno;
	if (output >= 0)
		close(output);
	if (messages >= 0)
		close(messages);
	errno = saved_errno;
	return status;
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
	if (fclose(all) == 0 && !ferror(stream)) {
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
