/*
 * An rpcbind of a few lines behind a local socket, whose entries a test sets, forgets
 * and waits for. It answers DUMP, SET and UNSET of version 3 (RFC 1833).
 */
#ifndef UNIT_CLIENT_FAKE_RPCBIND_H
#define UNIT_CLIENT_FAKE_RPCBIND_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#define FAKE_ENTRIES_MAX 8

struct fake_entry {
	uint32_t prog, vers;
	char netid[16];
	char uaddr[64];
	bool of_another_user; /* UNSET is refused */
};

struct fake_rpcbind {
	char directory[32];
	char path[64];
	int listener;
	int stop_pipe[2];
	pthread_t thread;

	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool silent; /* takes connections and says nothing */
	struct fake_entry entries[FAKE_ENTRIES_MAX];
	unsigned n_entries;
	unsigned n_dumps; /* ever answered */
};

void fake_rpcbind_start(struct fake_rpcbind *fake);
void fake_rpcbind_stop(struct fake_rpcbind *fake);

void fake_rpcbind_add(struct fake_rpcbind *fake, struct fake_entry entry);
void fake_rpcbind_forget_all(struct fake_rpcbind *fake);

/* Wait until the entry for @prog is @uaddr; NULL: until there is none. */
void fake_rpcbind_await(struct fake_rpcbind *fake, uint32_t prog, const char *uaddr);
/* Wait until it was looked at @n times more. */
void fake_rpcbind_await_looks(struct fake_rpcbind *fake, unsigned n);

#endif
