/* The parser's look-ahead, and the definitions at the top level of a file. */
#include "x/parse.h"
#include "x/parser.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

bool
dist_parser_sees(const struct dist_parser *parser, const char *text)
{
	return (parser->token.kind == DIST_TOKEN_PUNCTUATION ||
	        parser->token.kind == DIST_TOKEN_KEYWORD) &&
	       strcmp(parser->token.text, text) == 0;
}

struct dist_token
dist_parser_take(struct dist_parser *parser)
{
	struct dist_token token = parser->token;

	parser->token = dist_scan_next(&parser->scan);
	return token;
}

bool
dist_parser_accept(struct dist_parser *parser, const char *text)
{
	if (!dist_parser_sees(parser, text))
		return false;
	dist_parser_take(parser);
	return true;
}

void
dist_parser_refuse(struct dist_parser *parser, struct dist_spec_where where,
                   const char *sentence)
{
	if (parser->scan.failed)
		return;
	dist_diag_error(parser->scan.diag, where, "%s", sentence);
	parser->scan.failed = true;
	parser->scan.at = parser->scan.end;
	parser->token = dist_scan_next(&parser->scan);
}

void
dist_parser_fail(struct dist_parser *parser, const char *what)
{
	const char *quote = parser->token.kind == DIST_TOKEN_END ? "" : "'";

	dist_parser_refuse(parser, parser->token.where,
	                   dist_arena_printf(&parser->spec->arena,
	                                     "expected %s, found %s%.40s%s", what,
	                                     quote, parser->token.text, quote));
}

void
dist_parser_expect(struct dist_parser *parser, const char *text, const char *after)
{
	if (!dist_parser_accept(parser, text))
		dist_parser_fail(parser,
		                 dist_arena_printf(&parser->spec->arena,
		                                   "'%s' after %s", text, after));
}

const char *
dist_parser_name(struct dist_parser *parser, const char *what)
{
	if (parser->token.kind == DIST_TOKEN_NAME)
		return dist_parser_take(parser).text;
	dist_parser_fail(parser, what);
	return "";
}

static void
value_read_number(struct dist_parser *parser, struct dist_spec_value *value)
{
	const char *digits = value->text + (*value->text == '-');

	errno = 0;
	value->negative = digits != value->text;
	value->magnitude = strtoull(digits, NULL, 0);
	value->known = true;
	if (errno)
		dist_parser_refuse(parser, parser->token.where,
		                   "the number does not fit into 64 bits");
}

struct dist_spec_value
dist_parser_value(struct dist_parser *parser, const char *what)
{
	struct dist_spec_value value = { .text = parser->token.text };

	if (parser->token.kind == DIST_TOKEN_NUMBER)
		value_read_number(parser, &value);
	else if (parser->token.kind != DIST_TOKEN_NAME)
		dist_parser_fail(parser, what);
	dist_parser_take(parser);
	return value;
}

static void
parse_const(struct dist_parser *parser, struct dist_spec_definition *def)
{
	dist_parser_expect(parser, "=", "the constant's name");
	if (parser->token.kind == DIST_TOKEN_STRING)
		def->string = dist_parser_take(parser).text;
	else
		def->value = dist_parser_value(parser, "a number, a name or a string");
}

static void
parse_typedef(struct dist_parser *parser, struct dist_spec_definition *def)
{
	def->members = dist_parser_declaration(parser);
	def->name = def->members->name;
	if (!def->name)
		dist_parser_refuse(parser, def->where, "void cannot be given a name");
}

typedef void body_fn(struct dist_parser *parser, struct dist_spec_definition *def);

/* One definition, from its keyword to before its semicolon. */
static void
parse_definition(struct dist_parser *parser, struct dist_spec_definition *def)
{
	static const struct {
		const char *keyword, *what;
		enum dist_spec_definition_kind kind;
		body_fn *body;
	} kinds[] = {
		{ "const", "the constant's name", DIST_SPEC_CONST, parse_const },
		{ "enum", "the enum's name", DIST_SPEC_ENUM, dist_parser_enum_body },
		{ "struct", "the struct's name", DIST_SPEC_STRUCT,
		  dist_parser_struct_body },
		{ "union", "the union's name", DIST_SPEC_UNION,
		  dist_parser_union_body },
		{ "program", "the program's name", DIST_SPEC_PROGRAM,
		  dist_parser_program_body },
		{ "typedef", NULL, DIST_SPEC_TYPEDEF, parse_typedef },
	};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (!dist_parser_accept(parser, kinds[i].keyword))
			continue;
		def->kind = kinds[i].kind;
		if (kinds[i].what)
			def->name = dist_parser_name(parser, kinds[i].what);
		kinds[i].body(parser, def);
		return;
	}
	dist_parser_fail(parser, "const, enum, struct, typedef, union or program");
}

bool
dist_spec_parse(struct dist_spec *spec, struct dist_diag *diag, const char *text,
                size_t length)
{
	struct dist_parser parser = { .spec = spec };
	struct dist_spec_definition **tail = &spec->definitions;

	dist_scan_init(&parser.scan, spec, diag, text, length);
	dist_parser_take(&parser);
	while (parser.token.kind != DIST_TOKEN_END) {
		struct dist_spec_definition *def =
			dist_arena_alloc(&spec->arena, sizeof(*def));

		def->where = parser.token.where;
		parse_definition(&parser, def);
		dist_parser_expect(&parser, ";", "the definition");
		*tail = def;
		tail = &def->next;
	}
	if (parser.scan.failed)
		return false;
	dist_spec_resolve(spec);
	return true;
}
