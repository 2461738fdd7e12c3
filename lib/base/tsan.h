/*
 * What the thread sanitizer cannot see by itself: an order that the kernel makes, by way of
 * a system call that the sanitizer does not know. Nothing in other builds.
 */
#ifndef DIST_BASE_TSAN_H
#define DIST_BASE_TSAN_H

#if defined(__SANITIZE_THREAD__)
#define DIST_UNDER_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define DIST_UNDER_TSAN 1
#endif
#endif

#ifdef DIST_UNDER_TSAN
void __tsan_acquire(void *address);
void __tsan_release(void *address);
#define DIST_TSAN_ACQUIRE(address) __tsan_acquire(address)
#define DIST_TSAN_RELEASE(address) __tsan_release(address)
#else
#define DIST_TSAN_ACQUIRE(address) ((void)(address))
#define DIST_TSAN_RELEASE(address) ((void)(address))
#endif

#endif
