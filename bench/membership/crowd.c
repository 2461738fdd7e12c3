#include "crowd.h"

#include "base/clock.h"
#include "base/list.h"
#include "messages.h"
#include "wire/record.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/socket.h>

/* Above 127.15.0.0: out of the way of whatever else is on loopback. */
#define ADDRESS_BASE 0x7f100001u
#define LISTEN_QUEUE 8
#define CAPACITY     4

struct node {
	unsigned index; /* on the board */
	struct dist_sockaddr address;
	struct crowd_source listener, registration;
	struct dist_record_reader reader;
	uint32_t xid;
	bool registered, waiting; /* waiting: its last call is not answered yet */
	dist_heartbeat beat;
	dist_id instance;
	struct dist_list member, due, dead;
};

/* A connection of the master's: it may outlive the node that it asks for. */
struct probe {
	struct crowd_source source;
	dist_id instance;
};

/* Shared by all connections, which are empty between two events. */
static uint8_t scratch[64 * 1024];

bool
crowd_init(struct crowd *crowd, const struct crowd_options *options)
{
	*crowd = (struct crowd){ .options = *options };
	crowd->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	crowd->started_ns = dist_clock_ns();
	crowd->due = calloc(options->heartbeat_ms, sizeof(*crowd->due));
	if (crowd->epoll_fd < 0 || !crowd->due) {
		perror("crowd");
		return false;
	}
	for (unsigned i = 0; i < options->heartbeat_ms; i++)
		dist_list_init(&crowd->due[i]);
	dist_list_init(&crowd->members);
	dist_list_init(&crowd->dead);
	crowd->ticked_ms = dist_clock_ns() / DIST_NS_PER_MS;
	return true;
}

/* --- Sockets ---------------------------------------------------------------------- */

static bool
watch(struct crowd *crowd, struct crowd_source *source, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.ptr = source };

	return !epoll_ctl(crowd->epoll_fd, EPOLL_CTL_ADD, source->fd, &event);
}

static void
source_close(struct crowd_source *source)
{
	if (source->fd >= 0)
		close(source->fd);
	source->fd = -1;
}

