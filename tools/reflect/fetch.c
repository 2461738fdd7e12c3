#include "reflect/fetch.h"

#include "x/text.h"

#include "node.h"

#include <dist/error.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(DIST_INTERFACE_MAX == DIST_SPEC_TEXT_MAX, "what is carried is handed out");

/* What has come of a text. */
struct text {
	char *data;
	size_t length, got;
	char instance[DIST_INSTANCE_SIZE];
};

#define say(why, ...) snprintf((why), REFLECT_WHY_MAX, __VA_ARGS__)

void
reflect_say_why(enum clnt_stat stat, char ret_why[REFLECT_WHY_MAX])
{
	switch (stat) {
	case RPC_PROCUNAVAIL:
		say(ret_why, "it is a node of an earlier release, which hands out no "
		             "interfaces");
		break;
	case RPC_PROGUNAVAIL:
	case RPC_PROGVERSMISMATCH:
	case RPC_PROGNOTREGISTERED:
		say(ret_why, "it is no node of ours, and hands out no interfaces");
		break;
	default:
		say(ret_why, "%s", dist_error_text());
		break;
	}
}

/* Whether a call that ended so was answered, by the node itself. */
static bool
was_answered(enum clnt_stat stat)
{
	return stat == RPC_PROCUNAVAIL || stat == RPC_PROGUNAVAIL ||
	       stat == RPC_PROGVERSMISMATCH || stat == RPC_CANTDECODERES;
}

/* The first piece says how long it all is. */
static enum reflect_outcome
text_begin(struct text *text, const dist_interface_piece *piece, char *why)
{
	if (piece->length == 0) {
		say(why, "its module carries no interface of this program: it was made "
		         "by an earlier distgen, or with --no-interface");
		return REFLECT_NONE;
	}
	if (piece->length > DIST_INTERFACE_MAX) {
		say(why, "it tells of an interface of %u bytes, and there may be %d",
		    piece->length, DIST_INTERFACE_MAX);
		return REFLECT_NONE;
	}
	text->data = malloc(piece->length);
	if (!text->data) {
		say(why, "out of memory");
		return REFLECT_NOT_ASKED;
	}
	text->length = piece->length;
	memcpy(text->instance, piece->instance, sizeof(text->instance));
	return REFLECT_TAKEN;
}

static enum reflect_outcome
text_add(struct text *text, const dist_interface_piece *piece, char *why)
{
	enum reflect_outcome begun =
		text->data ? REFLECT_TAKEN : text_begin(text, piece, why);
	size_t left;

	if (begun != REFLECT_TAKEN)
		return begun;
	if (memcmp(text->instance, piece->instance, sizeof(text->instance)) != 0) {
		say(why, "another node took its place while it was asked: try again");
		return REFLECT_NOT_ASKED;
	}
	left = text->length - text->got;
	if (piece->length != text->length ||
	    piece->text.text_len != (left < DIST_INTERFACE_PIECE ? left
	                                                         : DIST_INTERFACE_PIECE)) {
		say(why, "it hands out an interface that is not as long as it says");
		return REFLECT_NONE;
	}
	memcpy(text->data + text->got, piece->text.text_val, piece->text.text_len);
	text->got += piece->text.text_len;
	return REFLECT_TAKEN;
}

static enum reflect_outcome
text_fetch(struct text *text, CLIENT *node, uint32_t prog, uint32_t vers, char *why)
{
	enum reflect_outcome added;

	do {
		const dist_interface_wanted wanted = { prog, vers, (u_int)text->got };
		dist_interface_piece piece = { .length = 0 };
		enum clnt_stat stat = dist_node_interface_1(wanted, &piece, node);

		if (stat != RPC_SUCCESS) {
			reflect_say_why(stat, why);
			return was_answered(stat) ? REFLECT_NONE : REFLECT_NOT_ASKED;
		}
		added = text_add(text, &piece, why);
		xdr_free((xdrproc_t)xdr_dist_interface_piece, &piece);
	} while (added == REFLECT_TAKEN && text->got < text->length);
	return added;
}

static bool
take(struct reflected *reflected, const struct text *text, uint32_t prog, uint32_t vers,
     char *why)
{
	char what[DIST_SPEC_WHY_MAX];

	if (!dist_spec_receive(&reflected->spec, "interface", text->data, text->length,
	                       what))
		say(why, "it hands out an interface that is wrong: %s", what);
	else if (!dist_spec_find_served(&reflected->spec, prog, vers,
	                                &reflected->served))
		say(why, "it hands out an interface without the program that was "
		         "asked for");
	else
		return true;
	dist_spec_fini(&reflected->spec);
	return false;
}

enum reflect_outcome
reflect_fetch(struct reflected *ret_reflected, CLIENT *node, uint32_t prog, uint32_t vers,
              char ret_why[REFLECT_WHY_MAX])
{
	struct reflected reflected;
	struct text text = { .data = NULL };
	enum reflect_outcome outcome;

	outcome = text_fetch(&text, node, prog, vers, ret_why);
	if (outcome == REFLECT_TAKEN && !take(&reflected, &text, prog, vers, ret_why))
		outcome = REFLECT_NONE;
	free(text.data);
	if (outcome == REFLECT_TAKEN) {
		memcpy(reflected.instance, text.instance, sizeof(reflected.instance));
		*ret_reflected = reflected;
	}
	return outcome;
}
