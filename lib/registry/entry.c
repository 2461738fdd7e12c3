/*
 * The copy is one block: the struct, its arrays, then its strings. It is laid out twice
 * by the same code, first with no block to learn the size, then for good.
 */
#include "registry/entry.h"
#include "base/error.h"

#include <stdlib.h>
#include <string.h>

struct layout {
	char *block; /* NULL: only count */
	size_t used;
};

static void *
layout_copy(struct layout *layout, const void *from, size_t length, size_t alignment)
{
	size_t at = (layout->used + alignment - 1) & ~(alignment - 1);

	layout->used = at + length;
	if (!layout->block)
		return NULL;
	if (length)
		memcpy(layout->block + at, from, length);
	return layout->block + at;
}

static char *
layout_string(struct layout *layout, const char *string)
{
	return layout_copy(layout, string, strlen(string) + 1, 1);
}

#define LAYOUT_ARRAY(layout, from, n) \
	layout_copy(layout, from, (n) * sizeof(*(from)), _Alignof(__typeof__(*(from))))

static void
layout_endpoints(struct layout *layout, const dist_registration *as,
                 dist_registration *to)
{
	unsigned n = as->endpoints.endpoints_len;
	const dist_endpoint *from = as->endpoints.endpoints_val;
	dist_endpoint *copies = LAYOUT_ARRAY(layout, from, n);

	to->endpoints.endpoints_val = copies;
	for (unsigned i = 0; i < n; i++) {
		char *netid = layout_string(layout, from[i].netid);
		char *uaddr = layout_string(layout, from[i].uaddr);

		if (copies)
			copies[i] = (dist_endpoint){ .netid = netid, .uaddr = uaddr };
	}
}

static void
layout_services(struct layout *layout, const dist_registration *as,
                dist_registration *to)
{
	unsigned n = as->services.services_len;
	const dist_service_entry *from = as->services.services_val;
	dist_service_entry *copies = LAYOUT_ARRAY(layout, from, n);

	to->services.services_val = copies;
	for (unsigned i = 0; i < n; i++) {
		char *prog_name = layout_string(layout, from[i].prog_name);
		char *vers_name = layout_string(layout, from[i].vers_name);

		if (!copies)
			continue;
		copies[i].prog_name = prog_name;
		copies[i].vers_name = vers_name;
	}
}

static void
layout_attrs(struct layout *layout, const dist_registration *as, dist_registration *to)
{
	unsigned n = as->attrs.dist_attrs_len;
	const dist_attr *from = as->attrs.dist_attrs_val;
	dist_attr *copies = LAYOUT_ARRAY(layout, from, n);

	to->attrs.dist_attrs_val = copies;
	for (unsigned i = 0; i < n; i++) {
		char *name = layout_string(layout, from[i].name);
		char *value = layout_string(layout, from[i].value);

		if (copies)
			copies[i] = (dist_attr){ .name = name, .value = value };
	}
}

static size_t
entry_layout(char *block, const dist_registration *as, const char *address)
{
	struct layout layout = { .block = block, .used = sizeof(struct dist_entry) };
	struct dist_entry scratch,
		*entry = block ? (struct dist_entry *)block : &scratch;

	entry->as = *as;
	layout_endpoints(&layout, as, &entry->as);
	layout_services(&layout, as, &entry->as);
	layout_attrs(&layout, as, &entry->as);
	entry->address = layout_string(&layout, address);
	entry->as.name = layout_string(&layout, as->name[0] ? as->name : address);
	return layout.used;
}

/* The length of the UTF-8 sequence at @c (RFC 3629), 0 when it is none. */
static unsigned
utf8_length(const unsigned char *c)
{
	unsigned n = c[0] < 0x80   ? 1
	             : c[0] < 0xc2 ? 0
	             : c[0] < 0xe0 ? 2
	             : c[0] < 0xf0 ? 3
	                           : 4;

	if (c[0] > 0xf4)
		return 0;
	for (unsigned i = 1; i < n; i++) {
		if ((c[i] & 0xc0) != 0x80)
			return 0;
	}
	/* Longer than need be, surrogates, and beyond the last code point. */
	if ((c[0] == 0xe0 && c[1] < 0xa0) || (c[0] == 0xed && c[1] > 0x9f) ||
	    (c[0] == 0xf0 && c[1] < 0x90) || (c[0] == 0xf4 && c[1] > 0x8f))
		return 0;
	return n;
}

