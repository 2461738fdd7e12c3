/*
 * Whether a request is meant for this host. A page elsewhere can have its own name
 * resolve to our address (DNS rebinding) and would then read what we answer as its own:
 * so names that nobody gave us are refused. Addresses cannot be rebound.
 */
#ifndef MASTER_HOST_H
#define MASTER_HOST_H

#include <stdbool.h>

/*
 * @host: "NAME", "NAME:PORT", an address, or NULL. True of addresses, localhost and
 * names below it, this host's name, and @names.
 */
bool host_is_ours(const char *host, const char *const *names, unsigned n_names);

#endif
