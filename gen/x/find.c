#include "x/find.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* One part of a name, up to a '/' or the end; NULL: any. */
struct part {
	const char *text;
	size_t length;
};

static bool
part_matches(const struct part *part, const char *name,
             const struct dist_spec_value *number)
{
	unsigned long long value;
	char *end;

	if (!part->text)
		return true;
	if (strlen(name) == part->length && memcmp(name, part->text, part->length) == 0)
		return true;
	if (!isdigit((unsigned char)*part->text))
		return false;
	errno = 0;
	value = strtoull(part->text, &end, 0);
	return errno == 0 && end == part->text + part->length && number->known &&
	       !number->negative && number->magnitude == value;
}

/* One part, the procedure, or three. */
static bool
split(const char *name, struct part ret_parts[3])
{
	const char *slash = strchr(name, '/');
	const char *second = slash ? strchr(slash + 1, '/') : NULL;

	if (!slash) {
		ret_parts[2] = (struct part){ name, strlen(name) };
		return true;
	}
	if (!second)
		return false;
	ret_parts[0] = (struct part){ name, (size_t)(slash - name) };
	ret_parts[1] = (struct part){ slash + 1, (size_t)(second - slash - 1) };
	ret_parts[2] = (struct part){ second + 1, strlen(second + 1) };
	return true;
}

static size_t
find_in_version(struct dist_spec_found *found, const struct part *part,
                dist_spec_found_fn *fn, void *arg)
{
	size_t n = 0;

	for (found->procedure = found->version->procedures; found->procedure;
	     found->procedure = found->procedure->next) {
		if (!part_matches(part, found->procedure->name,
		                  &found->procedure->number))
			continue;
		fn(found, arg);
		n++;
	}
	return n;
}

size_t
dist_spec_find_procedures(const struct dist_spec *spec, const char *name,
                          dist_spec_found_fn *fn, void *arg)
{
	struct part parts[3] = { { NULL, 0 } };
	struct dist_spec_found found;
	size_t n = 0;

	if (name && !split(name, parts))
		return 0;
	for (found.program = spec->definitions; found.program;
	     found.program = found.program->next) {
		if (found.program->kind != DIST_SPEC_PROGRAM ||
		    !part_matches(&parts[0], found.program->name,
		                  &found.program->value))
			continue;
		for (found.version = found.program->versions; found.version;
		     found.version = found.version->next) {
			if (part_matches(&parts[1], found.version->name,
			                 &found.version->number))
				n += find_in_version(&found, &parts[2], fn, arg);
		}
	}
	return n;
}
