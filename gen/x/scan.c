/*
 * The scanner. It is stricter than rpcgen's where that one goes wrong in silence: a
 * line longer than its buffer is cut there, wherever the cut falls, and a word with it.
 */
#include "x/scan.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* What rpcgen reads of a line at once: its buffer without the NUL. */
#define RPCGEN_LINE_MAX 1023

static const char *const keywords[] = {
	"bool",    "case",      "char",     "const",   "default", "double",
	"enum",    "float",     "hyper",    "int",     "long",    "opaque",
	"program", "quadruple", "short",    "string",  "struct",  "switch",
	"typedef", "union",     "unsigned", "version", "void",
};

void
dist_scan_init(struct dist_scan *scan, struct dist_spec *spec, struct dist_diag *diag,
               const char *text, size_t length)
{
	*scan = (struct dist_scan){
		.spec = spec,
		.diag = diag,
		.passthrough_tail = &spec->passthroughs,
		.at = text,
		.end = text + length,
		.line = text,
		.line_start = true,
		.where = { spec->file, 1 },
	};
}

/* Tells one error, and ends the scan: what follows would be noise. */
#define scan_fail(scan, ...) \
	do { \
		dist_diag_error((scan)->diag, (scan)->where, __VA_ARGS__); \
		(scan)->failed = true; \
		(scan)->at = (scan)->end; \
	} while (0)

/* Whether rpcgen would cut the next @length bytes in two; then it is told. */
static bool
scan_is_cut(struct dist_scan *scan, size_t length)
{
	size_t from = (size_t)(scan->at - scan->line);

	if (from / RPCGEN_LINE_MAX == (from + length - 1) / RPCGEN_LINE_MAX)
		return false;
	scan_fail(scan,
	          "rpcgen reads lines in pieces of %d bytes, and would cut this one "
	          "inside a word: break it",
	          RPCGEN_LINE_MAX);
	return true;
}

static bool
scan_sees(const struct dist_scan *scan, const char *text)
{
	size_t length = strlen(text);

	return (size_t)(scan->end - scan->at) >= length &&
	       memcmp(scan->at, text, length) == 0;
}

static const char *
scan_line_end(const struct dist_scan *scan)
{
	const char *end = memchr(scan->at, '\n', (size_t)(scan->end - scan->at));

	return end ? end : scan->end;
}

/* "# 12 "file" 1": the next line is line 12 of that file. */
static void
scan_marker(struct dist_scan *scan)
{
	const char *end = scan_line_end(scan);
	const char *at = scan->at + 1, *file;
	unsigned line = 0;

	while (at < end && isblank((unsigned char)*at))
		at++;
	for (file = at; at < end && isdigit((unsigned char)*at); at++)
		line = line * 10 + (unsigned)(*at - '0');
	while (at > file && at < end && isblank((unsigned char)*at))
		at++;
	if (at == file || at == end || *at != '"') {
		scan_fail(scan, "rpcgen takes no such # line: write it as a %% line, "
		                "which goes to the C compiler");
		return;
	}
	for (file = ++at; at < end && *at != '"'; at++)
		;
	file = dist_spec_add_file(scan->spec, file, (size_t)(at - file));
	if (!file) {
		scan_fail(scan, "made of more than %d files", DIST_SPEC_FILES_MAX);
		return;
	}
	scan->where.file = file;
	scan->where.line = line;
	scan->at = end < scan->end ? end + 1 : end;
}

static void
scan_passthrough(struct dist_scan *scan)
{
	const char *end = scan_line_end(scan);
	struct dist_arena *arena = &scan->spec->arena;
	struct dist_spec_passthrough *line = dist_arena_alloc(arena, sizeof(*line));

	line->where = scan->where;
	line->text = dist_arena_copy(arena, scan->at + 1, (size_t)(end - scan->at) - 1);
	*scan->passthrough_tail = line;
	scan->passthrough_tail = &line->next;
	scan->at = end < scan->end ? end + 1 : end;
	scan->where.line++;
}

/* Where lines start outside comments: markers and % lines, as many as come. */
static void
scan_line_starts(struct dist_scan *scan)
{
	while (scan->line_start && scan->at < scan->end) {
		const char *end = scan_line_end(scan);

		scan->line = scan->at;
		if (memchr(scan->at, '\0', (size_t)(end - scan->at))) {
			scan_fail(scan, "a NUL byte is in this line");
		} else if (*scan->at == '#') {
			scan_marker(scan);
		} else if (*scan->at == '%') {
			if (!scan_is_cut(scan, (size_t)(end - scan->at)))
				scan_passthrough(scan);
		} else {
			scan->line_start = false;
		}
	}
}

static void
scan_newline(struct dist_scan *scan)
{
	scan->at++;
	scan->where.line++;
	scan->line_start = true;
}

