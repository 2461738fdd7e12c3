/* Figures of <dist/stats.h> for people; see figures.h. */
#include "distctl/figures.h"

#include "node.h"
#include "registry.h"

#include <stdio.h>

void
figures_procedure_name(const struct dist_procedure_stats *procedure,
                       char ret[FIGURES_NAME_MAX])
{
	if (procedure->procedure_name)
		snprintf(ret, FIGURES_NAME_MAX, "%s", procedure->procedure_name);
	else if (procedure->procedure == UINT32_MAX)
		snprintf(ret, FIGURES_NAME_MAX, "%s/%u others",
		         procedure->program_name ? procedure->program_name : "?",
		         procedure->version);
	else
		snprintf(ret, FIGURES_NAME_MAX, "0x%08x/%u %u", procedure->program,
		         procedure->version, procedure->procedure);
}

void
figures_time(uint64_t ns, char ret[FIGURES_TIME_MAX])
{
	if (ns < 1000000)
		snprintf(ret, FIGURES_TIME_MAX, "%.1fus", (double)ns / 1e3);
	else if (ns < 1000000000)
		snprintf(ret, FIGURES_TIME_MAX, "%.1fms", (double)ns / 1e6);
	else
		snprintf(ret, FIGURES_TIME_MAX, "%.1fs", (double)ns / 1e9);
}

bool
figures_is_ours(const struct dist_procedure_stats *procedure)
{
	return procedure->program == DIST_NODE || procedure->program == DIST_REGISTRY;
}
