/*
 * Memory for calls. Each thread keeps some, so that a steady load neither allocates nor
 * takes a lock; what one thread has too many of, as those do that end what others start,
 * goes over to the others by way of a common store.
 */
#ifndef DIST_CLIENT_STORE_H
#define DIST_CLIENT_STORE_H

struct dist_call;

/* Memory for a call, as it was given back, or made by dist_call_make(). NULL: none. */
struct dist_call *dist_store_take(void);
void dist_store_give(struct dist_call *call);

/* In a fork's child: another thread may have been at the common store. */
void dist_store_forked(void);

#endif
