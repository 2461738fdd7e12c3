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

/* The first piece says how long it all is. */
static bool
text_begin(struct text *text, const dist_interface_piece *piece, char *why)
{
	if (piece->length == 0) {
		say(why, "its module carries no interface of this program: it was made "
		         "by an earlier distgen, or with --no-interface");
		return false;
	}
	if (piece->length > DIST_INTERFACE_MAX) {
		say(why, "it tells of an interface of %u bytes, and there may be %d",
		    piece->length, DIST_INTERFACE_MAX);
		return false;
	}
	text->data = malloc(piece->length);
	if (!text->data) {
		say(why, "out of memory");
		return false;
	}
	text->length = piece->length;
	memcpy(text->instance, piece->instance, sizeof(text->instance));
	return true;
}

static bool
text_add(struct text *text, const dist_interface_piece *piece, char *why)
{
	size_t left;

	if (!text->data && !text_begin(text, piece, why))
		return false;
	if (memcmp(text->instance, piece->instance, sizeof(text->instance)) != 0) {
		say(why, "another node took its place while it was asked: try again");
		return false;
	}
	left = text->length - text->got;
	if (piece->length != text->length ||
	    piece->text.text_len != (left < DIST_INTERFACE_PIECE ? left
	                                                         : DIST_INTERFACE_PIECE)) {
		say(why, "it hands out an interface that is not as long as it says");
		return false;
	}
	memcpy(text->data + text->got, piece->text.text_val, piece->text.text_len);
	text->got += piece->text.text_len;
	return true;
}

static bool
text_fetch(struct text *text, CLIENT *node, uint32_t prog, uint32_t vers, char *why)
{
	do {
		const dist_interface_wanted wanted = { prog, vers, (u_int)text->got };
		dist_interface_piece piece = { .length = 0 };
		enum clnt_stat stat = dist_node_interface_1(wanted, &piece, node);
		bool added;

		if (stat != RPC_SUCCESS) {
			reflect_say_why(stat, why);
			return false;
		}
		added = text_add(text, &piece, why);
		xdr_free((xdrproc_t)xdr_dist_interface_piece, &piece);
		if (!added)
			return false;
	} while (text->got < text->length);
	return true;
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

bool
reflect_fetch(struct reflected *ret_reflected, CLIENT *node, uint32_t prog, uint32_t vers,
              char ret_why[REFLECT_WHY_MAX])
{
	struct reflected reflected;
	struct text text = { .data = NULL };
	bool done;

	done = text_fetch(&text, node, prog, vers, ret_why) &&
	       take(&reflected, &text, prog, vers, ret_why);
	free(text.data);
	if (done) {
		memcpy(reflected.instance, text.instance, sizeof(reflected.instance));
		*ret_reflected = reflected;
	}
	return done;
}