static void
scan_comment(struct dist_scan *scan)
{
	struct dist_spec_where start = scan->where;

	if (scan_is_cut(scan, 2))
		return;
	scan->at += 2;
	while (scan->at < scan->end && !scan_sees(scan, "*/")) {
		if (*scan->at++ == '\n') {
			scan->where.line++;
			scan->line = scan->at;
		}
	}
	if (scan->at == scan->end) {
		scan->where = start;
		scan_fail(scan, "the comment does not end");
		return;
	}
	if (!scan_is_cut(scan, 2))
		scan->at += 2;
}

static void
scan_blanks(struct dist_scan *scan)
{
	while (scan->at < scan->end) {
		if (scan->line_start)
			scan_line_starts(scan);
		else if (*scan->at == '\n')
			scan_newline(scan);
		else if (isspace((unsigned char)*scan->at))
			scan->at++;
		else if (scan_sees(scan, "/*"))
			scan_comment(scan);
		else
			return;
	}
}

static bool
is_name_char(char c)
{
	return isalnum((unsigned char)c) || c == '_';
}

static struct dist_token
scan_end(struct dist_scan *scan)
{
	return (struct dist_token){ DIST_TOKEN_END, "the end of the file",
		                    scan->where };
}

static struct dist_token
scan_token(struct dist_scan *scan, enum dist_token_kind kind, size_t length)
{
	struct dist_token token = { .kind = kind, .where = scan->where };

	if (scan_is_cut(scan, length))
		return scan_end(scan);
	token.text = dist_arena_copy(&scan->spec->arena, scan->at, length);
	scan->at += length;
	return token;
}

static struct dist_token
scan_name(struct dist_scan *scan)
{
	struct dist_token token;
	size_t length = 0;

	while (scan->at + length < scan->end && is_name_char(scan->at[length]))
		length++;
	token = scan_token(scan, DIST_TOKEN_NAME, length);
	for (size_t i = 0; i < sizeof(keywords) / sizeof(keywords[0]); i++) {
		if (!scan->failed && strcmp(token.text, keywords[i]) == 0)
			token.kind = DIST_TOKEN_KEYWORD;
	}
	return token;
}

/* Decimal, 0x hexadecimal or 0 octal, with a minus sign or without. */
static bool
number_is_valid(const char *text)
{
	const char *digits = text + (*text == '-');

	if (strncmp(digits, "0x", 2) == 0)
		return digits[2] && !digits[2 + strspn(digits + 2, "0123456789abcdef"
		                                                   "ABCDEF")];
	if (*digits == '0')
		return !digits[strspn(digits, "01234567")];
	return *digits && !digits[strspn(digits, "0123456789")];
}

static struct dist_token
scan_number(struct dist_scan *scan)
{
	struct dist_token token;
	size_t length = 1;

	while (scan->at + length < scan->end && is_name_char(scan->at[length]))
		length++;
	token = scan_token(scan, DIST_TOKEN_NUMBER, length);
	if (!scan->failed && !number_is_valid(token.text)) {
		scan_fail(scan, "'%.40s' is not a number: write 10, 0xA or 012",
		          token.text);
		return scan_end(scan);
	}
	return token;
}

static struct dist_token
scan_quoted(struct dist_scan *scan, char quote, enum dist_token_kind kind)
{
	size_t length = 1, left = (size_t)(scan_line_end(scan) - scan->at);

	while (length < left && scan->at[length] != quote)
		length++;
	if (length == left) {
		scan_fail(scan, "the %s does not end in this line",
		          quote == '"' ? "string" : "character");
		return scan_end(scan);
	}
	if (kind == DIST_TOKEN_CHAR && length != 2) {
		scan_fail(scan,
		          "rpcgen takes exactly one character between single quotes");
		return scan_end(scan);
	}
	return scan_token(scan, kind, length + 1);
}

static struct dist_token
scan_strange(struct dist_scan *scan)
{
	unsigned char c = (unsigned char)*scan->at;

	if (scan_sees(scan, "//"))
		scan_fail(scan,
		          "comments are written /* like this */: rpcgen knows no //");
	else if (isprint(c))
		scan_fail(scan, "'%c' has no meaning here", c);
	else
		scan_fail(scan, "a byte 0x%02x has no meaning here", c);
	return scan_end(scan);
}

struct dist_token
dist_scan_next(struct dist_scan *scan)
{
	char c;

	scan_blanks(scan);
	if (scan->at == scan->end)
		return scan_end(scan);
	c = *scan->at;
	if (isalpha((unsigned char)c) || c == '_')
		return scan_name(scan);
	if (isdigit((unsigned char)c) || c == '-')
		return scan_number(scan);
	if (c == '"')
		return scan_quoted(scan, c, DIST_TOKEN_STRING);
	if (c == '\'')
		return scan_quoted(scan, c, DIST_TOKEN_CHAR);
	if (c && strchr(":;,=*[]{}()<>", c))
		return scan_token(scan, DIST_TOKEN_PUNCTUATION, 1);
	return scan_strange(scan);
}
