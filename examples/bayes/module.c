/*
 * bayes.so: the procedures of idl/bayes.x, as a module for distnode.
 *
 * The arithmetic is in model.c, which knows nothing of RPC. What is here takes
 * arguments that came over the network, and gives results that are sent and then freed.
 */
#include "bayes/model.h"

#include <stdlib.h>
#include <string.h>

/*
 * Results are freed by xdr_free() after they were sent, strings too. FALSE, for want of
 * memory, tells the caller that the call failed.
 */
static bool_t
reason_set(char **ret_reason, const char *reason)
{
	*ret_reason = strdup(reason);
	return *ret_reason != NULL;
}

bool_t
bayes_train_1_svc(bayes_shard shard, bayes_train_result *result, struct svc_req *rqstp)
{
	const char *wrong;

	(void)rqstp;
	memset(result, 0, sizeof(*result)); /* rpcgen's dispatcher does not */
	wrong = bayes_sums_of_shard(&shard, &result->bayes_train_result_u.sums);
	if (!wrong)
		return TRUE;
	result->status = BAYES_REFUSED;
	return reason_set(&result->bayes_train_result_u.reason, wrong);
}

bool_t
bayes_classify_1_svc(bayes_model model, bayes_examples examples,
                     bayes_classify_result *result, struct svc_req *rqstp)
{
	u_int n_examples = bayes_examples_count(&examples);
	const char *wrong = "the values do not come out even, or are too many";
	int *labels = NULL;

	(void)rqstp;
	memset(result, 0, sizeof(*result));
	if (n_examples && n_examples <= BAYES_MAX_EXAMPLES)
		labels = calloc(n_examples, sizeof(*labels));
	if (labels)
		wrong = bayes_model_classify(&model, &examples, labels);
	if (!wrong) {
		result->bayes_classify_result_u.labels.labels_len = n_examples;
		result->bayes_classify_result_u.labels.labels_val = labels;
		return TRUE;
	}
	free(labels);
	result->status = BAYES_REFUSED;
	return reason_set(&result->bayes_classify_result_u.reason, wrong);
}
