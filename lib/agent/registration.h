/* How a node describes itself to its masters: made at start, then read-only. */
#ifndef DIST_AGENT_REGISTRATION_H
#define DIST_AGENT_REGISTRATION_H

#include "idl/registry.h"
#include "io/socket.h"
#include "wire/uaddr.h"

#include <dist/error.h>
#include <dist/node.h>

#define DIST_ENDPOINTS_MAX 8 /* as in idl/registry.x */

struct dist_self {
	dist_registration as; /* what is sent; points into the rest */
	dist_endpoint endpoints[DIST_ENDPOINTS_MAX];
	char uaddrs[DIST_ENDPOINTS_MAX][DIST_ADDRESS_TEXT_MAX];
	struct dist_sockaddr addresses[DIST_ENDPOINTS_MAX]; /* the same as endpoints */
	unsigned n_endpoints;
	char *name;
	dist_service_entry *services;
	dist_attr *attrs;
};

/*
 * @services  ended by NULL; they and the options' strings are copied or outlive it.
 * DIST_EINVAL: no service, a name or an attribute that is too long; DIST_EADDRESS,
 * DIST_ERESOLVE: of .advertise; DIST_ENOMEM. @self is to be dist_self_fini()ed,
 * whatever is returned.
 */
enum dist_err dist_self_init(struct dist_self *self, const uint8_t instance[16],
                             const struct dist_service *const *services,
                             const struct dist_node_options *options,
                             const struct dist_listeners *listeners, unsigned capacity)
	DIST_MUST_CHECK;
void dist_self_fini(struct dist_self *self);

/*
 * A node that only its own host can call is of no use to a master elsewhere.
 * DIST_EINVAL, and the text names --listen.
 */
enum dist_err dist_self_check_masters(const struct dist_self *self,
                                      const struct dist_node_options *options,
                                      const struct dist_hostport *masters,
                                      size_t n_masters) DIST_MUST_CHECK;

#endif
