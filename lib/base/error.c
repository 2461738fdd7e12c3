/* The thread's last error: a value and a sentence. */
#include "base/error.h"
#include "base/thread.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* The user's, and the one aside. */
static __thread enum dist_err last_errs[2];
static __thread char last_texts[2][DIST_ERROR_TEXT_MAX];
static DIST_THREAD_LOCAL bool is_aside;

static const struct {
	const char *name;
	const char *text;
} errors[] = {
	[DIST_OK] = { "DIST_OK", "no error" },
#define ERROR_ROW(name, text) [DIST_##name] = { "DIST_" #name, text },
	DIST_ERRORS(ERROR_ROW)
#undef ERROR_ROW
};

#define N_ERRORS (sizeof(errors) / sizeof(errors[0]))

const char *
dist_error_name(enum dist_err err)
{
	return (unsigned)err < N_ERRORS ? errors[err].name : "DIST_?";
}

const char *
dist_error_string(enum dist_err err)
{
	return (unsigned)err < N_ERRORS ? errors[err].text : "an error of a newer version";
}

const char *
dist_error_text(void)
{
	return last_texts[is_aside];
}

enum dist_err
dist_error_last(void)
{
	return last_errs[is_aside];
}

static void
error_set_va(enum dist_err err, const char *format, va_list args)
{
	char text[DIST_ERROR_TEXT_MAX];

	/* By way of a copy: the last text may be among the arguments. */
	vsnprintf(text, sizeof(text), format, args);
	memcpy(last_texts[is_aside], text, sizeof(text));
	last_errs[is_aside] = err;
}

enum dist_err
dist_error_set(enum dist_err err, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	error_set_va(err, format, args);
	va_end(args);
	return err;
}

enum dist_err
dist_error_set_errno(enum dist_err err, int saved_errno, const char *format, ...)
{
	char reason[128];
	size_t length;
	va_list args;

	va_start(args, format);
	error_set_va(err, format, args);
	va_end(args);
	length = strlen(last_texts[is_aside]);
	snprintf(last_texts[is_aside] + length, DIST_ERROR_TEXT_MAX - length, ": %s",
	         strerror_r(saved_errno, reason, sizeof(reason)));
	return err;
}

enum dist_err
dist_error_set_plain(enum dist_err err)
{
	return dist_error_set(err, "%s", dist_error_string(err));
}

bool
dist_error_aside(bool aside)
{
	bool before = is_aside;

	is_aside = aside;
	return before;
}

enum clnt_stat
dist_error_to_clnt_stat(enum dist_err err)
{
	switch (err) {
	case DIST_OK:
		return RPC_SUCCESS;
	case DIST_EENCODE:
		return RPC_CANTENCODEARGS;
	case DIST_EDECODE:
		return RPC_CANTDECODERES;
	case DIST_ECONNECT:
	case DIST_EBUSY:
	case DIST_ETOOBIG:
		return RPC_CANTSEND;
	case DIST_ECONNRESET:
	case DIST_EPROTO:
		return RPC_CANTRECV;
	case DIST_EDEADLINE:
	case DIST_ETIMEDOUT:
		return RPC_TIMEDOUT;
	case DIST_ENONODE:
		return RPC_PROGNOTREGISTERED;
	case DIST_ECANCELED:
		return RPC_INTR;
	case DIST_ERESOLVE:
	case DIST_EADDRESS:
		return RPC_UNKNOWNHOST;
	case DIST_ENOMEM:
	case DIST_ESYSTEM:
		return RPC_SYSTEMERROR;
	default:
		return RPC_FAILED;
	}
}

enum dist_err
dist_error_from_clnt_stat(enum clnt_stat stat)
{
	switch (stat) {
	case RPC_SUCCESS:
		return DIST_OK;
	case RPC_CANTENCODEARGS:
		return DIST_EENCODE;
	case RPC_CANTDECODERES:
		return DIST_EDECODE;
	case RPC_CANTSEND:
		return DIST_ECONNECT;
	case RPC_CANTRECV:
		return DIST_ECONNRESET;
	case RPC_TIMEDOUT:
		return DIST_EDEADLINE;
	case RPC_PROGNOTREGISTERED:
		return DIST_ENONODE;
	case RPC_INTR:
		return DIST_ECANCELED;
	case RPC_UNKNOWNHOST:
		return DIST_ERESOLVE;
	default:
		return DIST_ERPC;
	}
}
