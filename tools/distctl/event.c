/*
 * An event is an object of JSON, made once. For people its members are written as log
 * lines have them: name=value, texts that may have blanks in quotes.
 */
#include "distctl/event.h"

#include "distctl/entry.h"
#include "distctl/json.h"
#include "distctl/text.h"
#include "program/options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define STAMP_MAX 40

static json_t *
event_new(const char *id)
{
	json_t *event = json_object();
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	json_put(event, "time_ms",
	         json_integer((json_int_t)now.tv_sec * 1000 + now.tv_nsec / 1000000));
	json_put(event, "id", json_string(id));
	return event;
}

/* "2026-07-01T12:00:00.123Z" */
static void
format_time(json_int_t time_ms, char ret[STAMP_MAX])
{
	time_t seconds = (time_t)(time_ms / 1000);
	char stamp[32];
	struct tm utc;

	gmtime_r(&seconds, &utc);
	strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S", &utc);
	snprintf(ret, STAMP_MAX, "%s.%03dZ", stamp, (int)(time_ms % 1000));
}

/* "ARITH_PROG/1,0x20000005/2" */
static void
print_services(const json_t *services)
{
	const json_t *service;
	size_t i;

	json_array_foreach (services, i, service) {
		const json_t *name = json_object_get(service, "name");
		json_int_t program, version;

		program = json_integer_value(json_object_get(service, "program"));
		version = json_integer_value(json_object_get(service, "version"));
		if (i > 0)
			putchar(',');
		if (json_is_string(name))
			printf("%s/%lld", json_string_value(name), (long long)version);
		else
			printf("0x%08llx/%lld", (unsigned long long)program,
			       (long long)version);
	}
}

static void
print_member(const char *name, const json_t *value)
{
	if (json_is_null(value))
		return;
	printf(" %s=", name);
	if (json_is_array(value))
		print_services(value);
	else if (strcmp(name, "program") == 0)
		printf("0x%08llx", (unsigned long long)json_integer_value(value));
	else if (json_is_integer(value))
		printf("%lld", (long long)json_integer_value(value));
	else if (strcmp(name, "name") == 0 || strchr(json_string_value(value), ' '))
		printf("\"%s\"", json_string_value(value));
	else
		printf("%s", json_string_value(value));
}

static void
print_text(json_t *event)
{
	char stamp[STAMP_MAX];
	const char *name;
	json_t *value;

	format_time(json_integer_value(json_object_get(event, "time_ms")), stamp);
	printf("%s %s", stamp, json_string_value(json_object_get(event, "id")));
	json_object_foreach (event, name, value) {
		if (strcmp(name, "time_ms") != 0 && strcmp(name, "id") != 0 &&
		    strcmp(name, "instance") != 0)
			print_member(name, value);
	}
	putchar('\n');
}

/* @event is taken. */
static int
print_event(json_t *event, bool as_json)
{
	int status;

	if (as_json)
		return json_print_line(event);
	status = json_check();
	if (!status)
		print_text(event);
	json_decref(event);
	if (!status && fflush(stdout))
		return program_fail("cannot write to standard output: %s",
		                    strerror(errno));
	return status;
}

static const char *
kind_name(enum track_kind kind)
{
	static const char *const names[] = {
		[TRACK_NODE_REGISTERED] = "node-registered",
		[TRACK_NODE_DRAINING] = "node-draining",
		[TRACK_NODE_GONE] = "node-gone",
		[TRACK_SERVICE_REGISTERED] = "service-registered",
		[TRACK_SERVICE_GONE] = "service-gone",
	};

	return names[kind];
}

static void
put_node(json_t *object, const struct track_event *event)
{
	char address[TEXT_ADDRESS_MAX];

	entry_first_address(event->node, address);
	json_put(object, "name", json_text(event->node->name));
	json_put(object, "address", json_text(address));
	json_put(object, "instance", entry_instance_json(event->node));
	if (event->kind == TRACK_NODE_GONE)
		json_put(object, "why", json_text(event->why));
	if (event->kind != TRACK_NODE_REGISTERED)
		return;
	json_put(object, "services", entry_services_json(event->node));
	json_put(object, "capacity", json_number(event->node->capacity));
	json_put(object, "away_ms",
	         event->away_ms < 0 ? json_null() : json_integer(event->away_ms));
}

static void
put_service(json_t *object, const dist_service_entry *service)
{
	json_put(object, "name", json_text(service->prog_name));
	json_put(object, "version_name", json_text(service->vers_name));
	json_put(object, "program", json_number(service->prog));
	json_put(object, "version", json_number(service->vers));
}

int
event_print(const struct track_event *event, bool as_json)
{
	json_t *object = event_new(kind_name(event->kind));

	if (event->node)
		put_node(object, event);
	else
		put_service(object, event->service);
	return print_event(object, as_json);
}

int
event_master_followed(const char *address, size_t n_nodes, bool as_json)
{
	json_t *object = event_new("master-followed");

	json_put(object, "address", json_text(address));
	json_put(object, "nodes", json_number(n_nodes));
	return print_event(object, as_json);
}

int
event_master_lost(const char *address, const char *why, bool as_json)
{
	json_t *object = event_new("master-lost");

	json_put(object, "address", json_text(address));
	json_put(object, "why", json_text(why));
	return print_event(object, as_json);
}