/* Names end up in tables, JSON and log lines: UTF-8, no control characters, not blank.
 */
static bool
name_is_showable(const char *name)
{
	const unsigned char *c = (const unsigned char *)name;
	bool blank = name[0] != '\0';
	unsigned n;

	for (; *c; c += n) {
		n = utf8_length(c);
		if (!n || *c < 0x20 || *c == 0x7f || (*c == 0xc2 && c[1] < 0xa0))
			return false;
		blank &= *c == ' ';
	}
	return !blank;
}

static enum dist_err
check_services(const dist_registration *as)
{
	const dist_service_entry *services = as->services.services_val;

	for (unsigned i = 0; i < as->services.services_len; i++) {
		if (!name_is_showable(services[i].prog_name) ||
		    !name_is_showable(services[i].vers_name))
			return dist_error_set(DIST_EREFUSED,
			                      "service %#x version %u has a name that "
			                      "cannot be shown",
			                      services[i].prog, services[i].vers);
		for (unsigned j = 0; j < i; j++) {
			if (services[i].prog == services[j].prog &&
			    services[i].vers == services[j].vers)
				return dist_error_set(
					DIST_EREFUSED,
					"service %#x version %u is listed "
					"twice",
					services[i].prog, services[i].vers);
		}
	}
	return DIST_OK;
}

static enum dist_err
check_attrs(const dist_registration *as)
{
	for (unsigned i = 0; i < as->attrs.dist_attrs_len; i++) {
		const dist_attr *attr = &as->attrs.dist_attrs_val[i];

		if (!attr->name[0] || !name_is_showable(attr->name) ||
		    !name_is_showable(attr->value))
			return dist_error_set(
				DIST_EREFUSED,
				"attribute %u has no name, or cannot be shown", i);
	}
	return DIST_OK;
}

static enum dist_err
check_registration(const dist_registration *as)
{
	static const dist_id none;

	if (!memcmp(as->instance, none, sizeof(none)))
		return dist_error_set(DIST_EREFUSED, "the instance is all zero");
	if (!as->endpoints.endpoints_len)
		return dist_error_set(DIST_EREFUSED,
		                      "there is no address to call it at");
	if (!as->services.services_len)
		return dist_error_set(DIST_EREFUSED, "it serves nothing");
	if (!as->capacity)
		return dist_error_set(DIST_EREFUSED, "its capacity is 0");
	/* In log lines it stands between quotes. */
	if (!name_is_showable(as->name) || strchr(as->name, '"'))
		return dist_error_set(DIST_EREFUSED,
		                      "its name is blank, not UTF-8, or has control "
		                      "characters or quotes");
	return DIST_OK;
}

/* --- Limits --------------------------------------------------------------------- */

static enum dist_err
check_count(unsigned n, const char *what, unsigned max, const char *option)
{
	if (n <= max)
		return DIST_OK;
	return dist_error_set(DIST_EREFUSED,
	                      "it has %u %s, and this master takes %u of a node (%s)", n,
	                      what, max, option);
}

static enum dist_err
check_name_length(const char *name, const char *what, unsigned max)
{
	size_t length = strlen(name);

	if (length <= max)
		return DIST_OK;
	return dist_error_set(DIST_EREFUSED,
	                      "the name of %s, \"%.40s...\", has %zu bytes, and this "
	                      "master takes %u (max_name_bytes)",
	                      what, name, length, max);
}

static enum dist_err
check_name_lengths(const dist_registration *as, unsigned max)
{
	enum dist_err err = check_name_length(as->name, "the node", max);

	for (unsigned i = 0; i < as->services.services_len && !err; i++) {
		const dist_service_entry *service = &as->services.services_val[i];

		err = check_name_length(service->prog_name, "a program", max);
		if (!err)
			err = check_name_length(service->vers_name, "a version", max);
	}
	for (unsigned i = 0; i < as->attrs.dist_attrs_len && !err; i++)
		err = check_name_length(as->attrs.dist_attrs_val[i].name,
		                        "an attribute", max);
	return err;
}

