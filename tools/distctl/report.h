/* A round of distctl top, as tables and as JSON. */
#ifndef DISTCTL_REPORT_H
#define DISTCTL_REPORT_H

#include "distctl/gather.h"
#include "distctl/json.h"
#include "distctl/table.h"

#define REPORT_SUMMARY_MAX 256

/* Both to be table_fini()d. */
void report_nodes(struct table *table, const struct rates *rates);
void report_procedures(struct table *table, const struct rates *rates);

/* "12:00:05 UTC, 3 nodes, 1234 calls/s, ..." */
void report_summary(const struct gathered *gathered, char ret[REPORT_SUMMARY_MAX]);

/* Given. */
json_t *report_json(const struct gathered *gathered);

#endif
