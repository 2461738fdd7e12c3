#include "token.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static bool
is_token(const char *text, size_t length)
{
	if (length < TOKEN_MIN || length > TOKEN_MAX)
		return false;
	for (size_t i = 0; i < length; i++) {
		if (!isgraph((unsigned char)text[i]))
			return false;
	}
	return true;
}

const char *
token_read(struct token *ret_token, const char *file)
{
	char line[TOKEN_MAX + 2] = "";
	struct token token = { .length = 0 };
	FILE *stream = fopen(file, "re");
	bool failed;

	if (!stream)
		return strerror(errno);
	failed = !fgets(line, sizeof(line), stream) && ferror(stream);
	fclose(stream);
	if (failed)
		return "it cannot be read";
	token.length = strcspn(line, "\r\n");
	if (!is_token(line, token.length))
		return "its first line is no token, of 16 to 256 characters without "
		       "blanks; make one with 'openssl rand -hex 32'";
	memcpy(token.text, line, token.length);
	*ret_token = token;
	return NULL;
}

bool
token_is_shown(const struct token *token, const char *authorization)
{
	static const char scheme[] = "Bearer ";
	char shown[TOKEN_MAX] = { 0 };
	volatile unsigned char difference = 0;
	size_t length;

	if (!authorization ||
	    strncasecmp(authorization, scheme, sizeof(scheme) - 1) != 0)
		return false;
	authorization += sizeof(scheme) - 1;
	authorization += strspn(authorization, " ");
	length = strnlen(authorization, TOKEN_MAX + 1);
	memcpy(shown, authorization, length < TOKEN_MAX ? length : TOKEN_MAX);
	for (size_t i = 0; i < TOKEN_MAX; i++)
		difference |= (unsigned char)(shown[i] ^ token->text[i]);
	return difference == 0 && length == token->length;
}
