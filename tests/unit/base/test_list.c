#include "base/list.h"

#include "support/check.h"

struct item {
	int value;
	struct dist_list link;
};

static struct dist_list *
item_link(struct item *item, int value)
{
	item->value = value;
	return &item->link;
}

/* The values in order as the digits of one number: 1, 2, 3 is 123. */
static int
digits(struct dist_list *list)
{
	struct item *item, *next;
	int number = 0;

	DIST_LIST_EACH (item, next, list, link)
		number = number * 10 + item->value;
	return number;
}

static void
test_a_new_list_is_empty_and_gives_nothing(void **state)
{
	struct dist_list list;

	(void)state;
	dist_list_init(&list);
	assert_true(dist_list_empty(&list));
	assert_null(dist_list_pop(&list));
}

static void
test_append_and_prepend_keep_order(void **state)
{
	struct dist_list list;
	struct item items[3];

	(void)state;
	dist_list_init(&list);
	dist_list_append(&list, item_link(&items[1], 2));
	dist_list_append(&list, item_link(&items[2], 3));
	dist_list_prepend(&list, item_link(&items[0], 1));
	assert_int_equal(digits(&list), 123);
	assert_ptr_equal(dist_list_pop(&list), &items[0].link);
	assert_int_equal(digits(&list), 23);
}

static void
test_removing_twice_does_no_harm(void **state)
{
	struct dist_list list;
	struct item items[3];

	(void)state;
	dist_list_init(&list);
	for (int i = 0; i < 3; i++)
		dist_list_append(&list, item_link(&items[i], i + 1));
	dist_list_remove(&items[1].link);
	dist_list_remove(&items[1].link);
	assert_int_equal(digits(&list), 13);
}

static void
test_a_member_may_leave_while_the_list_is_walked(void **state)
{
	struct dist_list list;
	struct item items[4], *item, *next;

	(void)state;
	dist_list_init(&list);
	for (int i = 0; i < 4; i++)
		dist_list_append(&list, item_link(&items[i], i + 1));
	DIST_LIST_EACH (item, next, &list, link) {
		if (item->value % 2 == 0)
			dist_list_remove(&item->link);
	}
	assert_int_equal(digits(&list), 13);
}

static void
test_moving_all_joins_two_lists_and_empties_one(void **state)
{
	struct dist_list from, to;
	struct item items[4];

	(void)state;
	dist_list_init(&from);
	dist_list_init(&to);
	dist_list_append(&to, item_link(&items[0], 1));
	dist_list_append(&to, item_link(&items[1], 2));
	dist_list_append(&from, item_link(&items[2], 3));
	dist_list_append(&from, item_link(&items[3], 4));
	dist_list_move_all(&from, &to);
	assert_int_equal(digits(&to), 1234);
	assert_true(dist_list_empty(&from));

	dist_list_move_all(&from, &to);
	assert_int_equal(digits(&to), 1234);
	dist_list_move_all(&to, &from);
	assert_int_equal(digits(&from), 1234);
	assert_true(dist_list_empty(&to));
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_a_new_list_is_empty_and_gives_nothing),
	cmocka_unit_test(test_append_and_prepend_keep_order),
	cmocka_unit_test(test_removing_twice_does_no_harm),
	cmocka_unit_test(test_a_member_may_leave_while_the_list_is_walked),
	cmocka_unit_test(test_moving_all_joins_two_lists_and_empties_one),
};

CHECK_MAIN(tests)
