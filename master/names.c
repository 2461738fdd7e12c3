#include "names.h"

#include <stdio.h>

const char *
names_program(uint32_t program, uint32_t version, const char *name, char ret[NAMES_MAX])
{
	if (name && *name)
		snprintf(ret, NAMES_MAX, "%.255s/%u", name, version);
	else
		snprintf(ret, NAMES_MAX, "0x%08x/%u", program, version);
	return ret;
}

const char *
names_procedure(uint32_t procedure, const char *name, char ret[NAMES_MAX])
{
	if (name && *name)
		snprintf(ret, NAMES_MAX, "%.255s", name);
	else if (procedure == UINT32_MAX)
		snprintf(ret, NAMES_MAX, "others");
	else
		snprintf(ret, NAMES_MAX, "%u", procedure);
	return ret;
}
