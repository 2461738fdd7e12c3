/* Types and declarations: RFC 4506 section 6.3, and rpcgen's own. */
#include "x/parser.h"

#include <string.h>

static enum dist_spec_type_kind
parse_unsigned(struct dist_parser *parser)
{
	enum dist_spec_type_kind kind = DIST_SPEC_UNSIGNED_INT;

	if (dist_parser_accept(parser, "char"))
		return DIST_SPEC_UNSIGNED_CHAR;
	if (dist_parser_accept(parser, "short"))
		kind = DIST_SPEC_UNSIGNED_SHORT;
	else if (dist_parser_accept(parser, "long"))
		kind = DIST_SPEC_UNSIGNED_LONG;
	else if (dist_parser_accept(parser, "hyper"))
		kind = DIST_SPEC_UNSIGNED_HYPER;
	dist_parser_accept(parser, "int");
	return kind;
}

/* "struct foo", the name of a type, or "struct { ... }", a type on the spot. */
static struct dist_spec_type
parse_tagged(struct dist_parser *parser, const char *tag,
             enum dist_spec_definition_kind kind,
             void (*body)(struct dist_parser *, struct dist_spec_definition *))
{
	struct dist_spec_type type = { .kind = DIST_SPEC_NAMED, .tag = tag };
	struct dist_spec_where where = parser->token.where;

	if (parser->token.kind == DIST_TOKEN_NAME) {
		type.name = dist_parser_take(parser).text;
		return type;
	}
	if (++parser->depth > DIST_PARSER_DEPTH_MAX)
		dist_parser_refuse(parser, where, "too many types inside each other");
	type.kind = DIST_SPEC_INLINE;
	type.body = dist_arena_alloc(&parser->spec->arena, sizeof(*type.body));
	type.body->kind = kind;
	type.body->where = where;
	body(parser, type.body);
	parser->depth--;
	return type;
}

struct dist_spec_type
dist_parser_type(struct dist_parser *parser)
{
	static const struct {
		const char *keyword;
		enum dist_spec_type_kind kind;
		bool takes_int; /* an "int" may follow */
	} basic[] = {
		{ "void", DIST_SPEC_VOID, false },
		{ "char", DIST_SPEC_CHAR, false },
		{ "short", DIST_SPEC_SHORT, true },
		{ "int", DIST_SPEC_INT, false },
		{ "long", DIST_SPEC_LONG, true },
		{ "hyper", DIST_SPEC_HYPER, true },
		{ "float", DIST_SPEC_FLOAT, false },
		{ "double", DIST_SPEC_DOUBLE, false },
		{ "quadruple", DIST_SPEC_QUADRUPLE, false },
		{ "bool", DIST_SPEC_BOOL, false },
		{ "string", DIST_SPEC_STRING, false },
		{ "opaque", DIST_SPEC_OPAQUE, false },
	};
	struct dist_spec_type type = { .kind = DIST_SPEC_VOID };

	for (size_t i = 0; i < sizeof(basic) / sizeof(basic[0]); i++) {
		if (!dist_parser_accept(parser, basic[i].keyword))
			continue;
		type.kind = basic[i].kind;
		if (basic[i].takes_int)
			dist_parser_accept(parser, "int");
		return type;
	}
	if (dist_parser_accept(parser, "unsigned")) {
		type.kind = parse_unsigned(parser);
		return type;
	}
	if (dist_parser_accept(parser, "struct"))
		return parse_tagged(parser, "struct", DIST_SPEC_STRUCT,
		                    dist_parser_struct_body);
	if (dist_parser_accept(parser, "union"))
		return parse_tagged(parser, "union", DIST_SPEC_UNION,
		                    dist_parser_union_body);
	if (dist_parser_accept(parser, "enum"))
		return parse_tagged(parser, "enum", DIST_SPEC_ENUM,
		                    dist_parser_enum_body);
	type.kind = DIST_SPEC_NAMED;
	type.name = dist_parser_name(parser, "a type");
	return type;
}

/* "[bound]", "<bound>" or "<>" behind a name. */
static void
parse_shape(struct dist_parser *parser, struct dist_spec_declaration *decl)
{
	struct dist_spec_where where = parser->token.where;

	if (dist_parser_accept(parser, "[")) {
		if (decl->shape == DIST_SPEC_OPTIONAL)
			dist_parser_refuse(parser, where,
			                   "no arrays of optional data: give "
			                   "the optional a typedef");
		decl->shape = DIST_SPEC_FIXED;
		decl->bound = dist_parser_value(parser, "the array's length");
		dist_parser_expect(parser, "]", "the array's length");
	} else if (dist_parser_accept(parser, "<")) {
		if (decl->shape == DIST_SPEC_OPTIONAL)
			dist_parser_refuse(parser, where,
			                   "no arrays of optional data: give "
			                   "the optional a typedef");
		decl->shape = DIST_SPEC_VARIABLE;
		if (dist_parser_accept(parser, ">"))
			return;
		decl->bound = dist_parser_value(parser, "the array's bound");
		dist_parser_expect(parser, ">", "the array's bound");
	}
}

