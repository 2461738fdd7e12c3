/* distnode's command line. */
#ifndef NODE_CONFIG_H
#define NODE_CONFIG_H

#include <dist/log.h>
#include <dist/node.h>
#include <stdbool.h>
#include <stddef.h>

struct config {
	struct dist_node_options options; /* its strings are argv's */
	bool no_masters;
	enum dist_log_level log_level;
	const char *user; /* who to be instead of root; NULL: whoever we are */
	char *const *modules; /* argv's too */
	size_t n_modules;
	const char **serial; /* programs to run one call at a time: names, numbers */
	size_t n_serial;
	struct dist_attribute *attributes; /* what options.attributes points to */
	size_t n_attributes;
};

/*
 * True: @ret_config is filled in, config_fini() it. False: --help or --version was
 * printed, or a sentence about wrong usage; exit with @ret_status.
 */
bool config_parse(struct config *ret_config, int argc, char **argv, int *ret_status);

void config_fini(struct config *config);

#endif
