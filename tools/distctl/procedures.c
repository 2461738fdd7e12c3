/*
 * distctl procedures: what there is to call, in a .x file, or without one in the interfaces
 * that nodes hand out. With a file no master is asked.
 */
#include "distctl/config.h"

#include "distctl/interface.h"
#include "distctl/json.h"
#include "distctl/live.h"
#include "distctl/table.h"
#include "program/options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What it is printed to: one of the two. */
struct output {
	struct table table;
	bool as_json;
	json_t *json;
};

static const struct table_column columns[] = {
	{ "PROCEDURE", false },
	{ "RESULT", false },
	{ "ARGUMENTS", false },
};

/* --- Types, as the .x has them ---------------------------------------------------- */

static const char *
type_name(const struct dist_spec_type *type)
{
	static const char *const names[] = {
		[DIST_SPEC_VOID] = "void",
		[DIST_SPEC_CHAR] = "char",
		[DIST_SPEC_UNSIGNED_CHAR] = "unsigned char",
		[DIST_SPEC_SHORT] = "short",
		[DIST_SPEC_UNSIGNED_SHORT] = "unsigned short",
		[DIST_SPEC_INT] = "int",
		[DIST_SPEC_UNSIGNED_INT] = "unsigned",
		[DIST_SPEC_LONG] = "long",
		[DIST_SPEC_UNSIGNED_LONG] = "unsigned long",
		[DIST_SPEC_HYPER] = "hyper",
		[DIST_SPEC_UNSIGNED_HYPER] = "unsigned hyper",
		[DIST_SPEC_FLOAT] = "float",
		[DIST_SPEC_DOUBLE] = "double",
		[DIST_SPEC_QUADRUPLE] = "quadruple",
		[DIST_SPEC_BOOL] = "bool",
		[DIST_SPEC_STRING] = "string",
		[DIST_SPEC_OPAQUE] = "opaque",
	};

	return type->kind == DIST_SPEC_NAMED ? type->name : names[type->kind];
}

/* "string<64> name", "int_array"; NULL: no memory. free() it. */
static char *
argument_text(const struct dist_spec_declaration *arg)
{
	bool bound = arg->bound.text != NULL;
	char *text;
	int length;

	length =
		asprintf(&text, "%s%s%s%s%s%s", type_name(&arg->type), bound ? "<" : "",
	                 bound ? arg->bound.text : "", bound ? ">" : "",
	                 arg->name ? " " : "", arg->name ? arg->name : "");
	return length < 0 ? NULL : text;
}

/* --- Output ----------------------------------------------------------------------- */

/* All arguments, with commas between; NULL: no memory. free() it. */
static char *
arguments_text(const struct dist_spec_procedure *procedure)
{
	const struct dist_spec_declaration *arg;
	char *text = NULL, *one;
	size_t size = 0;
	FILE *stream = open_memstream(&text, &size);

	if (!stream)
		return NULL;
	for (arg = procedure->arguments; arg; arg = arg->next) {
		one = argument_text(arg);
		fprintf(stream, "%s%s", arg == procedure->arguments ? "" : ", ",
		        one ? one : "?");
		free(one);
	}
	if (!procedure->arguments)
		fputs("void", stream);
	if (fclose(stream)) {
		free(text);
		return NULL;
	}
	return text;
}

static void
add_row(struct table *table, const struct dist_spec_found *found)
{
	char *arguments = arguments_text(found->procedure);

	table_add(table, "%s/%s/%s", found->program->name, found->version->number.text,
	          found->procedure->name);
	table_add(table, "%s", type_name(&found->procedure->result.type));
	table_add(table, "%s", arguments ? arguments : "?");
	free(arguments);
}

/* A number, or null if it is defined in C. */
static json_t *
value_json(const struct dist_spec_value *value)
{
	return value->known ? json_number(value->magnitude) : json_null();
}

