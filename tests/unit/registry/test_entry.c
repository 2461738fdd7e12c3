#include "registry/entry.h"

#include "sample.h"

static void
test_a_copy_is_equal_and_its_own(void **state)
{
	struct dist_entry *one, *other;
	struct sample sample;

	(void)state;
	sample_fill(&sample, 1);
	assert_ok(dist_entry_new(&one, &sample.as, sample.address));
	assert_ok(dist_entry_new(&other, &sample.as, sample.address));
	memset(&sample, 0, sizeof(sample));
	assert_true(dist_entry_equal(one, other));
	assert_string_equal(one->as.name, "node-1");
	assert_string_equal(one->address, "10.0.0.1:1001");
	assert_string_equal(one->as.endpoints.endpoints_val[0].uaddr, "10.0.0.1.3.1");
	assert_string_equal(one->as.services.services_val[1].prog_name, "PAL_PROG");
	assert_string_equal(one->as.attrs.dist_attrs_val[0].value, "7");
	dist_entry_unref(dist_entry_ref(one));
	dist_entry_unref(one);
	dist_entry_unref(other);
	dist_entry_unref(NULL);
}

static void
test_a_node_without_a_name_is_named_after_its_address(void **state)
{
	struct dist_entry *entry;
	struct sample sample;

	(void)state;
	sample_fill(&sample, 3)->name = "";
	assert_ok(dist_entry_new(&entry, &sample.as, sample.address));
	assert_string_equal(entry->as.name, "10.0.0.3:1003");
	dist_entry_unref(entry);
}

static void
break_instance(struct sample *sample)
{
	memset(sample->as.instance, 0, sizeof(sample->as.instance));
}

static void
break_endpoints(struct sample *sample)
{
	sample->as.endpoints.endpoints_len = 0;
}

static void
break_services(struct sample *sample)
{
	sample->as.services.services_len = 0;
}

static void
break_capacity(struct sample *sample)
{
	sample->as.capacity = 0;
}

static void
break_twice(struct sample *sample)
{
	sample->services[1].prog = sample->services[0].prog;
}

static void
break_prog_name(struct sample *sample)
{
	sample->services[1].prog_name = "A\nB";
}

static void
break_blank_name(struct sample *sample)
{
	sample->as.name = "   ";
}

static void
break_utf8(struct sample *sample)
{
	sample->as.name = "n\xc3";
}

static void
break_overlong_utf8(struct sample *sample)
{
	sample->as.name = "\xe0\x80\x80";
}

static void
break_escape(struct sample *sample)
{
	sample->as.name = "\x1b[31m";
}

/* It would add keys of its own to a log line. */
static void
break_quotes(struct sample *sample)
{
	sample->as.name = "a\" address=elsewhere x=\"";
}

static void
break_c1_control(struct sample *sample)
{
	sample->as.name = "\xc2\x9b";
}

static void
break_attr(struct sample *sample)
{
	sample->attr.name = "";
}

static void
test_what_is_malformed_is_refused_with_a_sentence(void **state)
{
	static void (*const breakers[])(struct sample *) = {
		break_instance,      break_endpoints, break_services,   break_capacity,
		break_twice,         break_prog_name, break_blank_name, break_utf8,
		break_overlong_utf8, break_escape,    break_quotes,
		break_c1_control,    break_attr,
	};

	(void)state;
	for (size_t i = 0; i < DIST_ARRAY_SIZE(breakers); i++) {
		struct dist_entry *entry = NULL;
		struct sample sample;

		sample_fill(&sample, 1);
		breakers[i](&sample);
		assert_err(dist_entry_new(&entry, &sample.as, sample.address),
		           DIST_EREFUSED);
		assert_null(entry);
		assert_true(strlen(dist_error_text()) > 10);
	}
}

static void
test_names_in_any_script_are_taken(void **state)
{
	static char *const names[] = { "knoten-\xc3\xa4", "\xe7\xaf\x80\xe7\x82\xb9",
		                       "\xf0\x9f\x90\x9d", "rack 7, row 2" };

	(void)state;
	for (size_t i = 0; i < DIST_ARRAY_SIZE(names); i++) {
		struct dist_entry *entry;
		struct sample sample;

		sample_fill(&sample, 1)->name = names[i];
		assert_ok(dist_entry_new(&entry, &sample.as, sample.address));
		assert_string_equal(entry->as.name, names[i]);
		dist_entry_unref(entry);
	}
}

static void
change_name(struct sample *sample)
{
	sample->as.name = "other";
}

static void
change_endpoint(struct sample *sample)
{
	sample->endpoint.uaddr = "10.0.0.1.3.2";
}

static void
change_service(struct sample *sample)
{
	sample->services[0].vers = 2;
}

static void
change_capacity(struct sample *sample)
{
	sample->as.capacity++;
}

static void
change_features(struct sample *sample)
{
	sample->as.features = 1;
}

static void
change_attr(struct sample *sample)
{
	sample->attr.value = "8";
}

static void
change_n_attrs(struct sample *sample)
{
	sample->as.attrs.dist_attrs_len = 0;
}

static void
test_any_difference_that_watchers_see_is_one(void **state)
{
	static void (*const changes[])(struct sample *) = {
		change_name,     change_endpoint, change_service, change_capacity,
		change_features, change_attr,     change_n_attrs,
	};
	struct dist_entry *before = sample_entry(1);

	(void)state;
	for (size_t i = 0; i < DIST_ARRAY_SIZE(changes); i++) {
		struct dist_entry *after;
		struct sample sample;

		sample_fill(&sample, 1);
		changes[i](&sample);
		assert_ok(dist_entry_new(&after, &sample.as, sample.address));
		assert_false(dist_entry_equal(before, after));
		dist_entry_unref(after);
	}
	dist_entry_unref(before);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_a_copy_is_equal_and_its_own),
	cmocka_unit_test(test_a_node_without_a_name_is_named_after_its_address),
	cmocka_unit_test(test_what_is_malformed_is_refused_with_a_sentence),
	cmocka_unit_test(test_names_in_any_script_are_taken),
	cmocka_unit_test(test_any_difference_that_watchers_see_is_one),
};

CHECK_MAIN(tests)
