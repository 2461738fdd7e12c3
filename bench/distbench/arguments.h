/* Arguments that the user has prepared in XDR, sent as they are. */
#ifndef DISTBENCH_ARGUMENTS_H
#define DISTBENCH_ARGUMENTS_H

#include <stddef.h>

/*
 * Out of a file ("-": standard input), or of hexadecimal digits. @ret_bytes is given:
 * free() it. An exit status: other than PROGRAM_DONE, a sentence said what is wrong.
 */
int arguments_read(const char *path, char **ret_bytes, size_t *ret_size);
int arguments_parse(const char *hex, char **ret_bytes, size_t *ret_size);

#endif
