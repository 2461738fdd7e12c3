/*
 * distctl doctor: looks at all that must be right for a cluster to work, and says what is
 * wrong, in words, and what to do about it.
 *
 * It goes to where each of the masters may be, then calls each node that the masters know,
 * as a program on this host would, many at once; what this host allows comes last.
 */
#include "distctl/config.h"

#include "distctl/crowd.h"
#include "distctl/diagnosis.h"
#include "distctl/limits.h"
#include "distctl/masters.h"
#include "distctl/names.h"
#include "distctl/peers.h"
#include "distctl/rpcbind.h"
#include "distctl/server.h"
#include "distctl/text.h"
#include "distctl/view.h"
#include "program/clock.h"
#include "program/options.h"

#include <dist/master.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HOST_MAX     300
#define TROUBLE_MAX  1024
#define SLOW_NAME_MS 1000
#define N_VISITORS   32

struct doctor {
	const struct config *config;
	struct diagnosis diagnosis;
	struct peers peers;
	char *found; /* the masters that answer, as --masters has them; NULL: none */
};

/* One of the masters that were given. */
struct patient {
	const char *name;    /* "HOST[:PORT]" */
	char host[HOST_MAX]; /* without brackets */
	unsigned port;       /* 0: none was given */
	struct names names;
	size_t n_answer;   /* of these that were called so far */
	const char *found; /* "ADDR:PORT" that answers; NULL: none does */
};

/* --- Names ------------------------------------------------------------------------ */

/* "HOST", "HOST:PORT", "[V6]", "[V6]:PORT": dist_masters_find() has made it. */
static void
split(struct patient *patient)
{
	const char *end = strrchr(patient->name, ']');
	const char *colon = strchr(end ? end : patient->name, ':');
	size_t length = colon ? (size_t)(colon - patient->name) : strlen(patient->name);

	snprintf(patient->host, sizeof(patient->host), "%.*s",
	         (int)(length - (end ? 2 : 0)), patient->name + (end ? 1 : 0));
	patient->port = colon ? (unsigned)strtoul(colon + 1, NULL, 10) : 0;
}

/* "127.0.0.1, [::1]" */
static void
names_text(const struct names *names, char *ret, size_t size)
{
	size_t used = 0;

	*ret = '\0';
	for (size_t i = 0; i < names->n && used < size; i++)
		used += (size_t)snprintf(ret + used, size - used, "%s%s",
		                         i ? ", " : "", names->list[i].text);
}

static void
check_name(struct doctor *doctor, struct patient *patient)
{
	int64_t begin = program_now_ms(), took_ms;
	char found[NAMES_MAX * NAMES_TEXT_MAX];
	const char *why;

	why = names_look_up(&patient->names, patient->host, doctor->config->timeout_ms);
	took_ms = program_now_ms() - begin;
	names_text(&patient->names, found, sizeof(found));
	if (why)
		diagnosis_add(&doctor->diagnosis, VERDICT_WRONG, "name", patient->host,
		              "correct the name, or have DNS or /etc/hosts know it",
		              "it has no address: %s", why);
	else if (took_ms > SLOW_NAME_MS)
		diagnosis_add(&doctor->diagnosis, VERDICT_WARNING, "name", patient->host,
		              "look at the name servers in /etc/resolv.conf",
		              "it is %s, and to find that took %.1f s", found,
		              (double)took_ms / 1e3);
	else
		diagnosis_add(&doctor->diagnosis, VERDICT_OK, "name", patient->host, NULL,
		              "it is %s", found);
}

/* --- rpcbind, and each address ---------------------------------------------------- */

/* What of rpcbind is told depends on whether a master is found without it. */
static void
add_rpcbind(struct doctor *doctor, const struct patient *patient, const char *address,
            enum rpcbind_answer answer, unsigned port, const char *says)
{
	struct diagnosis *diagnosis = &doctor->diagnosis;