static void
check_shape(struct dist_parser *parser, const struct dist_spec_declaration *decl)
{
	if (decl->type.kind == DIST_SPEC_STRING && decl->shape != DIST_SPEC_VARIABLE)
		dist_parser_refuse(
			parser, decl->where,
			"a string is written string name<> or string name<bound>");
	if (decl->type.kind == DIST_SPEC_OPAQUE && decl->shape != DIST_SPEC_VARIABLE &&
	    decl->shape != DIST_SPEC_FIXED)
		dist_parser_refuse(
			parser, decl->where,
			"opaque data is written opaque name[length], name<> or "
			"name<bound>");
}

struct dist_spec_declaration *
dist_parser_declaration(struct dist_parser *parser)
{
	struct dist_spec_declaration *decl =
		dist_arena_alloc(&parser->spec->arena, sizeof(*decl));

	decl->where = parser->token.where;
	decl->type = dist_parser_type(parser);
	if (decl->type.kind == DIST_SPEC_VOID)
		return decl;
	if (dist_parser_accept(parser, "*"))
		decl->shape = DIST_SPEC_OPTIONAL;
	decl->where = parser->token.where;
	decl->name = dist_parser_name(parser, "a name");
	parse_shape(parser, decl);
	check_shape(parser, decl);
	return decl;
}

void
dist_parser_enum_body(struct dist_parser *parser, struct dist_spec_definition *def)
{
	struct dist_spec_enumerator **tail = &def->enumerators;

	dist_parser_expect(parser, "{", "the enum's name");
	do {
		struct dist_spec_enumerator *one =
			dist_arena_alloc(&parser->spec->arena, sizeof(*one));

		one->where = parser->token.where;
		one->name = dist_parser_name(parser, "a name in the enum");
		if (dist_parser_accept(parser, "="))
			one->value = dist_parser_value(parser, "the name's value");
		*tail = one;
		tail = &one->next;
	} while (dist_parser_accept(parser, ","));
	dist_parser_expect(parser, "}", "the last name of the enum");
}

void
dist_parser_struct_body(struct dist_parser *parser, struct dist_spec_definition *def)
{
	struct dist_spec_declaration **tail = &def->members;

	dist_parser_expect(parser, "{", "the struct's name");
	do {
		struct dist_spec_declaration *member = dist_parser_declaration(parser);

		if (!member->name)
			dist_parser_refuse(parser, member->where,
			                   "no member can be void");
		dist_parser_expect(parser, ";", "the member");
		*tail = member;
		tail = &member->next;
	} while (!parser->scan.failed && !dist_parser_sees(parser, "}"));
	dist_parser_expect(parser, "}", "the last member");
}

/* "case VALUE:" or "default:", and the arm unless another case follows. */
static struct dist_spec_case *
parse_case(struct dist_parser *parser)
{
	struct dist_spec_case *one =
		dist_arena_alloc(&parser->spec->arena, sizeof(*one));

	one->where = parser->token.where;
	if (dist_parser_accept(parser, "default")) {
		one->is_default = true;
	} else {
		dist_parser_expect(parser, "case", "the union's discriminant");
		if (parser->token.kind == DIST_TOKEN_CHAR) {
			one->value.text = dist_parser_take(parser).text;
			one->value.magnitude = (unsigned char)one->value.text[1];
			one->value.known = true;
		} else {
			one->value = dist_parser_value(parser, "the case's value");
		}
	}
	dist_parser_expect(parser, ":", "the case");
	if (!one->is_default && dist_parser_sees(parser, "case"))
		return one;
	one->arm = dist_parser_declaration(parser);
	dist_parser_expect(parser, ";", "the case's declaration");
	return one;
}

void
dist_parser_union_body(struct dist_parser *parser, struct dist_spec_definition *def)
{
	struct dist_spec_case **tail = &def->cases, *last;

	dist_parser_expect(parser, "switch", "the union's name");
	dist_parser_expect(parser, "(", "switch");
	def->discriminant = dist_parser_declaration(parser);
	dist_parser_expect(parser, ")", "the discriminant");
	dist_parser_expect(parser, "{", "the discriminant");
	do {
		last = parse_case(parser);
		*tail = last;
		tail = &last->next;
	} while (!parser->scan.failed && !last->is_default &&
	         !dist_parser_sees(parser, "}"));
	if (last->is_default && dist_parser_sees(parser, "case"))
		dist_parser_refuse(parser, parser->token.where,
		                   "default must be the last case");
	dist_parser_expect(parser, "}", "the last case");
}
