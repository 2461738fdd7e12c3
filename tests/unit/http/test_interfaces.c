/* What the gateway keeps of the interfaces that nodes handed out. */
#include "support/check.h"

#include "interfaces.h"

#include <stdlib.h>
#include <string.h>

static const char text[] = "program P { version V { int F(int) = 1; } = 1; } = 7;";

/* Given. */
static struct interface *
make(uint32_t prog, size_t bytes)
{
	struct interface *interface = calloc(1, sizeof(*interface));
	char why[DIST_SPEC_WHY_MAX];

	assert_non_null(interface);
	assert_true(dist_spec_receive(&interface->reflected.spec, "t.x", text,
	                              strlen(text), why));
	interface->refs = 1;
	interface->is_there = true;
	interface->prog = prog;
	interface->vers = 1;
	interface->bytes = bytes;
	return interface;
}

static bool
has(struct interfaces *interfaces, uint32_t prog)
{
	struct interface *found = interfaces_find(interfaces, prog, 1);

	interface_unref(found);
	return found != NULL;
}

static void
test_the_least_recently_used_go_beyond_a_number(void **state)
{
	struct interfaces interfaces = { NULL };

	(void)state;
	for (uint32_t prog = 0; prog < INTERFACES_MAX; prog++)
		interfaces_add(&interfaces, make(prog, 100));
	assert_true(has(&interfaces, 0));
	interfaces_add(&interfaces, make(1000, 100));
	assert_true(has(&interfaces, 0));
	assert_false(has(&interfaces, 1));
	assert_true(has(&interfaces, 2));
	interfaces_fini(&interfaces);
}

static void
test_the_least_recently_used_go_beyond_a_size(void **state)
{
	struct interfaces interfaces = { NULL };

	(void)state;
	interfaces_add(&interfaces, make(1, INTERFACES_BYTES_MAX / 2));
	interfaces_add(&interfaces, make(2, INTERFACES_BYTES_MAX / 2));
	assert_true(has(&interfaces, 1));
	interfaces_add(&interfaces, make(3, 1));
	assert_false(has(&interfaces, 2));
	assert_true(has(&interfaces, 1));
	/* One alone may be larger. */
	interfaces_add(&interfaces, make(4, 2 * INTERFACES_BYTES_MAX));
	assert_true(has(&interfaces, 4));
	assert_false(has(&interfaces, 1));
	interfaces_fini(&interfaces);
}

/* A call holds on to its own, whatever becomes of the cache's. */
static void
test_one_in_use_outlives_its_place(void **state)
{
	struct interfaces interfaces = { NULL };
	struct interface *used, *newer;

	(void)state;
	interfaces_add(&interfaces, make(1, 1));
	used = interfaces_find(&interfaces, 1, 1);
	interfaces_add(&interfaces, make(1, 1));
	newer = interfaces_find(&interfaces, 1, 1);
	assert_ptr_not_equal(used, newer);
	assert_string_equal(used->reflected.spec.definitions->name, "P");
	interfaces_drop(&interfaces, used); /* not there: the newer one stays */
	assert_true(has(&interfaces, 1));
	interfaces_drop(&interfaces, newer);
	assert_false(has(&interfaces, 1));
	interfaces_fini(&interfaces);
	assert_string_equal(newer->reflected.spec.definitions->name, "P");
	interface_unref(used);
	interface_unref(newer);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_the_least_recently_used_go_beyond_a_number),
	cmocka_unit_test(test_the_least_recently_used_go_beyond_a_size),
	cmocka_unit_test(test_one_in_use_outlives_its_place),
};

CHECK_MAIN(tests)
