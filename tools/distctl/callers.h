/* Who calls the nodes, as the masters were told that gather statistics. */
#ifndef DISTCTL_CALLERS_H
#define DISTCTL_CALLERS_H

#include "distctl/json.h"
#include "distctl/masters.h"
#include "distctl/table.h"
#include "registry.h"

#include <stdbool.h>

#define CALLERS_WHY_MAX 640

/*
 * Ask the masters, or with @answered those that it is true of: the answer of the one that knows the most callers, to be xdr_free()d in
 * any case. False: none of them gathers statistics, or none answers; @ret_why is a
 * sentence.
 */
bool callers_ask(const struct masters *masters, const bool *answered,
                 dist_callers *ret_callers, char ret_why[CALLERS_WHY_MAX]);

/* By what they do now. To be table_fini()d. */
void callers_table(struct table *table, const dist_callers *callers);

/* An array. Given. */
json_t *callers_json(const dist_callers *callers);

#endif