static int
make_socket(void)
{
	return socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

static bool
node_listen(struct crowd *crowd, struct node *node)
{
	struct crowd_source *source = &node->listener;
	int on = 1;

	source->fd = make_socket();
	return source->fd >= 0 &&
	       !setsockopt(source->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) &&
	       !bind(source->fd, &node->address.sa, node->address.length) &&
	       !listen(source->fd, LISTEN_QUEUE) && watch(crowd, source, EPOLLIN);
}

/* From its own address: all nodes on one would soon have no port left. */
static bool
node_connect(struct crowd *crowd, struct node *node)
{
	const struct dist_sockaddr *master = &crowd->options.master;
	struct crowd_source *source = &node->registration;
	struct dist_sockaddr from = node->address;
	int on = 1;

	dist_sockaddr_set_port(&from, 0);
	source->fd = make_socket();
	return source->fd >= 0 &&
	       !setsockopt(source->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) &&
	       !setsockopt(source->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on,
	                   sizeof(on)) &&
	       !bind(source->fd, &from.sa, from.length) &&
	       (!connect(source->fd, &master->sa, master->length) ||
	        errno == EINPROGRESS) &&
	       watch(crowd, source, EPOLLIN | EPOLLOUT);
}

/* A record of some hundred bytes finds room in the socket of a master that reads. */
static void
node_send(struct crowd *crowd, struct node *node, const uint8_t *record, size_t length)
{
	if (send(node->registration.fd, record, length, MSG_NOSIGNAL) !=
	    (ssize_t)length)
		crowd->counts.late++;
}

/* --- Joining ---------------------------------------------------------------------- */

/* Its memory stays until crowd_reap(): events that name it may be under way. */
static void
node_end(struct crowd *crowd, struct node *node)
{
	struct board_line *line = &crowd->options.board.lines[node->index];

	atomic_store(&line->closed_ns, dist_clock_ns());
	source_close(&node->listener);
	source_close(&node->registration);
	dist_list_remove(&node->due);
	dist_record_reader_fini(&node->reader);
	dist_list_append(&crowd->dead, &node->dead);
}

void
crowd_reap(struct crowd *crowd)
{
	struct dist_list *link;

	while ((link = dist_list_pop(&crowd->dead)))
		free(DIST_CONTAINER_OF(link, struct node, dead));
}

static struct node *
node_new(const struct crowd *crowd)
{
	struct node *node = calloc(1, sizeof(*node));
	struct sockaddr_in *in;

	if (!node)
		return NULL;
	node->index = crowd->options.first + crowd->n_made;
	in = (struct sockaddr_in *)&node->address.storage;
	in->sin_family = AF_INET;
	in->sin_port = htons((uint16_t)crowd->options.port);
	in->sin_addr.s_addr = htonl(ADDRESS_BASE + node->index);
	node->address.length = sizeof(*in);
	node->listener = (struct crowd_source){ CROWD_LISTENER, -1, node };
	node->registration = (struct crowd_source){ CROWD_REGISTRATION, -1, node };
	dist_list_init(&node->member);
	dist_list_init(&node->due);
	dist_list_init(&node->dead);
	dist_record_reader_init(&node->reader, sizeof(scratch));
	if (getrandom(node->instance, sizeof(node->instance), 0) < 0)
		abort();
	return node;
}

bool
crowd_join(struct crowd *crowd)
{
	struct node *node;

	if (crowd->n_made == crowd->options.n_max) {
		fprintf(stderr, "%u nodes are all that this process may have\n",
		        crowd->n_made);
		return false;
	}
	node = node_new(crowd);
	if (!node || !node_listen(crowd, node) || !node_connect(crowd, node)) {
		perror("a node's sockets");
		if (node)
			node_end(crowd, node);
		return false;
	}
	crowd->n_made++;
	crowd->n_joining++;
	return true;
}

static void
send_registration(struct crowd *crowd, struct node *node)
{
	char name[32], uaddr[DIST_ADDRESS_TEXT_MAX];
	dist_endpoint endpoint = { .netid = (char *)dist_sockaddr_netid(&node->address),
		                   .uaddr = uaddr };
	dist_service_entry service = { 0x20000099, 1, (char *)"SIMULATED_PROG",
		                       (char *)"SIMULATED_V1" };
	dist_registration as = {
		.name = name,
		.endpoints = { 1, &endpoint },
		.services = { 1, &service },
		.capacity = CAPACITY,
		.features = DIST_FEATURE_META,
		.lease_ms = 3 * crowd->options.heartbeat_ms,
	};
	uint8_t record[MESSAGE_MAX];

	snprintf(name, sizeof(name), BOARD_NAME_FORMAT, node->index);
	dist_uaddr_format(&node->address, uaddr);
	memcpy(as.instance, node->instance, sizeof(as.instance));
	node->waiting = true;
	node_send(crowd, node, record, message_register(record, ++node->xid, &as));
}

/* The registration's connection is up. */
static void
on_connected(struct crowd *crowd, struct node *node)
{
	struct epoll_event event = { .events = EPOLLIN,
		                     .data.ptr = &node->registration };

	epoll_ctl(crowd->epoll_fd, EPOLL_CTL_MOD, node->registration.fd, &event);
	send_registration(crowd, node);
}

/* Beats of nodes that joined together are spread over the period. */
static void
plan_first_beat(struct crowd *crowd, struct node *node)
{
	unsigned phase = (unsigned)((node->index * UINT64_C(0x9e3779b97f4a7c15)) >> 40);

	dist_list_append(&crowd->due[phase % crowd->options.heartbeat_ms], &node->due);
}

static void
on_registered(struct crowd *crowd, struct node *node, struct dist_bytes record)
{
	struct board_line *line = &crowd->options.board.lines[node->index];
	dist_registered granted;

	crowd->n_joining--;
	if (!message_read_registered(record, &granted) ||
	    granted.status != DIST_REGISTRY_OK) {
		fprintf(stderr, "refused: %s\n",
		        granted.reason ? granted.reason : "no answer that can be read");
		crowd->counts.refused++;
		xdr_free((xdrproc_t)xdr_dist_registered, &granted);
		node_end(crowd, node);
		return;
	}
	atomic_store(&line->answered_ns, dist_clock_ns());
	node->registered = true;
	node->waiting = false;
	node->beat.session = granted.session;
	memcpy(node->beat.token, granted.token, sizeof(node->beat.token));
	xdr_free((xdrproc_t)xdr_dist_registered, &granted);
	dist_list_append(&crowd->members, &node->member);
	crowd->n_members++;
	crowd->counts.joined++;
	plan_first_beat(crowd, node);
}

/* --- Leaving ---------------------------------------------------------------------- */

static void
members_remove(struct crowd *crowd, struct node *node)
{
	dist_list_remove(&node->member);
	crowd->n_members--;
}

bool
crowd_leave(struct crowd *crowd)
{
	struct node *node;

	if (!crowd->n_members)
		return false;
	node = DIST_CONTAINER_OF(crowd->members.next, struct node, member);
	members_remove(crowd, node);
	node_end(crowd, node);
	crowd->counts.left++;
	return true;
}

static void
on_broken(struct crowd *crowd, struct node *node)
{
	crowd->counts.broken++;
	if (node->registered)
		members_remove(crowd, node);
	else
		crowd->n_joining--;
	node_end(crowd, node);
}

/* --- Heartbeats ------------------------------------------------------------------- */

static void
beat(struct crowd *crowd, struct node *node)
{
	uint8_t record[MESSAGE_MAX];

	if (node->waiting) {
		crowd->counts.late++;
		return;
	}
	node->waiting = true;
	crowd->counts.beats++;
	node_send(crowd, node, record,
	          message_heartbeat(record, ++node->xid, &node->beat));
}

static void
on_beat_answered(struct crowd *crowd, struct node *node, struct dist_bytes record)
{
	dist_registry_status status;

	node->waiting = false;
	crowd->counts.answers++;
	if (message_read_status(record, &status) && status == DIST_REGISTRY_OK)
		return;
	crowd->counts.unknown++;
	/* The master has forgotten it: it joins again. */
	members_remove(crowd, node);
	dist_list_remove(&node->due);
	node->registered = false;
	crowd->n_joining++;
	send_registration(crowd, node);
}

void
crowd_tick(struct crowd *crowd, int64_t now_ns)
{
	int64_t now_ms = now_ns / DIST_NS_PER_MS;
	struct node *node, *next;

	while (crowd->ticked_ms < now_ms) {
		unsigned at =
			(unsigned)(++crowd->ticked_ms % crowd->options.heartbeat_ms);

		DIST_LIST_EACH (node, next, &crowd->due[at], due)
			beat(crowd, node);
	}
}

/* --- Events ----------------------------------------------------------------------- */

/* What can be read of a registration's connection; false: it is broken. */
static bool
node_receive(struct crowd *crowd, struct node *node)
{
	struct dist_bytes record;
	bool have = false;
	uint8_t *space;
	size_t room;
	ssize_t n;

	dist_record_reader_lend(&node->reader, scratch, sizeof(scratch));
	if (dist_record_reader_space(&node->reader, &space, &room))
		return false;
	n = recv(node->registration.fd, space, room, 0);
	dist_record_reader_filled(&node->reader, n > 0 ? (size_t)n : 0);
	/* One call is under way at a time, so there is one record at most. */
	if (n > 0 && !dist_record_reader_next(&node->reader, &record, &have) && have) {
		bool registered = node->registered;

		/* Before the node may end by what it reads. */
		if (dist_record_reader_settle(&node->reader))
			return false;
		if (registered)
			on_beat_answered(crowd, node, record);
		else
			on_registered(crowd, node, record);
		return true;
	}
	return !dist_record_reader_settle(&node->reader) &&
	       (n > 0 || (n < 0 && errno == EAGAIN));
}

static void
on_registration(struct crowd *crowd, struct node *node, uint32_t events)
{
	if (events & (EPOLLERR | EPOLLHUP)) {
		on_broken(crowd, node);
		return;
	}
	if (events & EPOLLOUT)
		on_connected(crowd, node);
	if (events & EPOLLIN && !node_receive(crowd, node))
		on_broken(crowd, node);
}

/* The master asks whether a node is there. */
static void
on_listener(struct crowd *crowd, struct node *node)
{
	struct probe *probe = malloc(sizeof(*probe));

	if (!probe)
		return;
	probe->source = (struct crowd_source){ CROWD_PROBE, -1, NULL };
	memcpy(probe->instance, node->instance, sizeof(probe->instance));
	probe->source.fd =
		accept4(node->listener.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (probe->source.fd >= 0 && watch(crowd, &probe->source, EPOLLIN))
		return;
	source_close(&probe->source);
	free(probe);
}

/* The call is one small record, which comes whole; the master closes after the reply.
 */
static void
on_probe(struct crowd *crowd, struct probe *probe)
{
	uint8_t bytes[MESSAGE_MAX], reply[MESSAGE_STATS_MAX];
	ssize_t n = recv(probe->source.fd, bytes, sizeof(bytes), 0);
	struct dist_bytes record = { bytes + DIST_RECORD_MARK_SIZE, 0 };
	uint32_t xid, asked = 0;
	size_t length = 0;

	if (n > DIST_RECORD_MARK_SIZE) {
		record.length = (size_t)n - DIST_RECORD_MARK_SIZE;
		asked = message_asked(record, &xid);
	}
	if (asked == DIST_NODE_PING) {
		crowd->counts.probes++;
		length = message_ping_reply(reply, xid, probe->instance);
	} else if (asked == DIST_NODE_STATS) {
		length = message_stats_reply(reply, xid, probe->instance,
		                             crowd->started_ns);
	}
	if (length) {
		(void)!send(probe->source.fd, reply, length, MSG_NOSIGNAL);
		return;
	}
	source_close(&probe->source);
	free(probe);
}

void
crowd_on_event(struct crowd *crowd, struct crowd_source *source, uint32_t events)
{
	if (source->fd < 0)
		return; /* its node has ended since epoll said so */
	if (source->kind == CROWD_LISTENER)
		on_listener(crowd, source->node);
	else if (source->kind == CROWD_REGISTRATION)
		on_registration(crowd, source->node, events);
	else
		on_probe(crowd, DIST_CONTAINER_OF(source, struct probe, source));
}
