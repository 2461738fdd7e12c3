/* Registrations for the registry's tests, made from a number. */
#ifndef UNIT_REGISTRY_SAMPLE_H
#define UNIT_REGISTRY_SAMPLE_H

#include "registry/entry.h"

#include "support/check.h"

#include <stdio.h>
#include <string.h>

struct sample {
	dist_registration as;
	char name[32], uaddr[32], address[32];
	dist_endpoint endpoint;
	dist_service_entry services[2];
	dist_attr attr;
};

/* Node number @n, from 1: "node-1" at 10.0.0.1:1001, with two services. */
static inline dist_registration *
sample_fill(struct sample *sample, unsigned n)
{
	*sample = (struct sample){
		.as = { .capacity = 4, .lease_ms = 3000 },
		.services = { { 0x20000001, 1, "ARITH_PROG", "ARITH_V1" },
		              { 0x20000002, 1, "PAL_PROG", "PAL_V1" } },
		.attr = { "rack", "7" },
	};
	memcpy(sample->as.instance, &n, sizeof(n));
	snprintf(sample->name, sizeof(sample->name), "node-%u", n);
	snprintf(sample->uaddr, sizeof(sample->uaddr), "10.0.0.%u.3.%u", n % 256,
	         n % 256);
	snprintf(sample->address, sizeof(sample->address), "10.0.%u.%u:%u", n / 256,
	         n % 256, 1000 + n);
	sample->endpoint = (dist_endpoint){ "tcp", sample->uaddr };
	sample->as.name = sample->name;
	sample->as.endpoints.endpoints_len = 1;
	sample->as.endpoints.endpoints_val = &sample->endpoint;
	sample->as.services.services_len = 2;
	sample->as.services.services_val = sample->services;
	sample->as.attrs.dist_attrs_len = 1;
	sample->as.attrs.dist_attrs_val = &sample->attr;
	return &sample->as;
}

static inline struct dist_entry *
sample_entry(unsigned n)
{
	struct dist_entry *entry = NULL;
	struct sample sample;

	sample_fill(&sample, n);
	assert_ok(dist_entry_new(&entry, &sample.as, sample.address));
	return entry;
}

#endif
