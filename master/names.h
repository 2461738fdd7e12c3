/* What programs and procedures are called, where people read it. */
#ifndef MASTER_NAMES_H
#define MASTER_NAMES_H

#include <stdint.h>

#define NAMES_MAX 300

/* "ARITH_PROG/1"; "0x20000001/1" where no name is known ("" or NULL). Returns @ret. */
const char *names_program(uint32_t program, uint32_t version, const char *name,
                          char ret[NAMES_MAX]);

/* "ARITH_SUM"; "1"; "others" for all that a service does not name. Returns @ret. */
const char *names_procedure(uint32_t procedure, const char *name, char ret[NAMES_MAX]);

#endif
