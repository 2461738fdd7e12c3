/* distctl: the operator's tool. Each command has a file of its own. */
#include "distctl/config.h"

#include "program/options.h"

int
main(int argc, char **argv)
{
	struct config config;
	int status;

	program_begin(argv);
	if (!config_parse(&config, argc, argv, &status))
		return status;
	return program_end(config.command->run(&config));
}
