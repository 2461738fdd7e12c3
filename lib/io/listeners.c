/*
 * Listening sockets as programs hold them (dist/listeners.h), on the heap. Whoever
 * serves on them has descriptors of its own, so that each side closes when it likes.
 */
#include <dist/listeners.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "io/socket.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

DIST_DEFINE_FREEP(dist_listeners_free, struct dist_listeners *)

enum dist_err
dist_listeners_new(struct dist_listeners **ret_listeners, const char *listen,
                   unsigned default_port)
{
	DIST_CLEANUP(dist_listeners_freep) struct dist_listeners *listeners = NULL;
	enum dist_err err;

	listeners = calloc(1, sizeof(*listeners));
	if (!listeners)
		return dist_error_set_plain(DIST_ENOMEM);
	err = dist_listeners_open(listeners, listen, default_port);
	if (err)
		return err;
	*ret_listeners = DIST_TAKE(listeners);
	return DIST_OK;
}

void
dist_listeners_free(struct dist_listeners *listeners)
{
	if (listeners)
		dist_listeners_close(listeners);
	free(listeners);
}

enum dist_err
dist_listeners_share(struct dist_listeners *ret, const struct dist_listeners *listeners)
{
	struct dist_listeners shared = *listeners;

	for (shared.n = 0; shared.n < listeners->n; shared.n++) {
		int fd = fcntl(listeners->fds[shared.n], F_DUPFD_CLOEXEC, 0);

		if (fd < 0) {
			int why = errno;

			dist_listeners_close(&shared);
			return dist_error_set_errno(DIST_ESYSTEM, why,
			                            "no descriptor to be had");
		}
		shared.fds[shared.n] = fd;
	}
	*ret = shared;
	return DIST_OK;
}
