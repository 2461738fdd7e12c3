/* The procedures of bayes.so, called directly, and the arithmetic of the caller. */
#include "bayes/data.h"
#include "bayes/model.h"

#include "support/check.h"

#include <math.h>
#include <stdlib.h>

/* Two features, three classes; small enough to be worked out by hand. */
static int values[] = { 1, 10, 3, 10, 8, 2, 8, 4, 5, 5, 7, 7 };
static int labels[] = { 4, 4, -1, -1, 9, 9 };

static bayes_shard
shard_of_all(void)
{
	bayes_shard shard = { 0 };

	shard.examples.n_features = 2;
	shard.examples.values.values_len = 12;
	shard.examples.values.values_val = values;
	shard.labels.labels_len = 6;
	shard.labels.labels_val = labels;
	return shard;
}

/* The result of BAYES_TRAIN; what it holds is the test's to free. */
static bayes_train_result
train(bayes_shard shard)
{
	bayes_train_result result;

	/* As rpcgen's dispatcher leaves it. */
	memset(&result, 0xa5, sizeof(result));
	assert_true(bayes_train_1_svc(shard, &result, NULL));
	return result;
}

static bayes_model
model_of(const bayes_sums *sums)
{
	bayes_model model = { 0 };

	assert_null(bayes_model_train(sums, &model));
	return model;
}

/* cmocka knows floats alone. */
static void
assert_near(double value, double expected, double tolerance)
{
	if (fabs(value - expected) <= tolerance)
		return;
	print_error("%.17g is not %.17g\n", value, expected);
	fail();
}

static void
result_free(bayes_train_result *result)
{
	xdr_free((xdrproc_t)xdr_bayes_train_result, result);
}

static void
test_sums_are_by_class_and_in_order(void **state)
{
	bayes_train_result result = train(shard_of_all());
	const bayes_class_sums *classes;

	(void)state;
	assert_int_equal(result.status, BAYES_DONE);
	assert_int_equal(result.bayes_train_result_u.sums.n_features, 2);
	assert_int_equal(result.bayes_train_result_u.sums.classes.classes_len, 3);
	classes = result.bayes_train_result_u.sums.classes.classes_val;
	assert_int_equal(classes[0].label, -1);
	assert_int_equal(classes[1].label, 4);
	assert_int_equal(classes[2].label, 9);
	assert_int_equal(classes[1].count, 2);
	assert_int_equal(classes[1].sums.sums_val[0], 4);
	assert_int_equal(classes[1].squares.squares_val[0], 10);
	assert_int_equal(classes[1].sums.sums_val[1], 20);
	assert_int_equal(classes[1].squares.squares_val[1], 200);
	result_free(&result);
}

/* Means, variances and priors by hand; the second feature of class 4 never changes. */
static void
test_a_model_has_the_moments_of_its_classes(void **state)
{
	bayes_train_result result = train(shard_of_all());
	bayes_model model = model_of(&result.bayes_train_result_u.sums);
	const bayes_class *class = &model.classes.classes_val[1];
	/* The second feature varies most over all examples: 294/6 - (38/6)^2. */
	double smoothing = 1e-9 * 320 / 36;

	(void)state;
	assert_near(class->means.means_val[0], 2, 0);
	assert_near(class->means.means_val[1], 10, 0);
	assert_near(class->variances.variances_val[0], 1 + smoothing, 1e-15);
	assert_near(class->variances.variances_val[1], smoothing, 1e-20);
	assert_near(class->log_prior, log(1.0 / 3), 1e-15);
	xdr_free((xdrproc_t)xdr_bayes_model, &model);
	result_free(&result);
}

/* Bit for bit: whole numbers add up the same in any order. */
static void
test_any_cut_gives_the_same_model(void **state)
{
	bayes_shard all = shard_of_all();
	bayes_train_result whole = train(all);
	bayes_model expected = model_of(&whole.bayes_train_result_u.sums);

	(void)state;
	for (u_int n_shards = 1; n_shards <= 6; n_shards++) {
		bayes_sums sums = { 0 };
		bayes_model model;

		for (u_int i = n_shards; i-- > 0;) {
			bayes_train_result part = train(data_shard(&all, n_shards, i));

			assert_null(
				bayes_sums_add(&sums, &part.bayes_train_result_u.sums));
			result_free(&part);
		}
		model = model_of(&sums);
		assert_int_equal(model.classes.classes_len, 3);
		for (u_int c = 0; c < 3; c++) {
			const bayes_class *a = &expected.classes.classes_val[c];
			const bayes_class *b = &model.classes.classes_val[c];

			assert_int_equal(a->label, b->label);
			assert_memory_equal(&a->log_prior, &b->log_prior,
			                    sizeof(double));
			assert_memory_equal(a->means.means_val, b->means.means_val,
			                    2 * sizeof(double));
			assert_memory_equal(a->variances.variances_val,
			                    b->variances.variances_val,
			                    2 * sizeof(double));
		}
		xdr_free((xdrproc_t)xdr_bayes_model, &model);
		xdr_free((xdrproc_t)xdr_bayes_sums, &sums);
	}
	xdr_free((xdrproc_t)xdr_bayes_model, &expected);
	result_free(&whole);
}

