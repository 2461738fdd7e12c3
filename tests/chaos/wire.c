/*
 * wire: the network between the machines of a chaos test, with the faults it is told.
 *
 *	wire SEED NAME=ADDRESS=NAMESPACE...
 *
 * In each network namespace, a path, it makes a device "wire0"; whoever started it
 * gives the device its address. Packets that leave by one come out of the one whose
 * ADDRESS they are for, as the rule for that direction says. A line on stdin sets one:
 *
 *	FROM TO KEY NUMBER      FROM and TO are names, or * for all
 *
 *	cut 1        all packets vanish
 *	loss N       N of 1000 packets vanish
 *	delay N      each takes N milliseconds
 *	jitter N     and up to N more, each packet its own, so that they overtake
 *	double N     N of 1000 come twice
 *	reset 1      each TCP segment ends its connection at both ends, as a proxy or a
 *	             firewall does that has forgotten it
 *
 * The end of stdin ends it; then it prints what it did: "passed N cut N lost N ...".
 *
 * Why not netem: that is a module which many kernels do not have, those of virtual
 * machines above all; a TUN device nearly all do. And the dice here are the seed's.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define WIRE_MAX_MACHINES 32
#define WIRE_MAX_PACKET   2048
#define WIRE_MAX_HELD     65536
/* Packets from one machine before the next has its turn. */
#define WIRE_TURN 64

enum key { CUT, LOSS, DELAY, JITTER, DOUBLE, RESET, N_KEYS };

static const char *const key_names[N_KEYS] = {
	"cut", "loss", "delay", "jitter", "double", "reset",
};

struct machine {
	char name[32];
	in_addr_t address;
	int fd;
};

/* A packet that is on its way for a while. */
struct held {
	int64_t due_ns;
	uint64_t number; /* of two that are due at once the older goes first */
	int fd;
	size_t length;
	uint8_t *bytes;
};

static struct {
	struct machine machines[WIRE_MAX_MACHINES];
	unsigned n_machines;
	unsigned rules[WIRE_MAX_MACHINES][WIRE_MAX_MACHINES][N_KEYS];
	struct held heap[WIRE_MAX_HELD]; /* the first one is due first */
	unsigned n_held;
	uint64_t n_ever_held;
	uint64_t random;
	struct {
		unsigned long passed, cut, lost, delayed, doubled, reset, undeliverable;
	} count;
} wire;

static int64_t
now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* True @n times of 1000. */
static bool
wire_chance(unsigned n)
{
	wire.random = wire.random * UINT64_C(6364136223846793005) + 1442695040888963407;
	return n && (wire.random >> 33) % 1000 < n;
}

/* --- Packets on their way --------------------------------------------------------- */

static void
wire_deliver(int fd, const uint8_t *packet, size_t length)
{
	/* A link that is down takes nothing; whoever sent it hears nothing, either. */
	if (write(fd, packet, length) < 0)
		wire.count.undeliverable++;
}

static bool
held_is_before(const struct held *a, const struct held *b)
{
	return a->due_ns != b->due_ns ? a->due_ns < b->due_ns : a->number < b->number;
}

static void
held_swap(unsigned i, unsigned j)
{
	struct held other = wire.heap[i];

	wire.heap[i] = wire.heap[j];
	wire.heap[j] = other;
}

static void
wire_hold(int fd, const uint8_t *packet, size_t length, int64_t due_ns)
{
	struct held held = { due_ns, wire.n_ever_held++, fd, length, NULL };
	unsigned at = wire.n_held;

	if (wire.n_held < WIRE_MAX_HELD)
		held.bytes = malloc(length);
	if (!held.bytes) {
		wire.count.undeliverable++;
		return;
	}
	memcpy(held.bytes, packet, length);
	wire.count.delayed++;
	wire.heap[wire.n_held++] = held;
	while (at && held_is_before(&wire.heap[at], &wire.heap[(at - 1) / 2])) {
		held_swap(at, (at - 1) / 2);
		at = (at - 1) / 2;
	}
}

static void
wire_take_first(struct held *ret_held)
{
	unsigned at = 0;

	*ret_held = wire.heap[0];
	wire.heap[0] = wire.heap[--wire.n_held];
	for (;;) {
		unsigned least = at;

		for (unsigned child = 2 * at + 1; child <= 2 * at + 2; child++) {
			if (child < wire.n_held &&
			    held_is_before(&wire.heap[child], &wire.heap[least]))
				least = child;
		}
		if (least == at)
			return;
		held_swap(at, least);
		at = least;
	}
}

static void
wire_deliver_due(void)
{
	int64_t now = now_ns();

	while (wire.n_held && wire.heap[0].due_ns <= now) {
		struct held held;

		wire_take_first(&held);
		wire_deliver(held.fd, held.bytes, held.length);
		free(held.bytes);
	}
}

/* --- Resets ----------------------------------------------------------------------- */

