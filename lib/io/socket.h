/* TCP sockets as we want them: closed on exec, without delay, kept alive. */
#ifndef DIST_IO_SOCKET_H
#define DIST_IO_SOCKET_H

#include "wire/uaddr.h"

#include <dist/error.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * A stream socket that is connecting to @address; *ret_fd is given. It becomes writable
 * when that is over, then dist_socket_connect_result(). DIST_ECONNECT (refused at once,
 * no route), DIST_ESYSTEM (no descriptor).
 */
enum dist_err dist_socket_connect(const struct dist_sockaddr *address, int *ret_fd)
	DIST_MUST_CHECK;

/* DIST_OK: connected. DIST_ECONNECT, with @address in the text. */
enum dist_err dist_socket_connect_result(int fd, const struct dist_sockaddr *address)
	DIST_MUST_CHECK;

/*
 * A call on it blocks from now on, unless it says MSG_DONTWAIT; a receive for @receive_ms
 * at most (it fails with EAGAIN then), or for ever: 0.
 */
void dist_socket_set_blocking(int fd, unsigned receive_ms);

/* The options that every connected socket of ours has, accepted or connected. */
void dist_socket_tune(int fd);

/* Both ends of a connected socket; IPv4-mapped IPv6 comes as IPv4. */
struct dist_sockaddr dist_socket_local(int fd);
struct dist_sockaddr dist_socket_peer(int fd);

/* Whether its peer has closed it, or it is broken; a look that takes nothing off it. */
bool dist_socket_is_dead(int fd);

#define DIST_LISTENERS_MAX 2

/* Listening sockets: one, or two for loopback's 127.0.0.1 and ::1 on one port number. */
struct dist_listeners {
	int fds[DIST_LISTENERS_MAX];
	unsigned n;
	unsigned port;
	struct dist_sockaddr address; /* of the first */
};

/*
 * Listen on @text: "ADDR:PORT"; ":PORT" for all addresses (IPv6 and IPv4 where the host
 * has both); NULL for loopback, 127.0.0.1 and ::1 (alone, where the other is absent), on
 * @default_port. Port 0 is any free port, the same on both. Names are not looked up,
 * except "localhost", which is loopback.
 *
 * DIST_EADDRESS; DIST_EADDRINUSE and DIST_ESYSTEM, with the address in the text and what
 * to do about it.
 */
enum dist_err dist_listeners_open(struct dist_listeners *ret, const char *text,
                                  unsigned default_port) DIST_MUST_CHECK;
/* The same sockets once more, to be closed for themselves. DIST_ESYSTEM. */
enum dist_err dist_listeners_share(struct dist_listeners *ret,
                                   const struct dist_listeners *listeners)
	DIST_MUST_CHECK;
void dist_listeners_close(struct dist_listeners *listeners);

#endif
