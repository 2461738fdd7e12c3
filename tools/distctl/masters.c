/* The masters; see masters.h. */
#include "distctl/masters.h"

#include "program/options.h"
#include "registry.h"

#include <stdlib.h>
#include <string.h>

/* What adding one master goes by and comes to. */
struct opening {
	struct masters *masters;
	int64_t timeout_ms;
	int status;
};

static enum dist_err
add_master(const char *master, const char *address, void *arg)
{
	struct opening *opening = arg;
	struct masters *masters = opening->masters;
	struct server *list;

	(void)master;
	if (!address) {
		program_fail("%s", dist_error_text());
		return DIST_OK; /* another one may answer */
	}
	list = reallocarray(masters->list, masters->n + 1, sizeof(*list));
	if (!list)
		return DIST_ENOMEM;
	masters->list = list;
	opening->status = server_open(&list[masters->n], address, DIST_REGISTRY,
	                              DIST_REGISTRY_V1, opening->timeout_ms);
	if (opening->status)
		return DIST_ESYSTEM;
	masters->n++;
	return DIST_OK;
}

static int
open_all(struct masters *masters, const struct config *config)
{
	struct opening opening = { .masters = masters,
		                   .timeout_ms = config->timeout_ms };
	enum dist_err err;

	err = dist_masters_find(config->masters, config->timeout_ms, add_master,
	                        &opening);
	if (opening.status)
		return opening.status;
	if (err == DIST_EADDRESS)
		return program_wrong_usage("--masters: %s", dist_error_text());
	if (err)
		return program_fail("%s", dist_error_string(err));
	return masters->n > 0 ? PROGRAM_DONE : PROGRAM_FAILED;
}

int
masters_open(struct masters *masters, const struct config *config)
{
	int status;

	memset(masters, 0, sizeof(*masters));
	status = open_all(masters, config);
	if (status)
		masters_close(masters);
	return status;
}

void
masters_close(struct masters *masters)
{
	for (size_t i = 0; i < masters->n; i++)
		server_close(&masters->list[i]);
	free(masters->list);
	memset(masters, 0, sizeof(*masters));
}

void
masters_warn(const struct server *master, const char *reason)
{
	program_fail("master %s: %s", master->address, reason);
}
