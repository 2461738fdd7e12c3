/* Log lines from inside the library (public side: dist/log.h). */
#ifndef DIST_BASE_LOG_H
#define DIST_BASE_LOG_H

#include <dist/log.h>

/* In a fork's child: another thread may have been at the sink. */
void dist_log_forked(void);

#define dist_log_error(id, ...) dist_log(DIST_LOG_ERROR, id, __VA_ARGS__)
#define dist_log_warning(id, ...) dist_log(DIST_LOG_WARNING, id, __VA_ARGS__)
#define dist_log_notice(id, ...) dist_log(DIST_LOG_NOTICE, id, __VA_ARGS__)
#define dist_log_info(id, ...) dist_log(DIST_LOG_INFO, id, __VA_ARGS__)
#define dist_log_debug(id, ...) dist_log(DIST_LOG_DEBUG, id, __VA_ARGS__)

#endif