enum dist_err
dist_entry_check_limits(const dist_registration *as,
                        const struct dist_entry_limits *limits)
{
	enum dist_err err;

	err = check_count(as->services.services_len, "services", limits->max_services,
	                  "max_services");
	if (!err)
		err = check_count(as->attrs.dist_attrs_len, "attributes",
		                  limits->max_attributes, "max_attributes");
	return err ? err : check_name_lengths(as, limits->max_name_bytes);
}

/* --- From birth to death -------------------------------------------------------- */

enum dist_err
dist_entry_new(struct dist_entry **ret_entry, const dist_registration *as,
               const char *address)
{
	struct dist_entry *entry;
	enum dist_err err;

	err = check_registration(as);
	if (!err)
		err = check_services(as);
	if (!err)
		err = check_attrs(as);
	if (err)
		return err;

	entry = calloc(1, entry_layout(NULL, as, address));
	if (!entry)
		return dist_error_set_plain(DIST_ENOMEM);
	entry_layout((char *)entry, as, address);
	atomic_init(&entry->refs, 1);
	*ret_entry = entry;
	return DIST_OK;
}

struct dist_entry *
dist_entry_ref(struct dist_entry *entry)
{
	atomic_fetch_add_explicit(&entry->refs, 1, memory_order_relaxed);
	return entry;
}

/* The last one out sees all that others did with it before (release, then acquire). */
void
dist_entry_unref(struct dist_entry *entry)
{
	if (entry &&
	    atomic_fetch_sub_explicit(&entry->refs, 1, memory_order_acq_rel) == 1)
		free(entry);
}

static bool
endpoints_equal(const dist_registration *a, const dist_registration *b)
{
	if (a->endpoints.endpoints_len != b->endpoints.endpoints_len)
		return false;
	for (unsigned i = 0; i < a->endpoints.endpoints_len; i++) {
		const dist_endpoint *one = &a->endpoints.endpoints_val[i];
		const dist_endpoint *other = &b->endpoints.endpoints_val[i];

		if (strcmp(one->netid, other->netid) ||
		    strcmp(one->uaddr, other->uaddr))
			return false;
	}
	return true;
}

static bool
services_equal(const dist_registration *a, const dist_registration *b)
{
	if (a->services.services_len != b->services.services_len)
		return false;
	for (unsigned i = 0; i < a->services.services_len; i++) {
		const dist_service_entry *one = &a->services.services_val[i];
		const dist_service_entry *other = &b->services.services_val[i];

		if (one->prog != other->prog || one->vers != other->vers ||
		    strcmp(one->prog_name, other->prog_name) ||
		    strcmp(one->vers_name, other->vers_name))
			return false;
	}
	return true;
}

static bool
attrs_equal(const dist_attrs *a, const dist_attrs *b)
{
	if (a->dist_attrs_len != b->dist_attrs_len)
		return false;
	for (unsigned i = 0; i < a->dist_attrs_len; i++) {
		const dist_attr *one = &a->dist_attrs_val[i],
				*other = &b->dist_attrs_val[i];

		if (strcmp(one->name, other->name) || strcmp(one->value, other->value))
			return false;
	}
	return true;
}

bool
dist_entry_equal(const struct dist_entry *a, const struct dist_entry *b)
{
	return !memcmp(a->as.instance, b->as.instance, sizeof(dist_id)) &&
	       !strcmp(a->as.name, b->as.name) && a->as.capacity == b->as.capacity &&
	       a->as.features == b->as.features && a->all_ipv4 == b->all_ipv4 &&
	       a->all_ipv6 == b->all_ipv6 && endpoints_equal(&a->as, &b->as) &&
	       services_equal(&a->as, &b->as) &&
	       attrs_equal(&a->as.attrs, &b->as.attrs);
}
