/* A node as a master lists it: its parts, for people and as JSON. */
#ifndef DISTCTL_ENTRY_H
#define DISTCTL_ENTRY_H

#include "distctl/json.h"
#include "distctl/text.h"
#include "registry.h"

/* "HOST:PORT" of the first address; "-" where there is none. */
void entry_first_address(const dist_node_entry *node, char ret[TEXT_ADDRESS_MAX]);

/*
 * "ARITH_PROG/1, 0x20000005/2"; "-" when it serves nothing. Given: free() it. NULL: no
 * memory.
 */
char *entry_services_text(const dist_node_entry *node);

/* Given. */
json_t *entry_services_json(const dist_node_entry *node);
json_t *entry_addresses_json(const dist_node_entry *node);
json_t *entry_attributes_json(const dist_node_entry *node);
json_t *entry_instance_json(const dist_node_entry *node);

#endif
