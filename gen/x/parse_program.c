/*
 * Programs, versions and procedures: RFC 5531 section 12. rpcgen also takes names for
 * arguments, "()" for no arguments, and names for numbers.
 */
#include "x/parser.h"

/* A procedure's argument: a type, with a name or without, never an array. */
static struct dist_spec_declaration *
parse_argument(struct dist_parser *parser)
{
	struct dist_spec_declaration *arg =
		dist_arena_alloc(&parser->spec->arena, sizeof(*arg));

	arg->where = parser->token.where;
	arg->type = dist_parser_type(parser);
	if (dist_parser_accept(parser, "*"))
		arg->shape = DIST_SPEC_OPTIONAL;
	if (parser->token.kind == DIST_TOKEN_NAME)
		arg->name = dist_parser_take(parser).text;
	if (arg->type.kind == DIST_SPEC_STRING) {
		arg->shape = DIST_SPEC_VARIABLE;
		if (dist_parser_accept(parser, "<") &&
		    !dist_parser_accept(parser, ">")) {
			arg->bound = dist_parser_value(parser, "the string's bound");
			dist_parser_expect(parser, ">", "the string's bound");
		}
	}
	if (arg->type.kind == DIST_SPEC_OPAQUE || arg->type.kind == DIST_SPEC_INLINE ||
	    dist_parser_sees(parser, "<") || dist_parser_sees(parser, "["))
		dist_parser_refuse(
			parser, arg->where,
			"opaque data, arrays and types defined on the spot cannot "
			"be arguments: give them a typedef");
	return arg;
}

static void
parse_arguments(struct dist_parser *parser, struct dist_spec_procedure *procedure)
{
	struct dist_spec_declaration **tail = &procedure->arguments;

	dist_parser_expect(parser, "(", "the procedure's name");
	if (dist_parser_accept(parser, ")"))
		return;
	do {
		struct dist_spec_declaration *arg = parse_argument(parser);

		if (arg->type.kind == DIST_SPEC_VOID) {
			if (procedure->arguments || dist_parser_sees(parser, ","))
				dist_parser_refuse(parser, arg->where,
				                   "void is no argument beside others");
			break;
		}
		*tail = arg;
		tail = &arg->next;
	} while (dist_parser_accept(parser, ","));
	dist_parser_expect(parser, ")", "the arguments");
}

static struct dist_spec_procedure *
parse_procedure(struct dist_parser *parser)
{
	struct dist_spec_procedure *procedure =
		dist_arena_alloc(&parser->spec->arena, sizeof(*procedure));

	procedure->result.where = parser->token.where;
	procedure->result.type = dist_parser_type(parser);
	if (procedure->result.type.kind == DIST_SPEC_STRING) {
		procedure->result.shape = DIST_SPEC_VARIABLE;
	} else if (procedure->result.type.kind == DIST_SPEC_OPAQUE ||
	           procedure->result.type.kind == DIST_SPEC_INLINE ||
	           dist_parser_sees(parser, "*")) {
		dist_parser_refuse(
			parser, procedure->result.where,
			"optional and opaque data and types defined on the spot "
			"cannot be results: give them a typedef");
	}
	procedure->where = parser->token.where;
	procedure->name = dist_parser_name(parser, "the procedure's name");
	parse_arguments(parser, procedure);
	dist_parser_expect(parser, "=", "the procedure");
	procedure->number = dist_parser_value(parser, "the procedure's number");
	dist_parser_expect(parser, ";", "the procedure's number");
	return procedure;
}

static struct dist_spec_version *
parse_version(struct dist_parser *parser)
{
	struct dist_spec_version *version =
		dist_arena_alloc(&parser->spec->arena, sizeof(*version));
	struct dist_spec_procedure **tail = &version->procedures;

	dist_parser_expect(parser, "version", "the program's '{'");
	version->where = parser->token.where;
	version->name = dist_parser_name(parser, "the version's name");
	dist_parser_expect(parser, "{", "the version's name");
	do {
		struct dist_spec_procedure *procedure = parse_procedure(parser);

		*tail = procedure;
		tail = &procedure->next;
	} while (!parser->scan.failed && !dist_parser_sees(parser, "}"));
	dist_parser_expect(parser, "}", "the last procedure");
	dist_parser_expect(parser, "=", "the version");
	version->number = dist_parser_value(parser, "the version's number");
	dist_parser_expect(parser, ";", "the version's number");
	return version;
}

void
dist_parser_program_body(struct dist_parser *parser, struct dist_spec_definition *def)
{
	struct dist_spec_version **tail = &def->versions;

	dist_parser_expect(parser, "{", "the program's name");
	do {
		struct dist_spec_version *version = parse_version(parser);

		*tail = version;
		tail = &version->next;
	} while (!parser->scan.failed && !dist_parser_sees(parser, "}"));
	dist_parser_expect(parser, "}", "the last version");
	dist_parser_expect(parser, "=", "the program");
	def->value = dist_parser_value(parser, "the program's number");
}
