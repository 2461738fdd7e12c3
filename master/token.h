/* The secret that a request must show before it may change anything. */
#ifndef MASTER_TOKEN_H
#define MASTER_TOKEN_H

#include <stdbool.h>
#include <stddef.h>

#define TOKEN_MIN 16
#define TOKEN_MAX 256

struct token {
	char text[TOKEN_MAX]; /* zero behind it */
	size_t length;
};

/*
 * The first line of the file, TOKEN_MIN to TOKEN_MAX characters without a blank. NULL, or
 * a sentence that says why there is none, borrowed for a moment.
 */
const char *token_read(struct token *ret_token, const char *file);

/*
 * Whether @authorization, a header's value or NULL, is "Bearer" and the token (RFC 6750
 * section 2.1). It takes the same time whatever of the token is wrong.
 */
bool token_is_shown(const struct token *token, const char *authorization);

#endif
