/* Standard input as a whole. */
#ifndef DISTCTL_INPUT_H
#define DISTCTL_INPUT_H

#include <stddef.h>

/* Given: free() it. NULL, with a sentence on stderr: it cannot be read, or no memory.
 */
char *input_read(size_t *ret_length);

#endif