static uint32_t
sum_add(uint32_t sum, const void *bytes, size_t length)
{
	const uint8_t *byte = bytes;

	for (size_t i = 0; i + 1 < length; i += 2)
		sum += (uint32_t)(byte[i] << 8 | byte[i + 1]);
	return sum;
}

static uint16_t
sum_finish(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons((uint16_t)~sum);
}

/* A bare segment with RST set, as it is written to a TUN device. */
static void
send_reset(int fd, in_addr_t from, in_addr_t to, uint16_t from_port, uint16_t to_port,
           uint32_t sequence, uint32_t acknowledged)
{
	struct {
		struct iphdr ip;
		struct tcphdr tcp;
	} packet = { 0 };
	uint32_t sum = IPPROTO_TCP + sizeof(packet.tcp);

	packet.ip.version = 4;
	packet.ip.ihl = 5;
	packet.ip.tot_len = htons(sizeof(packet));
	packet.ip.ttl = 64;
	packet.ip.protocol = IPPROTO_TCP;
	packet.ip.saddr = from;
	packet.ip.daddr = to;
	packet.ip.check = sum_finish(sum_add(0, &packet.ip, sizeof(packet.ip)));
	packet.tcp.source = from_port;
	packet.tcp.dest = to_port;
	packet.tcp.seq = sequence;
	packet.tcp.ack_seq = acknowledged;
	packet.tcp.doff = sizeof(packet.tcp) / 4;
	packet.tcp.rst = 1;
	packet.tcp.ack = 1;
	sum = sum_add(sum, &packet.ip.saddr, 2 * sizeof(in_addr_t));
	packet.tcp.check = sum_finish(sum_add(sum, &packet.tcp, sizeof(packet.tcp)));
	wire_deliver(fd, (const uint8_t *)&packet, sizeof(packet));
}

/*
 * Only a RST with just the number that is expected next is believed (RFC 5961 section
 * 3): the receiver's is the segment's own, the sender's is what it acknowledges.
 */
static bool
wire_reset(const struct machine *from, const struct machine *to, const uint8_t *packet,
           size_t length)
{
	const struct iphdr *ip = (const struct iphdr *)packet;
	const struct tcphdr *tcp = (const struct tcphdr *)(packet + ip->ihl * 4);
	uint32_t payload;

	if (ip->protocol != IPPROTO_TCP || length < ip->ihl * 4u + sizeof(*tcp) ||
	    tcp->rst)
		return false;
	payload = (uint32_t)(length - ip->ihl * 4u - tcp->doff * 4u) + tcp->syn +
	          tcp->fin;
	if (!tcp->syn)
		send_reset(to->fd, ip->saddr, ip->daddr, tcp->source, tcp->dest,
		           tcp->seq, tcp->ack_seq);
	send_reset(from->fd, ip->daddr, ip->saddr, tcp->dest, tcp->source, tcp->ack_seq,
	           htonl(ntohl(tcp->seq) + payload));
	wire.count.reset++;
	return true;
}

/* --- From one machine to another -------------------------------------------------- */

static struct machine *
wire_find(in_addr_t address)
{
	for (unsigned i = 0; i < wire.n_machines; i++) {
		if (wire.machines[i].address == address)
			return &wire.machines[i];
	}
	return NULL;
}

static void
wire_pass(const struct machine *from, const struct machine *to, const uint8_t *packet,
          size_t length)
{
	const unsigned *rule = wire.rules[from - wire.machines][to - wire.machines];
	unsigned n_copies = 1 + wire_chance(rule[DOUBLE]);

	if (rule[CUT]) {
		wire.count.cut++;
		return;
	}
	if (rule[RESET] && wire_reset(from, to, packet, length))
		return;
	if (wire_chance(rule[LOSS])) {
		wire.count.lost++;
		return;
	}
	wire.count.passed++;
	wire.count.doubled += n_copies - 1;
	while (n_copies--) {
		int64_t delay_ns = (int64_t)rule[DELAY] * 1000000;

		if (rule[JITTER])
			delay_ns +=
				(int64_t)(wire.random >> 33) % (rule[JITTER] * 1000000);
		if (delay_ns)
			wire_hold(to->fd, packet, length, now_ns() + delay_ns);
		else
			wire_deliver(to->fd, packet, length);
	}
}

static void
wire_read(const struct machine *from)
{
	_Alignas(8) uint8_t packet[WIRE_MAX_PACKET];
	const struct iphdr *ip = (const struct iphdr *)packet;

	for (unsigned i = 0; i < WIRE_TURN; i++) {
		ssize_t length = read(from->fd, packet, sizeof(packet));
		const struct machine *to;

		if (length < (ssize_t)sizeof(*ip))
			return; /* nothing left, or the link is down */
		to = ip->version == 4 ? wire_find(ip->daddr) : NULL;
		if (to)
			wire_pass(from, to, packet, (size_t)length);
	}
}