static json_t *
arguments_json(const struct dist_spec_procedure *procedure)
{
	const struct dist_spec_declaration *arg;
	json_t *array = json_array();

	for (arg = procedure->arguments; arg; arg = arg->next) {
		char *text = argument_text(arg);

		json_add(array, text ? json_string(text) : NULL);
		free(text);
	}
	return array;
}

static json_t *
procedure_json(const struct dist_spec_found *found)
{
	json_t *object = json_object();

	json_put(object, "program", value_json(&found->program->value));
	json_put(object, "version", value_json(&found->version->number));
	json_put(object, "procedure", value_json(&found->procedure->number));
	json_put(object, "program_name", json_string(found->program->name));
	json_put(object, "version_name", json_string(found->version->name));
	json_put(object, "procedure_name", json_string(found->procedure->name));
	json_put(object, "result",
	         json_string(type_name(&found->procedure->result.type)));
	json_put(object, "arguments", arguments_json(found->procedure));
	return object;
}

static void
add_found(const struct dist_spec_found *found, void *arg)
{
	struct output *output = arg;

	if (output->as_json)
		json_add(output->json, procedure_json(found));
	else
		add_row(&output->table, found);
}

static void
output_init(struct output *output, bool json)
{
	output->as_json = json;
	output->json = json ? json_array() : NULL;
	table_init(&output->table, columns, sizeof(columns) / sizeof(columns[0]));
}

static int
output_print(struct output *output)
{
	int status = output->as_json ? json_print("procedures", output->json)
	                             : table_print(&output->table);

	table_fini(&output->table);
	return status;
}

/* --- Of a file -------------------------------------------------------------------- */

static int
print_file(const struct config *config)
{
	struct output output;
	struct dist_spec spec;
	int status;

	if (config->n_names > 0)
		return program_wrong_usage("procedures of a FILE.x takes no '%s'",
		                           config->names[0]);
	status = interface_read(&spec, config->file, config);
	if (!status) {
		output_init(&output, config->json);
		dist_spec_find_procedures(&spec, NULL, add_found, &output);
		status = output_print(&output);
	}
	dist_spec_fini(&spec);
	return status;
}

/* --- Of what is served ------------------------------------------------------------ */

/* False: there is no interface of it. */
static bool
add_service(struct output *output, const struct live_service *service)
{
	struct dist_spec_found found = { service->served.program,
		                         service->served.version, NULL };

	if (!service->spec)
		return false;
	for (found.procedure = found.version->procedures; found.procedure;
	     found.procedure = found.procedure->next)
		add_found(&found, output);
	return true;
}

/* Those whose interface is known are shown, also when others' are not. */
static int
print_services(const struct live *live, bool json)
{
	int status = PROGRAM_DONE, printed;
	struct output output;

	output_init(&output, json);
	for (size_t i = 0; i < live->n_services; i++) {
		if (!add_service(&output, &live->services[i]))
			status = PROGRAM_FAILED;
	}
	printed = output_print(&output);
	return status ? status : printed;
}

/* "PROGRAM" or "PROGRAM/VERSION"; nothing: all there are. */
static void
split_name(const char *name, struct dist_spec_part *ret_program,
           struct dist_spec_part *ret_version)
{
	const char *slash = name ? strchr(name, '/') : NULL;

	*ret_program = (struct dist_spec_part){ NULL, 0 };
	*ret_version = (struct dist_spec_part){ NULL, 0 };
	if (!name)
		return;
	*ret_program = (struct dist_spec_part){
		name, slash ? (size_t)(slash - name) : strlen(name)
	};
	if (slash)
		*ret_version = (struct dist_spec_part){ slash + 1, strlen(slash + 1) };
}

static int
print_what_is_served(const struct config *config)
{
	struct dist_spec_part program, version;
	struct live live;
	int status;

	split_name(config->n_names > 0 ? config->names[0] : NULL, &program, &version);
	status = live_open(&live, config, &program, &version);
	if (!status)
		status = print_services(&live, config->json);
	live_close(&live);
	return status;
}

int
procedures_run(const struct config *config)
{
	return config->file ? print_file(config) : print_what_is_served(config);
}