static void
test_examples_find_their_class(void **state)
{
	bayes_shard all = shard_of_all();
	bayes_train_result result = train(all);
	bayes_model model = model_of(&result.bayes_train_result_u.sums);
	bayes_classify_result found;

	(void)state;
	memset(&found, 0xa5, sizeof(found));
	assert_true(bayes_classify_1_svc(model, all.examples, &found, NULL));
	assert_int_equal(found.status, BAYES_DONE);
	assert_int_equal(found.bayes_classify_result_u.labels.labels_len, 6);
	assert_memory_equal(found.bayes_classify_result_u.labels.labels_val, labels,
	                    sizeof(labels));
	xdr_free((xdrproc_t)xdr_bayes_classify_result, &found);
	xdr_free((xdrproc_t)xdr_bayes_model, &model);
	result_free(&result);
}

/* What is refused says why, in a string that is freed as any result is. */
static void
assert_train_refused(bayes_shard shard)
{
	bayes_train_result result = train(shard);

	assert_int_equal(result.status, BAYES_REFUSED);
	assert_true(strlen(result.bayes_train_result_u.reason) > 0);
	result_free(&result);
}

static void
test_shards_that_lie_are_refused(void **state)
{
	static int too_large[] = { 1, BAYES_MAX_VALUE + 1 };
	bayes_shard shard = shard_of_all();

	(void)state;
	shard.labels.labels_len = 5;
	assert_train_refused(shard);
	shard.labels.labels_len = 0;
	assert_train_refused(shard);
	shard = shard_of_all();
	shard.examples.n_features = 0;
	assert_train_refused(shard);
	shard.examples.n_features = 5; /* 12 values do not come out even */
	assert_train_refused(shard);
	shard = shard_of_all();
	shard.labels.labels_len = 1;
	shard.examples.values.values_len = 2;
	shard.examples.values.values_val = too_large;
	assert_train_refused(shard);
}

static void
assert_classify_refused(bayes_model model, bayes_examples examples)
{
	bayes_classify_result found;

	memset(&found, 0xa5, sizeof(found));
	assert_true(bayes_classify_1_svc(model, examples, &found, NULL));
	assert_int_equal(found.status, BAYES_REFUSED);
	assert_true(strlen(found.bayes_classify_result_u.reason) > 0);
	xdr_free((xdrproc_t)xdr_bayes_classify_result, &found);
}

static void
test_models_that_lie_are_refused(void **state)
{
	bayes_shard all = shard_of_all();
	bayes_train_result result = train(all);
	bayes_model model = model_of(&result.bayes_train_result_u.sums);
	bayes_model lying = model;

	(void)state;
	lying.n_features = 3; /* and so do its examples: 12 values are 4 times 3 */
	all.examples.n_features = 3;
	assert_classify_refused(lying, all.examples);
	lying = model;
	assert_classify_refused(lying, all.examples);
	lying.classes.classes_len = 0;
	all.examples.n_features = 2;
	assert_classify_refused(lying, all.examples);
	all.examples.values.values_len = 11;
	assert_classify_refused(model, all.examples);
	xdr_free((xdrproc_t)xdr_bayes_model, &model);
	result_free(&result);
}

static void
test_sums_of_other_features_do_not_add(void **state)
{
	bayes_train_result two = train(shard_of_all()), three;
	bayes_shard shard = shard_of_all();

	(void)state;
	shard.examples.n_features = 3;
	shard.labels.labels_len = 4;
	three = train(shard);
	assert_int_equal(three.status, BAYES_DONE);
	assert_non_null(bayes_sums_add(&two.bayes_train_result_u.sums,
	                               &three.bayes_train_result_u.sums));
	result_free(&three);
	result_free(&two);
}

/* Nothing to tell them apart by: no variance, so no model. */
static void
test_equal_examples_give_no_model(void **state)
{
	static int same[] = { 7, 7, 7, 7 };
	bayes_shard shard = shard_of_all();
	bayes_train_result result;
	bayes_model model;

	(void)state;
	shard.examples.values.values_val = same;
	shard.examples.values.values_len = 4;
	shard.labels.labels_len = 2;
	result = train(shard);
	assert_non_null(bayes_model_train(&result.bayes_train_result_u.sums, &model));
	result_free(&result);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_sums_are_by_class_and_in_order),
	cmocka_unit_test(test_a_model_has_the_moments_of_its_classes),
	cmocka_unit_test(test_any_cut_gives_the_same_model),
	cmocka_unit_test(test_examples_find_their_class),
	cmocka_unit_test(test_shards_that_lie_are_refused),
	cmocka_unit_test(test_models_that_lie_are_refused),
	cmocka_unit_test(test_sums_of_other_features_do_not_add),
	cmocka_unit_test(test_equal_examples_give_no_model),
};

CHECK_MAIN(tests)
