#include "x/find.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

bool
dist_spec_part_is(const struct dist_spec_part *part, const char *name,
                  const struct dist_spec_value *number)
{
	unsigned long long value;
	char *end;

	if (!part->text)
		return true;
	if (strlen(name) == part->length && memcmp(name, part->text, part->length) == 0)
		return part->length > 0;
	if (!isdigit((unsigned char)*part->text))
		return false;
	errno = 0;
	value = strtoull(part->text, &end, 0);
	return errno == 0 && end == part->text + part->length && number->known &&
	       !number->negative && number->magnitude == value;
}

bool
dist_spec_way_of(const char *name, struct dist_spec_way *ret_way)
{
	const char *slash = strchr(name, '/'), *last = strrchr(name, '/');
	struct dist_spec_way way = { { NULL, 0 } };

	if (slash)
		way.program = (struct dist_spec_part){ name, (size_t)(slash - name) };
	if (slash != last)
		way.version = (struct dist_spec_part){ slash + 1,
			                               (size_t)(last - slash - 1) };
	if (way.version.text && memchr(way.version.text, '/', way.version.length))
		return false;
	name = last ? last + 1 : name;
	way.procedure = (struct dist_spec_part){ name, strlen(name) };
	*ret_way = way;
	return true;
}

static size_t
find_in_version(struct dist_spec_found *found, const struct dist_spec_part *part,
                dist_spec_found_fn *fn, void *arg)
{
	size_t n = 0;

	for (found->procedure = found->version->procedures; found->procedure;
	     found->procedure = found->procedure->next) {
		if (!dist_spec_part_is(part, found->procedure->name,
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
	struct dist_spec_way way = { { NULL, 0 } };
	struct dist_spec_found found;
	size_t n = 0;

	if (name && !dist_spec_way_of(name, &way))
		return 0;
	for (found.program = spec->definitions; found.program;
	     found.program = found.program->next) {
		if (found.program->kind != DIST_SPEC_PROGRAM ||
		    !dist_spec_part_is(&way.program, found.program->name,
		                       &found.program->value))
			continue;
		for (found.version = found.program->versions; found.version;
		     found.version = found.version->next) {
			if (dist_spec_part_is(&way.version, found.version->name,
			                      &found.version->number))
				n += find_in_version(&found, &way.procedure, fn, arg);
		}
	}
	return n;
}
