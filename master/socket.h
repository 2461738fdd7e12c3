/* The HTTP socket. It is opened here, not by libmicrohttpd, so that what goes wrong can
 * be said in words. */
#ifndef MASTER_SOCKET_H
#define MASTER_SOCKET_H

#include <stdbool.h>
#include <stddef.h>

#define SOCKET_ADDRESS_MAX 80

/*
 * Listen on "PORT", of 127.0.0.1; ":PORT", of all addresses; or "ADDR:PORT", IPv6 in
 * brackets. Port 0 is any free one. A descriptor, and its address in @ret_address; or
 * -1 after a sentence on stderr, *ret_usage: about the command line.
 */
int socket_listen(const char *text, char ret_address[SOCKET_ADDRESS_MAX],
                  bool *ret_usage);

#endif
