#include "bayes/data.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- A line --------------------------------------------------------------- */

/* A file being read: values grow as needed, the labels are taken out at the end. */
struct reader {
	const char *path;
	FILE *file;
	u_int line;
	u_int n_columns; /* of each line; 0 before the first */
	u_int n_values;
	u_int n_allocated;
	int *values;
};

static bool
reader_complain(const struct reader *reader, const char *complaint)
{
	fprintf(stderr, "bayes: %s:%u: %s\n", reader->path, reader->line, complaint);
	return false;
}

static bool
reader_add(struct reader *reader, int value)
{
	if (reader->n_values == BAYES_MAX_VALUES)
		return reader_complain(reader,
		                       "the file is too large for this program");
	if (reader->n_values == reader->n_allocated) {
		u_int n = reader->n_allocated ? 2 * reader->n_allocated : 4096;
		int *values = reallocarray(reader->values, n, sizeof(*values));

		if (!values)
			return reader_complain(reader, "out of memory");
		reader->values = values;
		reader->n_allocated = n;
	}
	reader->values[reader->n_values++] = value;
	return true;
}

static bool
reader_parse_line(struct reader *reader, char *text)
{
	u_int n_before = reader->n_values;
	u_int n_columns;
	char *end;

	for (;; text = end + 1) {
		long value = strtol(text, &end, 10);

		if (end == text || (*end && *end != ','))
			return reader_complain(reader, "not whole numbers with commas");
		if (value > BAYES_MAX_VALUE || value < -BAYES_MAX_VALUE)
			return reader_complain(reader, "a number beyond 65536");
		if (!reader_add(reader, (int)value))
			return false;
		if (!*end)
			break;
	}

	n_columns = reader->n_values - n_before;
	if (!reader->n_columns)
		reader->n_columns = n_columns;
	if (n_columns < 2 || n_columns != reader->n_columns)
		return reader_complain(reader,
		                       "not as many numbers as in the first line, "
		                       "or only one");
	return true;
}

static bool
reader_parse(struct reader *reader)
{
	char *text = NULL;
	size_t size = 0;
	bool parsed = true;

	while (parsed && getline(&text, &size, reader->file) != -1) {
		reader->line++;
		text[strcspn(text, "\r\n")] = '\0';
		parsed = reader_parse_line(reader, text);
	}
	if (parsed && ferror(reader->file))
		parsed = reader_complain(reader, strerror(errno));
	if (parsed && !reader->n_values)
		parsed = reader_complain(reader, "the file is empty");
	free(text);
	return parsed;
}

/* --- A data set ----------------------------------------------------------- */

static bool
data_new(u_int n_examples, u_int n_features, bayes_shard *ret_data)
{
	int *values = calloc((size_t)n_examples * n_features, sizeof(*values));
	int *labels = calloc(n_examples, sizeof(*labels));

	if (!values || !labels) {
		free(labels);
		free(values);
		return false;
	}
	ret_data->examples.n_features = n_features;
	ret_data->examples.values.values_len = n_examples * n_features;
	ret_data->examples.values.values_val = values;
	ret_data->labels.labels_len = n_examples;
	ret_data->labels.labels_val = labels;
	return true;
}

static void
data_set(bayes_shard *data, u_int i, const int *values, int label)
{
	u_int n_features = data->examples.n_features;

	memcpy(data->examples.values.values_val + (size_t)i * n_features, values,
	       n_features * sizeof(*values));
	data->labels.labels_val[i] = label;
}

bool
data_read(const char *path, bayes_shard *ret_data)
{
	struct reader reader = { .path = path, .file = fopen(path, "re") };
	bool ready;

	if (!reader.file) {
		fprintf(stderr, "bayes: %s: %s\n", path, strerror(errno));
		return false;
	}
	ready = reader_parse(&reader);
	if (ready && !data_new(reader.n_values / reader.n_columns, reader.n_columns - 1,
	                       ret_data))
		ready = reader_complain(&reader, "out of memory");
	for (u_int i = 0; ready && i < ret_data->labels.labels_len; i++) {
		const int *row = reader.values + (size_t)i * reader.n_columns;

		data_set(ret_data, i, row, row[reader.n_columns - 1]);
	}
	free(reader.values);
	fclose(reader.file);
	return ready;
}

bool
data_every_second(const bayes_shard *data, u_int first, bayes_shard *ret_data)
{
	u_int n_features = data->examples.n_features;
	u_int n_examples = (data->labels.labels_len + 1 - first) / 2;

	if (!data_new(n_examples, n_features, ret_data))
		return false;
	for (u_int i = 0; i < n_examples; i++) {
		size_t from = 2 * i + first;

		data_set(ret_data, i,
		         data->examples.values.values_val + from * n_features,
		         data->labels.labels_val[from]);
	}
	return true;
}

bayes_shard
data_shard(const bayes_shard *data, u_int n_shards, u_int i)
{
	uint64_t n_examples = data->labels.labels_len;
	u_int first = (u_int)(n_examples * i / n_shards);
	u_int next = (u_int)(n_examples * (i + 1) / n_shards);
	u_int n_features = data->examples.n_features;
	bayes_shard shard = *data;

	shard.examples.values.values_val += (size_t)first * n_features;
	shard.examples.values.values_len = (next - first) * n_features;
	shard.labels.labels_val += first;
	shard.labels.labels_len = next - first;
	return shard;
}

void
data_free(bayes_shard *data)
{
	xdr_free((xdrproc_t)xdr_bayes_shard, data);
}
