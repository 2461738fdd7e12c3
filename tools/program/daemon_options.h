/*
 * The options that both daemons have, as rows of their tables (options.h): each struct
 * config has .options, what node or master is started with, .user and .log_level.
 */
#ifndef PROGRAM_DAEMON_OPTIONS_H
#define PROGRAM_DAEMON_OPTIONS_H

#include "program/options.h"

#include <limits.h>

/* What peers may have, and for how long. */
#define DAEMON_LIMITS \
	/* A fragment holds 2^31 - 1 bytes (RFC 5531 section 11). */ \
	PROGRAM_NUMBER(options.max_record_bytes, "max-record-bytes", 65536, INT_MAX, \
	               "the largest call or reply; 134217728, 128 MiB"), \
	PROGRAM_NUMBER(options.max_buffered_bytes, "max-buffered-bytes", 1 << 20, SSIZE_MAX, \
	               "memory for half calls and untaken replies in all; a quarter of the " \
	               "memory"), \
	PROGRAM_NUMBER(options.max_connections, "max-connections", 1, INT_MAX, \
	               "connections at once; 20000"), \
	PROGRAM_NUMBER(options.max_connections_per_peer, "max-connections-per-peer", 1, \
	               INT_MAX, "of these from one address; 12000"), \
	PROGRAM_NUMBER(options.idle_timeout_ms, "idle-timeout-ms", 1, INT_MAX, \
	               "an unused connection ends after this; 600000"), \
	PROGRAM_NUMBER(options.header_timeout_ms, "header-timeout-ms", 1, INT_MAX, \
	               "one that began a call and has not sent its header; 10000"), \
	PROGRAM_NUMBER(options.record_timeout_ms, "record-timeout-ms", 1, INT_MAX, \
	               "one that began a call and has not sent it all; 30000"), \
	PROGRAM_NUMBER(options.reply_timeout_ms, "reply-timeout-ms", 1, INT_MAX, \
	               "one that takes nothing of its replies; 60000")

#define DAEMON_OPTIONS \
	PROGRAM_FLAG(options.no_rpcbind, "no-rpcbind", \
	             "ask nothing of rpcbind, and tell it nothing"), \
	PROGRAM_TEXT(user, "user", "NAME", \
	             "started as root: listen, then be this user for good"), \
	PROGRAM_LEVEL(log_level, "log-level", \
	              "error, warning, notice, info or debug; info")

#endif
