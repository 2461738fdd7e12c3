#include "bayes/model.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

/* For sums over all classes, and products of two sums. */
__extension__ typedef __int128 int128;

static const char no_memory[] = "out of memory";

u_int
bayes_examples_count(const bayes_examples *examples)
{
	if (!examples->n_features || examples->values.values_len % examples->n_features)
		return 0;
	return examples->values.values_len / examples->n_features;
}

/* --- Sums ----------------------------------------------------------------- */

/* The place of @label among @sums' classes, which are in order; or where it belongs. */
static u_int
sums_search(const bayes_sums *sums, int label)
{
	u_int low = 0, high = sums->classes.classes_len;

	while (low < high) {
		u_int middle = low + (high - low) / 2;

		if (sums->classes.classes_val[middle].label < label)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Makes room for one more class at @place. */
static bool
sums_insert(bayes_sums *sums, u_int place, int label)
{
	u_int n_classes = sums->classes.classes_len;
	bayes_class_sums *classes, class = { .label = label };
	quad_t *totals;

	if (n_classes == BAYES_MAX_CLASSES)
		return false;
	classes = reallocarray(sums->classes.classes_val, n_classes + 1,
	                       sizeof(*classes));
	if (!classes)
		return false;
	sums->classes.classes_val = classes;

	totals = calloc(sums->n_features, sizeof(*totals));
	class.squares.squares_val = calloc(sums->n_features, sizeof(*totals));
	if (!totals || !class.squares.squares_val) {
		free(class.squares.squares_val);
		free(totals);
		return false;
	}
	class.sums.sums_val = totals;
	class.sums.sums_len = class.squares.squares_len = sums->n_features;

	for (u_int i = n_classes; i > place; i--)
		classes[i] = classes[i - 1];
	classes[place] = class;
	sums->classes.classes_len++;
	return true;
}

/* The class of @label, made when it is new; NULL: no memory, or too many classes. */
static bayes_class_sums *
sums_class(bayes_sums *sums, int label)
{
	u_int place = sums_search(sums, label);

	if (place == sums->classes.classes_len ||
	    sums->classes.classes_val[place].label != label)
		if (!sums_insert(sums, place, label))
			return NULL;
	return &sums->classes.classes_val[place];
}

/* Adds one example. With its bounds kept, a whole shard cannot overflow 64 bits. */
static bool
class_add_example(bayes_class_sums *class, const int *values)
{
	class->count++;
	for (u_int i = 0; i < class->sums.sums_len; i++) {
		if (values[i] > BAYES_MAX_VALUE || values[i] < -BAYES_MAX_VALUE)
			return false;
		class->sums.sums_val[i] += values[i];
		class->squares.squares_val[i] += (quad_t)values[i] * values[i];
	}
	return true;
}

static const char *
sums_fill(bayes_sums *sums, const bayes_shard *shard)
{
	const int *values = shard->examples.values.values_val;

	for (u_int i = 0; i < shard->labels.labels_len; i++) {
		bayes_class_sums *class = sums_class(sums, shard->labels.labels_val[i]);

		if (!class)
			return "too many classes, or out of memory";
		if (!class_add_example(class, values + (size_t)i * sums->n_features))
			return "a feature is beyond BAYES_MAX_VALUE";
	}
	return NULL;
}

const char *
bayes_sums_of_shard(const bayes_shard *shard, bayes_sums *ret_sums)
{
	bayes_sums sums = { .n_features = shard->examples.n_features };
	const char *wrong;

	if (sums.n_features > BAYES_MAX_FEATURES)
		return "more than BAYES_MAX_FEATURES features";
	if (!shard->labels.labels_len ||
	    bayes_examples_count(&shard->examples) != shard->labels.labels_len)
		return "the shard is empty, or has not one label for each example";

	wrong = sums_fill(&sums, shard);
	if (wrong) {
		xdr_free((xdrproc_t)xdr_bayes_sums, &sums);
		return wrong;
	}
	*ret_sums = sums;
	return NULL;
}

static const char *
class_add(bayes_class_sums *class, const bayes_class_sums *more)
{
	bool overflow =
		__builtin_add_overflow(class->count, more->count, &class->count);

	for (u_int i = 0; i < class->sums.sums_len; i++) {
		quad_t *sum = &class->sums.sums_val[i];
		quad_t *square = &class->squares.squares_val[i];

		overflow |= __builtin_add_overflow(*sum, more->sums.sums_val[i], sum);
		overflow |= __builtin_add_overflow(
			*square, more->squares.squares_val[i], square);
	}
	return overflow ? "the sums overflow 64 bits" : NULL;
}

const char *
bayes_sums_add(bayes_sums *sums, const bayes_sums *more)
{
	if (!sums->classes.classes_len)
		sums->n_features = more->n_features;
	if (sums->n_features != more->n_features)
		return "shards differ in their number of features";

	for (u_int i = 0; i < more->classes.classes_len; i++) {
		const bayes_class_sums *class = &more->classes.classes_val[i];
		bayes_class_sums *mine;
		const char *wrong;

		if (class->sums.sums_len != sums->n_features ||
		    class->squares.squares_len != sums->n_features || class->count < 1)
			return "a class has no examples, or not a sum for each feature";
		mine = sums_class(sums, class->label);
		wrong = mine ? class_add(mine, class) : no_memory;
		if (wrong)
			return wrong;
	}
	return NULL;
}

/* --- The model ------------------------------------------------------------ */

/*
 * E[x^2] - E[x]^2 loses its digits when both are close. As n * sum(x^2) - sum(x)^2 in
 * whole numbers nothing is lost, and the one rounding comes last.
 */
static double
variance(quad_t count, int128 sum, int128 square)
{
	int128 scaled = count * square - sum * sum;

	return (double)scaled / ((double)count * (double)count);
}

static quad_t
sums_total(const bayes_sums *sums)
{
	quad_t total = 0;

	for (u_int i = 0; i < sums->classes.classes_len; i++)
		total += sums->classes.classes_val[i].count;
	return total;
}

/* The largest variance of a feature over the examples of all classes. */
static double
sums_max_variance(const bayes_sums *sums)
{
	quad_t total = sums_total(sums);
	double largest = 0;

	for (u_int i = 0; i < sums->n_features; i++) {
		int128 sum = 0, square = 0;

		for (u_int j = 0; j < sums->classes.classes_len; j++) {
			sum += sums->classes.classes_val[j].sums.sums_val[i];
			square += sums->classes.classes_val[j].squares.squares_val[i];
		}
		largest = fmax(largest, variance(total, sum, square));
	}
	return largest;
}

/* @class is zeroed before; what it got by a failure is freed with the model. */
static bool
class_train(bayes_class *class, const bayes_class_sums *sums, quad_t total,
            double smoothing)
{
	u_int n_features = sums->sums.sums_len;
	double *means = calloc(n_features, sizeof(*means));
	double *variances = calloc(n_features, sizeof(*variances));

	if (!means || !variances) {
		free(means);
		free(variances);
		return false;
	}
	for (u_int i = 0; i < n_features; i++) {
		means[i] = (double)sums->sums.sums_val[i] / (double)sums->count;
		variances[i] = smoothing + variance(sums->count, sums->sums.sums_val[i],
		                                    sums->squares.squares_val[i]);
	}
	class->label = sums->label;
	class->log_prior = log((double)sums->count / (double)total);
	class->means.means_len = class->variances.variances_len = n_features;
	class->means.means_val = means;
	class->variances.variances_val = variances;
	return true;
}

const char *
bayes_model_train(const bayes_sums *sums, bayes_model *ret_model)
{
	double smoothing = 1e-9 * sums_max_variance(sums);
	u_int n_classes = sums->classes.classes_len;
	bayes_model model = { .n_features = sums->n_features };

	if (!n_classes)
		return "there are no examples to train on";
	if (smoothing <= 0)
		return "all examples are the same";
	model.classes.classes_val =
		calloc(n_classes, sizeof(*model.classes.classes_val));
	if (!model.classes.classes_val)
		return no_memory;
	model.classes.classes_len = n_classes;

	for (u_int i = 0; i < n_classes; i++) {
		if (class_train(&model.classes.classes_val[i],
		                &sums->classes.classes_val[i], sums_total(sums),
		                smoothing))
			continue;
		xdr_free((xdrproc_t)xdr_bayes_model, &model);
		return no_memory;
	}
	*ret_model = model;
	return NULL;
}

/* --- Classifying ---------------------------------------------------------- */

/*
 * The part of a class's likelihood that is the same for every example: its prior, and
 * what normalises its distributions.
 */
static double
class_constant(const bayes_class *class)
{
	double sum = class->log_prior;

	for (u_int i = 0; i < class->variances.variances_len; i++)
		sum -= 0.5 * log(2 * M_PI * class->variances.variances_val[i]);
	return sum;
}

/* The logarithm of how likely this class is for an example, up to a common term. */
static double
class_likelihood(const bayes_class *class, double constant, const int *values)
{
	double sum = 0;

	for (u_int i = 0; i < class->means.means_len; i++) {
		double distance = values[i] - class->means.means_val[i];

		sum += distance * distance / class->variances.variances_val[i];
	}
	return constant - 0.5 * sum;
}

static int
model_classify_one(const bayes_model *model, const double *constants, const int *values)
{
	double best_likelihood = -INFINITY;
	int best = model->classes.classes_val[0].label;

	for (u_int i = 0; i < model->classes.classes_len; i++) {
		const bayes_class *class = &model->classes.classes_val[i];
		double likelihood = class_likelihood(class, constants[i], values);

		if (likelihood > best_likelihood) {
			best_likelihood = likelihood;
			best = class->label;
		}
	}
	return best;
}

/* A model comes over the network: its arrays may not be as long as it says. */
static bool
model_is_whole(const bayes_model *model)
{
	for (u_int i = 0; i < model->classes.classes_len; i++) {
		const bayes_class *class = &model->classes.classes_val[i];

		if (class->means.means_len != model->n_features ||
		    class->variances.variances_len != model->n_features)
			return false;
	}
	return model->classes.classes_len > 0;
}

const char *
bayes_model_classify(const bayes_model *model, const bayes_examples *examples,
                     int *labels)
{
	const int *values = examples->values.values_val;
	double *constants;

	if (!model_is_whole(model))
		return "the model has not one mean and one variance for each feature";
	if (examples->n_features != model->n_features)
		return "the examples have other features than the model";
	constants = calloc(model->classes.classes_len, sizeof(*constants));
	if (!constants)
		return no_memory;

	for (u_int i = 0; i < model->classes.classes_len; i++)
		constants[i] = class_constant(&model->classes.classes_val[i]);
	for (u_int i = 0; i < bayes_examples_count(examples); i++)
		labels[i] = model_classify_one(model, constants,
		                               values + (size_t)i * model->n_features);
	free(constants);
	return NULL;
}
