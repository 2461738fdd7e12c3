/*
 * The interface of a program out of a node that serves it: DIST_NODE_INTERFACE of
 * idl/node.x. The text comes from a peer, and is bounded before it is believed.
 */
#ifndef REFLECT_FETCH_H
#define REFLECT_FETCH_H

#include "x/received.h"

#include <dist/macros.h>
#include <rpc/rpc.h>
#include <stdbool.h>
#include <stdint.h>

#define REFLECT_WHY_MAX 800

struct reflected {
	struct dist_spec spec;
	struct dist_spec_served served; /* in it: what was asked for */
	uint8_t instance[16];           /* the run of the node that handed it out */
};

/* What comes of asking a node. */
enum reflect_outcome {
	REFLECT_TAKEN,
	REFLECT_NONE,      /* it answered, and hands out none that is of use */
	REFLECT_NOT_ASKED, /* there was no answer, or no memory: it may have one */
};

/*
 * Ask @node, a CLIENT of DIST_NODE all of whose calls go to one node, for @prog and @vers.
 *
 * @ret_reflected  dist_spec_fini() its spec; nothing to be done about it on failure.
 * @ret_why        why not, to be put behind the node's name and ": ". Some of it may be
 *                 the node's own words, without control characters.
 */
enum reflect_outcome reflect_fetch(struct reflected *ret_reflected, CLIENT *node,
                                   uint32_t prog, uint32_t vers,
                                   char ret_why[REFLECT_WHY_MAX]) DIST_MUST_CHECK;

/* Why a call of DIST_NODE_INTERFACE or ..._INTERFACES ended as it did. */
void reflect_say_why(enum clnt_stat stat, char ret_why[REFLECT_WHY_MAX]);

#endif
