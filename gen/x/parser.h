/*
 * What the parser's parts share: a token of look-ahead over the scanner.
 *
 * The first error ends the text: it is told, and each token from there on is
 * DIST_TOKEN_END, which no rule accepts and every loop stops at. So rules need not
 * check after each step; they may only not trust what they got once .scan.failed is
 * set.
 */
#ifndef X_PARSER_H
#define X_PARSER_H

#include "x/scan.h"
#include "x/spec.h"

/* Types inside types; far beyond what people write, far within the stack. */
#define DIST_PARSER_DEPTH_MAX 64

struct dist_parser {
	struct dist_spec *spec;
	struct dist_scan scan;
	struct dist_token token; /* the next one */
	unsigned depth;
};

/* Whether the next token is this punctuation or keyword. */
bool dist_parser_sees(const struct dist_parser *parser, const char *text);

/* The next token, taken. */
struct dist_token dist_parser_take(struct dist_parser *parser);

/* Take it if it is this punctuation or keyword. */
bool dist_parser_accept(struct dist_parser *parser, const char *text);

/* Take this punctuation or keyword, or fail: "expected ';' after ..., found ...". */
void dist_parser_expect(struct dist_parser *parser, const char *text,
                        const char *after);

/* Take a name, or fail; @what says whose. */
const char *dist_parser_name(struct dist_parser *parser, const char *what);

/* Take a number or a name that stands for one, or fail. */
struct dist_spec_value dist_parser_value(struct dist_parser *parser, const char *what);

/* Fail at the next token: "expected WHAT, found 'token'". */
void dist_parser_fail(struct dist_parser *parser, const char *what);

/* Fail at @where with a sentence. */
void dist_parser_refuse(struct dist_parser *parser, struct dist_spec_where where,
                        const char *sentence);

/* parse_type.c */
struct dist_spec_type dist_parser_type(struct dist_parser *parser);
struct dist_spec_declaration *dist_parser_declaration(struct dist_parser *parser);
void dist_parser_enum_body(struct dist_parser *parser,
                           struct dist_spec_definition *def);
void dist_parser_struct_body(struct dist_parser *parser,
                             struct dist_spec_definition *def);
void dist_parser_union_body(struct dist_parser *parser,
                            struct dist_spec_definition *def);

/* parse_program.c: what follows the keyword "program" and its name. */
void dist_parser_program_body(struct dist_parser *parser,
                              struct dist_spec_definition *def);

#endif
