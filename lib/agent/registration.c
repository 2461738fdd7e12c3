#include "agent/registration.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "idl/node.h"
#include "io/resolve.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Bounds of idl/registry.x. */
#define NAME_MAX_BYTES 255
#define ATTR_NAME_MAX  64
#define ATTR_VALUE_MAX 1024
#define ATTRS_MAX      64
#define SERVICES_MAX   1024
#define LONG_NAME_MAX  128
#define ADVERTISE_MS   5000 /* to look its name up */
#define MASTER_NAME_MS 1000 /* to look a master's up, for the check alone */

/* --- Endpoints ---------------------------------------------------------------- */

static void
self_add_endpoint(struct dist_self *self, const struct dist_sockaddr *address)
{
	unsigned n = self->n_endpoints;

	if (n == DIST_ENDPOINTS_MAX)
		return;
	self->addresses[n] = *address;
	dist_uaddr_format(address, self->uaddrs[n]);
	self->endpoints[n].netid = (char *)dist_sockaddr_netid(address);
	self->endpoints[n].uaddr = self->uaddrs[n];
	self->n_endpoints++;
}

static enum dist_err
self_advertise(struct dist_self *self, const char *text, unsigned port)
{
	struct dist_hostport advertised;
	struct dist_addresses addresses;
	enum dist_err err;

	err = dist_hostport_parse(text, strlen(text), &advertised);
	if (err)
		return err;
	if (!advertised.host[0])
		return dist_error_set(DIST_EADDRESS,
		                      "\"%.80s\" has no host for others to call", text);
	if (advertised.port >= 0)
		port = (unsigned)advertised.port;
	err = dist_resolve(advertised.host, (int)port,
	                   dist_deadline_in_ms(ADVERTISE_MS), NULL, &addresses);
	if (err)
		return err;
	for (unsigned i = 0; i < addresses.n; i++)
		self_add_endpoint(self, &addresses.list[i]);
	return DIST_OK;
}

static enum dist_err
self_set_endpoints(struct dist_self *self, const struct dist_node_options *options,
                   const struct dist_listeners *listeners)
{
	enum dist_err err = DIST_OK;

	if (options->advertise) {
		err = self_advertise(self, options->advertise, listeners->port);
	} else {
		for (unsigned i = 0; i < listeners->n; i++) {
			struct dist_sockaddr address =
				dist_socket_local(listeners->fds[i]);

			self_add_endpoint(self, &address);
		}
	}
	self->as.endpoints.endpoints_len = self->n_endpoints;
	self->as.endpoints.endpoints_val = self->endpoints;
	return err;
}

/* --- Services, attributes, name ----------------------------------------------- */

static char *
bounded_name(const char *name)
{
	return name ? strndup(name, LONG_NAME_MAX) : strdup("");
}

static enum dist_err
self_set_services(struct dist_self *self, const struct dist_service *const *services)
{
	unsigned n = 0;

	while (services[n])
		n++;
	if (!n)
		return dist_error_set(DIST_EINVAL, "there is no service to serve");
	if (n > SERVICES_MAX)
		return dist_error_set(
			DIST_EINVAL, "%u services are over the %u that a node may have",
			n, SERVICES_MAX);
	self->services = calloc(n, sizeof(*self->services));
	if (!self->services)
		return dist_error_set_plain(DIST_ENOMEM);
	self->as.services.services_val = self->services;
	for (unsigned i = 0; i < n; i++) {
		dist_service_entry *entry = &self->services[i];

		entry->prog = services[i]->program;
		entry->vers = services[i]->version;
		entry->prog_name = bounded_name(services[i]->program_name);
		entry->vers_name = bounded_name(services[i]->version_name);
		self->as.services.services_len = i + 1;
		if (!entry->prog_name || !entry->vers_name)
			return dist_error_set_plain(DIST_ENOMEM);
	}
	return DIST_OK;
}

