/*
 * From preprocessed text to tokens.
 *
 * Line markers ("# 12 \"file\"") set the place of what follows. Lines that begin with %
 * are for the C compiler, and are only kept. Comments are skipped; the preprocessor
 * leaves them in so that % lines keep theirs.
 */
#ifndef X_SCAN_H
#define X_SCAN_H

#include "x/diag.h"

enum dist_token_kind {
	DIST_TOKEN_END, /* of the text; also after an error, which has been told */
	DIST_TOKEN_NAME,
	DIST_TOKEN_NUMBER,
	DIST_TOKEN_STRING, /* with its quotes */
	DIST_TOKEN_CHAR,   /* with its quotes */
	DIST_TOKEN_PUNCTUATION,
	DIST_TOKEN_KEYWORD,
};

struct dist_token {
	enum dist_token_kind kind;
	const char *text; /* as written; what the messages show */
	struct dist_spec_where where;
};

struct dist_scan {
	struct dist_spec *spec; /* its arena, and its % lines */
	struct dist_diag *diag;
	struct dist_spec_passthrough **passthrough_tail;
	const char *at, *end;
	const char *line; /* where the line of @at begins */
	bool line_start;  /* nothing but a newline is before @at */
	bool failed;      /* an error was told: only DIST_TOKEN_END follows */
	struct dist_spec_where where;
};

/* @text is borrowed for as long as the scan. */
void dist_scan_init(struct dist_scan *scan, struct dist_spec *spec,
                    struct dist_diag *diag, const char *text, size_t length);

struct dist_token dist_scan_next(struct dist_scan *scan);

#endif
