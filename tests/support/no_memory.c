#include "support/no_memory.h"

#include "support/allocator.h"
#include "support/refusal.h"

#include <stddef.h>

static struct refusal refusal;

static bool
refuses(const void *caller)
{
	(void)caller;
	return refusal_is_next(&refusal);
}

bool
no_memory_works(void)
{
	return allocator_works();
}

void
no_memory_begin(unsigned long first, unsigned long n)
{
	refusal_begin(&refusal, first, n);
	allocator_ask(refuses);
}

unsigned long
no_memory_failed(void)
{
	return refusal_count(&refusal);
}

unsigned long
no_memory_end(void)
{
	allocator_ask(NULL);
	return refusal_end(&refusal);
}

void
no_memory_show(void)
{
	refusal_show(&refusal);
}