static enum dist_err
self_set_attrs(struct dist_self *self, const struct dist_attribute *attributes)
{
	unsigned n = 0;

	while (attributes && attributes[n].name)
		n++;
	if (n > ATTRS_MAX)
		return dist_error_set(
			DIST_EINVAL,
			"%u attributes are over the %u that a node may have", n,
			ATTRS_MAX);
	self->attrs = calloc(n + 1, sizeof(*self->attrs));
	if (!self->attrs)
		return dist_error_set_plain(DIST_ENOMEM);
	self->as.attrs.dist_attrs_val = self->attrs;
	for (unsigned i = 0; i < n; i++) {
		const char *value = attributes[i].value ? attributes[i].value : "";

		if (!attributes[i].name[0] ||
		    strlen(attributes[i].name) > ATTR_NAME_MAX ||
		    strlen(value) > ATTR_VALUE_MAX)
			return dist_error_set(
				DIST_EINVAL,
				"attribute \"%.64s\": a name has 1 to %u bytes, "
				"a value at most %u",
				attributes[i].name, ATTR_NAME_MAX, ATTR_VALUE_MAX);
		self->attrs[i].name = strdup(attributes[i].name);
		self->attrs[i].value = strdup(value);
		self->as.attrs.dist_attrs_len = i + 1;
		if (!self->attrs[i].name || !self->attrs[i].value)
			return dist_error_set_plain(DIST_ENOMEM);
	}
	return DIST_OK;
}

static enum dist_err
self_set_name(struct dist_self *self, const char *name)
{
	name = name ? name : "";
	if (strlen(name) > NAME_MAX_BYTES)
		return dist_error_set(DIST_EINVAL, "the node's name is over %u bytes",
		                      NAME_MAX_BYTES);
	self->name = strdup(name);
	self->as.name = self->name;
	return self->name ? DIST_OK : dist_error_set_plain(DIST_ENOMEM);
}

enum dist_err
dist_self_init(struct dist_self *self, const uint8_t instance[16],
               const struct dist_service *const *services,
               const struct dist_node_options *options,
               const struct dist_listeners *listeners, unsigned capacity)
{
	enum dist_err err;

	*self = (struct dist_self){ .n_endpoints = 0 };
	memcpy(self->as.instance, instance, sizeof(dist_id));
	self->as.capacity = capacity;
	self->as.features = DIST_FEATURE_META;
	self->as.lease_ms = (u_int)DIST_MIN(options->heartbeat_ms * 3, UINT32_MAX);
	err = self_set_name(self, options->name);
	if (!err)
		err = self_set_services(self, services);
	if (!err)
		err = self_set_attrs(self, options->attributes);
	if (!err)
		err = self_set_endpoints(self, options, listeners);
	return err;
}

void
dist_self_fini(struct dist_self *self)
{
	for (unsigned i = 0; i < self->as.services.services_len; i++) {
		free(self->services[i].prog_name);
		free(self->services[i].vers_name);
	}
	for (unsigned i = 0; i < self->as.attrs.dist_attrs_len; i++) {
		free(self->attrs[i].name);
		free(self->attrs[i].value);
	}
	free(self->services);
	free(self->attrs);
	free(self->name);
	*self = (struct dist_self){ .n_endpoints = 0 };
}

/* --- Whether masters could call us -------------------------------------------- */

static bool
self_is_on_loopback_alone(const struct dist_self *self)
{
	for (unsigned i = 0; i < self->n_endpoints; i++) {
		if (!dist_sockaddr_is_loopback(&self->addresses[i]))
			return false;
	}
	return true;
}

/* A name that does not resolve now may do so later: then the master says it. */
static bool
master_is_elsewhere(const struct dist_hostport *master)
{
	struct dist_addresses addresses;

	if (!master->host[0] ||
	    dist_resolve(master->host, 0, dist_deadline_in_ms(MASTER_NAME_MS), NULL,
	                 &addresses))
		return false;
	for (unsigned i = 0; i < addresses.n; i++) {
		if (dist_sockaddr_is_loopback(&addresses.list[i]))
			return false;
	}
	return true;
}

enum dist_err
dist_self_check_masters(const struct dist_self *self,
                        const struct dist_node_options *options,
                        const struct dist_hostport *masters, size_t n_masters)
{
	if (options->advertise || !self_is_on_loopback_alone(self))
		return DIST_OK;
	for (size_t i = 0; i < n_masters; i++) {
		if (master_is_elsewhere(&masters[i]))
			return dist_error_set(
				DIST_EINVAL,
				"the node listens on loopback, where the master at %.80s "
				"cannot call it: start it with --listen :0, or --listen "
				"ADDR:PORT",
				masters[i].host);
	}
	return DIST_OK;
}