/* --- Orders ----------------------------------------------------------------------- */

static bool
machine_is(const struct machine *machine, const char *name)
{
	return strcmp(name, "*") == 0 || strcmp(name, machine->name) == 0;
}

static void
wire_set(const char *from, const char *to, unsigned key, unsigned number)
{
	for (unsigned i = 0; i < wire.n_machines; i++) {
		for (unsigned j = 0; j < wire.n_machines; j++) {
			if (machine_is(&wire.machines[i], from) &&
			    machine_is(&wire.machines[j], to))
				wire.rules[i][j][key] = number;
		}
	}
}

static void
wire_obey(const char *line)
{
	char from[32], to[32], name[32];
	unsigned number;

	if (sscanf(line, "%31s %31s %31s %u", from, to, name, &number) != 4) {
		fprintf(stderr, "wire: not an order: %s\n", line);
		return;
	}
	for (unsigned key = 0; key < N_KEYS; key++) {
		if (strcmp(name, key_names[key]) == 0)
			wire_set(from, to, key, number);
	}
}

/* False: the end. */
static bool
wire_hear(void)
{
	static char said[4096];
	static size_t length;
	ssize_t more = read(STDIN_FILENO, said + length, sizeof(said) - 1 - length);
	char *line = said, *end;

	if (more <= 0)
		return false;
	length += (size_t)more;
	said[length] = '\0';
	while ((end = strchr(line, '\n'))) {
		*end = '\0';
		wire_obey(line);
		line = end + 1;
	}
	length = strlen(line);
	memmove(said, line, length);
	return true;
}

/* --- Birth ------------------------------------------------------------------------ */

static bool
machine_open(struct machine *machine, const char *namespace)
{
	struct ifreq request = { .ifr_flags = IFF_TUN | IFF_NO_PI };
	int home = open(namespace, O_RDONLY | O_CLOEXEC);

	if (home < 0 || setns(home, CLONE_NEWNET))
		return false;
	close(home);
	machine->fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (machine->fd < 0)
		return false;
	strcpy(request.ifr_name, "wire0");
	return ioctl(machine->fd, TUNSETIFF, &request) == 0;
}

static bool
wire_open(char **arguments, int n_arguments)
{
	for (int i = 0; i < n_arguments && i < WIRE_MAX_MACHINES; i++) {
		struct machine *machine = &wire.machines[wire.n_machines++];
		char address[32], namespace[256];

		if (sscanf(arguments[i], "%31[^=]=%31[^=]=%255s", machine->name,
		           address, namespace) != 3 ||
		    inet_pton(AF_INET, address, &machine->address) != 1) {
			fprintf(stderr, "wire: '%s' is not NAME=ADDRESS=NAMESPACE\n",
			        arguments[i]);
			return false;
		}
		if (!machine_open(machine, namespace)) {
			fprintf(stderr, "wire: no TUN device in %s: %s\n", namespace,
			        strerror(errno));
			return false;
		}
	}
	return true;
}

static void
wire_run(void)
{
	struct pollfd polled[WIRE_MAX_MACHINES + 1];

	for (unsigned i = 0; i < wire.n_machines; i++)
		polled[i] =
			(struct pollfd){ .fd = wire.machines[i].fd, .events = POLLIN };
	polled[wire.n_machines] =
		(struct pollfd){ .fd = STDIN_FILENO, .events = POLLIN };
	for (;;) {
		int64_t left_ns = wire.n_held ? wire.heap[0].due_ns - now_ns() : -1;
		struct timespec wait = {
			.tv_sec = left_ns > 0 ? left_ns / 1000000000 : 0,
			.tv_nsec = left_ns > 0 ? left_ns % 1000000000 : 0,
		};

		if (ppoll(polled, wire.n_machines + 1, wire.n_held ? &wait : NULL,
		          NULL) < 0 &&
		    errno != EINTR)
			return;
		wire_deliver_due();
		for (unsigned i = 0; i < wire.n_machines; i++) {
			if (polled[i].revents & POLLIN)
				wire_read(&wire.machines[i]);
		}
		if (polled[wire.n_machines].revents && !wire_hear())
			return;
	}
}

int
main(int argc, char **argv)
{
	if (argc < 3) {
		fprintf(stderr, "usage: wire SEED NAME=ADDRESS=NAMESPACE...\n");
		return 2;
	}
	wire.random = strtoull(argv[1], NULL, 10) * 2 + 1;
	if (!wire_open(argv + 2, argc - 2))
		return 1;
	printf("ready\n");
	fflush(stdout);
	wire_run();
	printf("passed %lu cut %lu lost %lu delayed %lu doubled %lu reset %lu "
	       "undeliverable %lu\n",
	       wire.count.passed, wire.count.cut, wire.count.lost, wire.count.delayed,
	       wire.count.doubled, wire.count.reset, wire.count.undeliverable);
	return 0;
}
