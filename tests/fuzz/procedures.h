/* The procedures of fuzz.x, for targets that serve it. */
#ifndef FUZZ_PROCEDURES_H
#define FUZZ_PROCEDURES_H

#include <stdbool.h>

/*
 * Answer the oldest call of FUZZ_LATER that waits, with its number or, where @well is
 * not set, with an error. False: none waits.
 */
bool procedures_answer(bool well);

#endif
