/* What a node and its master say to each other, as records with their marks. */
#ifndef MEMBERSHIP_MESSAGES_H
#define MEMBERSHIP_MESSAGES_H

#include "base/bytes.h"
#include "idl/node.h"
#include "idl/registry.h"

#include <stdbool.h>

#define MESSAGE_MAX       1024
#define MESSAGE_STATS_MAX 32768

/* Each writes a record at @to, of MESSAGE_MAX bytes; its length. */
size_t message_register(uint8_t *to, uint32_t xid, const dist_registration *as);
size_t message_heartbeat(uint8_t *to, uint32_t xid, const dist_heartbeat *beat);
size_t message_ping_reply(uint8_t *to, uint32_t xid, const char instance[16]);

/* The same of a node that has served some procedures since @started_ns, a thousand calls
 * of each a second; at @to, of MESSAGE_STATS_MAX bytes. */
size_t message_stats_reply(uint8_t *to, uint32_t xid, const char instance[16],
                           int64_t started_ns);

/* The procedure of a call to a node's own program, without its mark, and its xid; 0: it
 * is none. */
uint32_t message_asked(struct dist_bytes record, uint32_t *ret_xid);

/* Results of a reply that is a success; false: it is none. */
bool message_read_registered(struct dist_bytes record, dist_registered *ret);
bool message_read_status(struct dist_bytes record, dist_registry_status *ret);

#endif
