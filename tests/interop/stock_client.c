/*
 * A client that knows nothing of us: rpcgen's stubs over libtirpc's own TCP handle.
 *
 *	stock-client HOST PORT null         NULLPROC of Arith: "null"
 *	stock-client HOST PORT sum N        N sums over one connection: "sum N"
 *	stock-client HOST PORT who none|sys the credentials that a procedure sees
 *	stock-client HOST PORT unknown      a procedure, a version, a program nobody has
 */
#include "stock_arith.h"
#include "stock_who.h"

#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const struct timeval call_timeout = { .tv_sec = 20 };

static int
connect_to(const char *host, const char *port, struct sockaddr_storage *ret_address,
           socklen_t *ret_length)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *found;
	int fd;

	if (getaddrinfo(host, port, &hints, &found))
		return -1;
	fd = socket(found->ai_family, found->ai_socktype, 0);
	if (fd >= 0 && connect(fd, found->ai_addr, found->ai_addrlen)) {
		close(fd);
		fd = -1;
	}
	memcpy(ret_address, found->ai_addr, found->ai_addrlen);
	*ret_length = found->ai_addrlen;
	freeaddrinfo(found);
	return fd;
}

static CLIENT *
client_open(const char *host, const char *port, rpcprog_t program, rpcvers_t version)
{
	struct sockaddr_storage address;
	struct netbuf netbuf = { .buf = &address };
	socklen_t length = 0;
	int fd = connect_to(host, port, &address, &length);
	CLIENT *client;

	netbuf.len = netbuf.maxlen = length;
	client = fd < 0 ? NULL : clnt_vc_create(fd, &netbuf, program, version, 0, 0);
	if (!client) {
		fprintf(stderr, "no connection to %s port %s\n", host, port);
		exit(1);
	}
	clnt_control(client, CLSET_FD_CLOSE, NULL);
	return client;
}

static int
call_null(CLIENT *client)
{
	if (clnt_call(client, NULLPROC, (xdrproc_t)xdr_void, NULL, (xdrproc_t)xdr_void, NULL,
	              call_timeout) != RPC_SUCCESS) {
		clnt_perror(client, "null");
		return 1;
	}
	puts("null");
	return 0;
}

static int
call_sum(CLIENT *client, int n_calls)
{
	for (int i = 0; i < n_calls; i++) {
		int numbers[3] = { i, -2 * i, 1000000000 };
		int_array args = { 3, numbers };
		quad_t sum = 0;

		if (arith_sum_1(args, &sum, client) != RPC_SUCCESS) {
			clnt_perror(client, "sum");
			return 1;
		}
		if (sum != 1000000000 - (quad_t)i) {
			fprintf(stderr, "call %d: a wrong sum, %lld\n", i, (long long)sum);
			return 1;
		}
	}
	printf("sum %d\n", n_calls);
	return 0;
}

static int
call_who(CLIENT *client, const char *flavor)
{
	gid_t groups[] = { 7, 8, 9 };
	char machine[] = "somewhere", *answer = NULL;

	if (strcmp(flavor, "sys") == 0)
		client->cl_auth = authunix_create(machine, 1234, 5678, 3, groups);
	if (who_am_i_1(&answer, client) != RPC_SUCCESS) {
		clnt_perror(client, "who");
		return 1;
	}
	puts(answer);
	clnt_freeres(client, (xdrproc_t)xdr_wrapstring, (caddr_t)&answer);
	auth_destroy(client->cl_auth);
	client->cl_auth = NULL;
	return 0;
}

static void
call_unknown(const char *host, const char *port, rpcprog_t program, rpcvers_t version,
             rpcproc_t procedure)
{
	CLIENT *client = client_open(host, port, program, version);
	struct rpc_err error;

	clnt_call(client, procedure, (xdrproc_t)xdr_void, NULL, (xdrproc_t)xdr_void, NULL,
	          call_timeout);
	clnt_geterr(client, &error);
	printf("%s", clnt_sperrno(error.re_status));
	if (error.re_status == RPC_PROGVERSMISMATCH)
		printf("; %u to %u", (unsigned)error.re_vers.low, (unsigned)error.re_vers.high);
	putchar('\n');
	clnt_destroy(client);
}

int
main(int argc, char **argv)
{
	const char *host, *port, *word;
	CLIENT *client;
	int status;

	if (argc < 4)
		return 2;
	host = argv[1], port = argv[2], word = argv[3];
	if (strcmp(word, "unknown") == 0) {
		call_unknown(host, port, ARITH_PROG, ARITH_V1, 99);
		call_unknown(host, port, ARITH_PROG, 99, ARITH_SUM);
		call_unknown(host, port, 0x2fffffff, 1, 1);
		return 0;
	}
	if (strcmp(word, "who") == 0)
		client = client_open(host, port, WHO_PROG, WHO_V1);
	else
		client = client_open(host, port, ARITH_PROG, ARITH_V1);
	if (strcmp(word, "null") == 0)
		status = call_null(client);
	else if (strcmp(word, "sum") == 0)
		status = call_sum(client, argc > 4 ? atoi(argv[4]) : 1);
	else
		status = call_who(client, argc > 4 ? argv[4] : "none");
	clnt_destroy(client);
	return status;
}
