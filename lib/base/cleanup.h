/* Ownership in a local: cleaned up when it goes out of scope, unless it is given away. */
#ifndef DIST_BASE_CLEANUP_H
#define DIST_BASE_CLEANUP_H

#define DIST_CLEANUP(fn) __attribute__((cleanup(fn)))

/* Gives the pointer away: the local is NULL afterwards. */
#define DIST_TAKE(pointer) \
	__extension__({ \
		__typeof__(pointer) dist_taken_ = (pointer); \
		(pointer) = NULL; \
		dist_taken_; \
	})

/* For DIST_CLEANUP on a pointer: dist_pool_freep() from dist_pool_free(). */
#define DIST_DEFINE_FREEP(name, type) \
	static inline void name##p(type *pointer) \
	{ \
		if (*pointer) \
			name(*pointer); \
	}

#define DIST_CONTAINER_OF(pointer, type, member) \
	((type *)((char *)(pointer) - __builtin_offsetof(type, member)))

#define DIST_ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))
#define DIST_MIN(a, b) ((a) < (b) ? (a) : (b))
#define DIST_MAX(a, b) ((a) > (b) ? (a) : (b))

#endif