	switch (answer) {
	case RPCBIND_TELLS:
		if (patient->found)
			diagnosis_add(diagnosis, VERDICT_OK, "rpcbind", address, NULL,
			              "it tells port %u for the master", port);
		else
			diagnosis_add(diagnosis, VERDICT_WRONG, "rpcbind", address,
			              "start distmaster there again, which replaces that",
			              "it tells port %u, of a master that is gone",
			              port);
		break;
	case RPCBIND_ABSENT:
		diagnosis_add(diagnosis, VERDICT_OK, "rpcbind", address, NULL,
		              "there is none, so port %d is tried", DIST_MASTER_PORT);
		break;
	case RPCBIND_UNKNOWN:
		diagnosis_add(diagnosis,
		              patient->found ? VERDICT_OK : VERDICT_WARNING, "rpcbind",
		              address,
		              patient->found ? NULL
		                             : "start distmaster there, without "
		                               "--no-rpcbind",
		              "%s, so port %d is tried", says, DIST_MASTER_PORT);
		break;
	case RPCBIND_SILENT:
		diagnosis_add(diagnosis, VERDICT_WARNING, "rpcbind", address,
		              "give the port, HOST:PORT, in --masters of all programs, or "
		              "let port 111 through the firewall",
		              "no answer came, and who looks for the master waits for it: "
		              "%s",
		              says);
		break;
	case RPCBIND_ODD:
		diagnosis_add(diagnosis, VERDICT_WARNING, "rpcbind", address,
		              "give the port, HOST:PORT, in --masters of all programs",
		              "it cannot be used: %s", says);
	}
}

/* The port that a master has there, as far as can be known; 0 is never returned. */
static unsigned
ask_port(struct doctor *doctor, const struct patient *patient, size_t place)
{
	const char *address = patient->names.list[place].text;
	char says[RPCBIND_SAYS_MAX];
	enum rpcbind_answer answer;
	unsigned port;

	if (patient->port > 0)
		return patient->port;
	answer = rpcbind_ask(address, patient->names.list[place].netid,
	                     doctor->config->timeout_ms / 2, &port, says);
	add_rpcbind(doctor, patient, address, answer, port, says);
	return port > 0 ? port : DIST_MASTER_PORT;
}

/* Whether a master answers at @address; else dist_error_text() says why not. */
static bool
master_answers(const char *address, int64_t timeout_ms)
{
	const struct timeval unused = { .tv_sec = 25 };
	struct server master;
	enum clnt_stat stat;

	if (server_open(&master, address, DIST_REGISTRY, DIST_REGISTRY_V1, timeout_ms))
		return false;
	stat = clnt_call(master.client, NULLPROC, (xdrproc_t)xdr_void, NULL,
	                 (xdrproc_t)xdr_void, NULL, unused);
	server_close(&master);
	return stat == RPC_SUCCESS;
}

/*
 * Each of the addresses that a name stands for, IPv4 and IPv6: callers try them one after
 * the other until a master answers, so only those before that one do harm. Where none
 * answers at all, that is told of the master.
 */
static void
check_address(struct doctor *doctor, struct patient *patient, size_t place)
{
	unsigned port = ask_port(doctor, patient, place);
	char address[NAMES_TEXT_MAX + 16];
	struct diagnosis *diagnosis = &doctor->diagnosis;

	snprintf(address, sizeof(address), "%s:%u", patient->names.list[place].text,
	         port);
	if (master_answers(address, doctor->config->timeout_ms)) {
		patient->n_answer++;
		diagnosis_add(diagnosis, VERDICT_OK, "address", address, NULL,
		              "a master answers");
	} else if (patient->found && patient->n_answer == 0) {
		diagnosis_add(diagnosis, VERDICT_WARNING, "address", address,
		              "start distmaster with --listen :PORT, which listens on "
		              "IPv4 and IPv6, or take this address from the name",
		              "no master answers, and it is tried before one that does: "
		              "%s",
		              dist_error_text());
	} else if (patient->found) {
		diagnosis_add(diagnosis, VERDICT_OK, "address", address, NULL,
		              "no master answers, and none has to: %s",
		              dist_error_text());
	}
}

/* --- Masters ---------------------------------------------------------------------- */

static enum dist_err
remember(struct doctor *doctor, const char *address)
{
	char *found = NULL;

	if (asprintf(&found, "%s%s%s", doctor->found ? doctor->found : "",
	             doctor->found ? "," : "", address) < 0)
		return DIST_ENOMEM;
	free(doctor->found);
	doctor->found = found;
	return DIST_OK;
}

