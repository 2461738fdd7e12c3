/*
 * Data sets as lines of whole numbers: the features of an example, then its class.
 * What is given is freed by data_free().
 */
#ifndef EXAMPLES_BAYES_DATA_H
#define EXAMPLES_BAYES_DATA_H

#include "bayes.h"

#include <stdbool.h>

/*
 * Reads a file of comma-separated numbers, the same number of them in each line. False,
 * with a line on stderr that names file and line: it cannot be read, or is none.
 */
bool data_read(const char *path, bayes_shard *ret_data);

/* Every second example, from number @first on. False: no memory. */
bool data_every_second(const bayes_shard *data, u_int first, bayes_shard *ret_data);

/*
 * One of @n_shards pieces of about equal size, without copying: it is borrowed from
 * @data, and must not be freed. None is empty if @n_shards is at most the examples.
 */
bayes_shard data_shard(const bayes_shard *data, u_int n_shards, u_int i);

void data_free(bayes_shard *data);

#endif
