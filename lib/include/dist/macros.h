/* Attributes that the public headers share. */
#ifndef DIST_MACROS_H
#define DIST_MACROS_H

/* The result says whether it worked: a caller that drops it has a bug. */
#define DIST_MUST_CHECK __attribute__((__warn_unused_result__))

/* A function that formats like printf(); positions count from 1. */
#define DIST_PRINTF(nth_format, nth_first) \
	__attribute__((__format__(__printf__, nth_format, nth_first)))

/* Exported from libdist.so, which hides all else. */
#define DIST_PUBLIC __attribute__((visibility("default")))

#ifdef __cplusplus
#define DIST_BEGIN_DECLS extern "C" {
#define DIST_END_DECLS }
#else
#define DIST_BEGIN_DECLS
#define DIST_END_DECLS
#endif

#endif