static enum dist_err
check_master(const char *name, const char *address, void *arg)
{
	struct patient patient = { .name = name, .found = address };
	char why[TROUBLE_MAX];
	struct doctor *doctor = arg;

	snprintf(why, sizeof(why), "%s", address ? "" : dist_error_text());
	split(&patient);
	check_name(doctor, &patient);
	for (size_t i = 0; i < patient.names.n; i++)
		check_address(doctor, &patient, i);
	if (address) {
		peers_check_master(&doctor->peers, name, address);
		return remember(doctor, address);
	}
	diagnosis_add(&doctor->diagnosis, VERDICT_WRONG, "master", name,
	              "start distmaster there, with --listen unless it is this host, "
	              "correct --masters, or let its port through the firewall",
	              "%s", why);
	return DIST_OK;
}

/* --- Nodes ------------------------------------------------------------------------ */

/* One node, and what was found of it; on a thread of its own until it is over. */
struct visit {
	const dist_node_entry *node;
	struct diagnosis diagnosis;
	struct peers peers;
	bool over;
};

struct round {
	struct doctor *doctor;
	struct visit *visits;
	size_t n;
	pthread_mutex_t lock; /* guards @n_told, each visit that is over, and what is told */
	size_t n_told;
};

/* In their order, each as soon as all before it are over. */
static void
tell_locked(struct round *round)
{
	for (; round->n_told < round->n; round->n_told++) {
		struct visit *visit = &round->visits[round->n_told];

		if (!visit->over)
			return;
		diagnosis_take(&round->doctor->diagnosis, &visit->diagnosis);
		peers_take(&round->doctor->peers, &visit->peers);
	}
}

static void
visit_node(size_t i, void *arg)
{
	struct round *round = arg;
	struct visit *visit = &round->visits[i];

	diagnosis_begin(&visit->diagnosis, true);
	visit->peers = (struct peers){ .diagnosis = &visit->diagnosis,
		                       .timeout_ms = round->doctor->config->timeout_ms };
	peers_check_node(&visit->peers, visit->node);
	pthread_mutex_lock(&round->lock);
	visit->over = true;
	tell_locked(round);
	pthread_mutex_unlock(&round->lock);
}

static int
visit_nodes(struct doctor *doctor, const struct view *view)
{
	struct round round = { .doctor = doctor, .n = view->n_nodes };

	round.visits = calloc(round.n + 1, sizeof(*round.visits));
	if (!round.visits)
		return program_fail("out of memory");
	for (size_t i = 0; i < round.n; i++)
		round.visits[i].node = view->nodes[i];
	pthread_mutex_init(&round.lock, NULL);
	crowd_ask(round.n, N_VISITORS, visit_node, &round);
	pthread_mutex_destroy(&round.lock);
	free(round.visits);
	return PROGRAM_DONE;
}

static int
check_nodes(struct doctor *doctor, const struct view *view)
{
	int status = visit_nodes(doctor, view);

	if (view->n_nodes == 0)
		diagnosis_add(&doctor->diagnosis, VERDICT_WARNING, "nodes", "all masters",
		              "start distnode with --masters", "no node is registered");
	limits_check_nodes(&doctor->diagnosis, view->n_nodes);
	return status;
}

/* By way of the masters that answer, and no other. */
static int
list_nodes(struct doctor *doctor)
{
	struct config config = *doctor->config;
	struct masters masters;
	struct view view;
	int status;

	if (!doctor->found)
		return PROGRAM_DONE;
	config.masters = doctor->found;
	status = masters_open(&masters, &config);
	if (status)
		return status;
	status = view_get(&view, &masters, false);
	if (!status)
		status = check_nodes(doctor, &view);
	view_fini(&view);
	masters_close(&masters);
	return status;
}

static int
examine(struct doctor *doctor)
{
	enum dist_err err;
	int status;

	err = dist_masters_find(doctor->config->masters, doctor->config->timeout_ms,
	                        check_master, doctor);
	if (err == DIST_EADDRESS)
		return program_wrong_usage("--masters: %s", dist_error_text());
	if (err)
		return program_fail("%s", dist_error_string(err));
	status = list_nodes(doctor);
	peers_check_clocks(&doctor->peers);
	peers_check_versions(&doctor->peers);
	limits_check(&doctor->diagnosis);
	return status;
}

int
doctor_run(const struct config *config)
{
	struct doctor doctor = { .config = config };
	int status, judged;

	doctor.peers = (struct peers){ .diagnosis = &doctor.diagnosis,
		                       .timeout_ms = config->timeout_ms };
	diagnosis_begin(&doctor.diagnosis, config->json);
	status = examine(&doctor);
	judged = diagnosis_end(&doctor.diagnosis, status);
	peers_fini(&doctor.peers);
	free(doctor.found);
	return judged;
}
