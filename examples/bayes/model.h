/*
 * Gaussian naive Bayes: the arithmetic, without any network in it.
 *
 *	sums of a shard --+
 *	sums of a shard --+--> sums of all --> model --> labels of new examples
 *	sums of a shard --+
 *
 * The types are those of idl/bayes.x. Sums are of whole numbers, so they are the same
 * for any cut into shards, and so is the model. What a function gives is freed by
 * xdr_free() with its type's routine. A function that can fail returns NULL, or a
 * sentence that says what is wrong; then nothing is given.
 */
#ifndef EXAMPLES_BAYES_MODEL_H
#define EXAMPLES_BAYES_MODEL_H

#include "bayes.h"

/* Sums up the examples of @shard, class by class. @ret_sums is given. */
const char *bayes_sums_of_shard(const bayes_shard *shard, bayes_sums *ret_sums);

/*
 * Adds @more to @sums; @sums may be zeroed, without any class yet. After a failure
 * @sums holds a part of @more, and is of no use but to be freed.
 */
const char *bayes_sums_add(bayes_sums *sums, const bayes_sums *more);

/*
 * The model of all examples in @sums. Each variance gets a billionth of the largest
 * variance of any feature over all examples, so that a feature that never changes does
 * not divide by zero: what scikit-learn's GaussianNB does (var_smoothing=1e-9).
 * @ret_model is given.
 */
const char *bayes_model_train(const bayes_sums *sums, bayes_model *ret_model);

/*
 * The most likely class of each example, the lower label of equals. @labels is filled.
 */
const char *bayes_model_classify(const bayes_model *model,
                                 const bayes_examples *examples, int *labels);

/* How many examples those are; 0 when the values do not come out even. */
u_int bayes_examples_count(const bayes_examples *examples);

#endif
