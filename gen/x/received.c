/*
 * The parser takes all its memory from the spec's arena, holds nothing else, and says one
 * thing at most; so where memory ends it is left by longjmp(), and the arena freed.
 */
#include "x/received.h"

#include "x/parse.h"
#include "x/text.h"

#include <setjmp.h>
#include <stdio.h>
#include <string.h>

static bool
refuse(char *why, const char *sentence)
{
	snprintf(why, DIST_SPEC_WHY_MAX, "%s", sentence);
	return false;
}

/* The message is one line; what of it came from the text may be anything. */
static void
make_clean(char *why)
{
	for (char *at = why; *at; at++) {
		if (*at == '\n' && !at[1])
			*at = '\0';
		else if (*at < ' ' || *at > '~')
			*at = '?';
	}
}

static bool
parse(struct dist_spec *spec, const char *text, size_t length, FILE *messages, char *why)
{
	struct dist_diag diag = { .stream = messages, .no_warnings = true };
	jmp_buf full;

	if (setjmp(full)) {
		spec->arena.full = NULL;
		return refuse(why, "it takes too much memory");
	}
	spec->arena.full = &full;
	spec->arena.left = DIST_SPEC_MEMORY_MAX;
	if (!dist_spec_parse(spec, &diag, text, length)) {
		spec->arena.full = NULL;
		return false; /* the message is in @messages */
	}
	spec->arena.full = NULL;
	return true;
}

bool
dist_spec_receive(struct dist_spec *spec, const char *name, const char *text,
                  size_t length, char ret_why[DIST_SPEC_WHY_MAX])
{
	FILE *messages;
	bool done;

	dist_spec_init(spec, name);
	memset(ret_why, 0, DIST_SPEC_WHY_MAX);
	if (length > DIST_SPEC_TEXT_MAX)
		return refuse(ret_why, "it is too long");
	messages = fmemopen(ret_why, DIST_SPEC_WHY_MAX - 1, "w");
	if (!messages)
		return refuse(ret_why, "out of memory");
	/* Else a stream that is full says so only when it is closed. */
	setvbuf(messages, NULL, _IONBF, 0);
	done = parse(spec, text, length, messages, ret_why);
	fclose(messages);
	make_clean(ret_why);
	return done;
}

static bool
is_number(const struct dist_spec_value *value, uint32_t number)
{
	return dist_spec_value_is_u32(value) && value->magnitude == number;
}

static const struct dist_spec_version *
find_version(const struct dist_spec_definition *program, uint32_t vers)
{
	const struct dist_spec_version *version;

	for (version = program->versions; version; version = version->next) {
		if (is_number(&version->number, vers))
			return version;
	}
	return NULL;
}

bool
dist_spec_find_served(const struct dist_spec *spec, uint32_t prog, uint32_t vers,
                      struct dist_spec_served *ret_served)
{
	const struct dist_spec_definition *def;
	const struct dist_spec_version *version;

	for (def = spec->definitions; def; def = def->next) {
		if (def->kind != DIST_SPEC_PROGRAM || !is_number(&def->value, prog))
			continue;
		version = find_version(def, vers);
		if (version) {
			*ret_served = (struct dist_spec_served){ def, version };
			return true;
		}
	}
	return false;
}
