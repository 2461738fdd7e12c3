/* What a node and its master say to each other, as records with their marks. */
#ifndef MEMBERSHIP_MESSAGES_H
#define MEMBERSHIP_MESSAGES_H

#include "base/bytes.h"
#include "idl/node.h"
#include "idl/registry.h"

#include <stdbool.h>

#define MESSAGE_MAX 1024

/* Each writes a record at @to, of MESSAGE_MAX bytes; its length. */
size_t message_register(uint8_t *to, uint32_t xid, const dist_registration *as);
size_t message_heartbeat(uint8_t *to, uint32_t xid, const dist_heartbeat *beat);
size_t message_ping_reply(uint8_t *to, uint32_t xid, const char instance[16]);

/* The xid of a call of PING, without its mark; false: it is none. */
bool message_is_ping(struct dist_bytes record, uint32_t *ret_xid);

/* Results of a reply that is a success; false: it is none. */
bool message_read_registered(struct dist_bytes record, dist_registered *ret);
bool message_read_status(struct dist_bytes record, dist_registry_status *ret);

#endif
