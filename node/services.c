/* Gathering services; see services.h. */
#include "services.h"

#include "program/options.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static enum dist_err
add_service(const struct dist_service *service, void *arg)
{
	struct services *services = arg;
	struct dist_service *copies, *copy;

	copies = reallocarray(services->copies, services->n + 1, sizeof(*copies));
	if (!copies)
		return DIST_ENOMEM;
	services->copies = copies;
	copy = &copies[services->n++];
	/* A module built against another version knows fewer fields, or more. */
	memset(copy, 0, sizeof(*copy));
	memcpy(copy, service,
	       service->size < sizeof(*copy) ? service->size : sizeof(*copy));
	copy->size = sizeof(*copy);
	return DIST_OK;
}

static bool
names_program(const char *text, const struct dist_service *service)
{
	unsigned long number;
	char *end;

	if (service->program_name && strcmp(text, service->program_name) == 0)
		return true;
	number = strtoul(text, &end, 0);
	return end != text && *end == '\0' && number == service->program;
}

static bool
make_serial(struct services *services, const char *program)
{
	bool found = false;

	for (size_t i = 0; i < services->n; i++) {
		if (names_program(program, &services->copies[i]))
			services->copies[i].serial = found = true;
	}
	if (!found)
		program_wrong_usage("--serial: no module serves a program '%s'",
		                    program);
	return found;
}

static bool
make_list(struct services *services)
{
	services->list = calloc(services->n + 1, sizeof(*services->list));
	for (size_t i = 0; services->list && i < services->n; i++)
		services->list[i] = &services->copies[i];
	return services->list != NULL;
}

int
services_gather(struct services *services, const char *const *serial, size_t n_serial)
{
	memset(services, 0, sizeof(*services));
	if (dist_service_each(add_service, services) || !make_list(services))
		return program_fail("out of memory");
	for (size_t i = 0; i < n_serial; i++) {
		if (!make_serial(services, serial[i]))
			return PROGRAM_WRONG_USAGE;
	}
	return PROGRAM_DONE;
}

void
services_fini(struct services *services)
{
	free(services->list);
	free(services->copies);
}
