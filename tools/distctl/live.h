/*
 * What is served, and the interfaces of it, out of the nodes that serve it: for commands
 * that are given no .x file. The nodes of masters are asked, one of them, or an address.
 */
#ifndef DISTCTL_LIVE_H
#define DISTCTL_LIVE_H

#include "distctl/interface.h"
#include "distctl/masters.h"
#include "distctl/view.h"
#include "node.h"
#include "reflect/fetch.h"

/* A version of a program that is served. */
struct live_service {
	uint32_t prog, vers;
	const char *prog_name, *vers_name; /* as the node has them; "": not known */
	/* What interface it has; .program NULL: none is known. */
	const struct dist_spec *spec;
	struct dist_spec_served served;
};

struct live_spec {
	struct live_spec *next;
	struct reflected reflected;
};

struct live {
	const struct config *config;
	struct masters masters; /* unless it is an address */
	struct view view;
	const dist_node_entry *node; /* of --node */
	struct server server;        /* of --address */
	dist_interfaces_result interfaces;

	struct live_service *services; /* in order of program and version */
	size_t n_services;
	struct live_spec *specs;
};

/*
 * Find what is served and called @program and @version, and the interfaces of it; where
 * there is none to be had, stderr is told why. An exit status, with a sentence unless it is
 * 0: nobody can be asked, or nothing such is served. In any case live_close() it.
 */
int live_open(struct live *live, const struct config *config,
              const struct dist_spec_part *program, const struct dist_spec_part *version);

void live_close(struct live *live);

/* The procedure that is called @part. An exit status, with a sentence unless it is 0. */
int live_find(struct procedure *ret_procedure, const struct live *live,
              const struct dist_spec_part *part);

#endif
