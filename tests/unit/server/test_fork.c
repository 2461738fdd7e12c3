/*
 * Procedures that fork: the call is the parent's to answer. Whatever the child does with
 * the transport sends nothing, and when it returns from the procedure it ends.
 */
#include "server/fixture.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define PROG 0x20000F10
#define PROC_FORK 1
/* A child that goes on instead ends by SIGALRM. */
#define CHILD_S 10
/* So many short calls are run inline from then on. */
#define N_SHORT 200

/* What the child of the procedure does. */
enum child {
	NO_CHILD,
	CHILD_RETURNS, /* as if it were the parent: its dispatcher replies */
	CHILD_REPLIES_TWICE,
	CHILD_FAILS, /* without a reply of its own */
	CHILD_ANSWERS_ERROR,
	CHILD_DEFERS,
	CHILD_EXITS,
	N_CHILDREN,
};

static atomic_uint next_child; /* enum child; of the next call alone */
static atomic_int child_pid;

/* In the child; false: the procedure says FALSE. */
static bool
be_child(enum child child, struct svc_req *rqstp)
{
	int result = 666;
	sigset_t none;

	/* Of a worker, which takes no signals. */
	sigemptyset(&none);
	pthread_sigmask(SIG_SETMASK, &none, NULL);
	alarm(CHILD_S);
	switch (child) {
	case CHILD_REPLIES_TWICE:
		if (!svc_sendreply(rqstp->rq_xprt, (xdrproc_t)xdr_int, &result))
			_exit(2);
		return true;
	case CHILD_ANSWERS_ERROR:
		svcerr_systemerr(rqstp->rq_xprt);
		return false;
	case CHILD_DEFERS:
		if (dist_request_defer(rqstp))
			_exit(3);
		return true;
	case CHILD_EXITS:
		_exit(EXIT_FAILURE);
	default:
		return child == CHILD_RETURNS;
	}
}

static bool
fork_1_svc(int number, int *result, struct svc_req *rqstp)
{
	enum child child = atomic_exchange(&next_child, NO_CHILD);
	pid_t pid;

	*result = number + 1;
	if (child == NO_CHILD)
		return true;
	pid = fork();
	if (pid == 0)
		return be_child(child, rqstp);
	atomic_store(&child_pid, pid);
	return true;
}

/* As rpcgen's does. */
static void
dispatch(struct svc_req *rqstp, SVCXPRT *xprt)
{
	int number = 0, result = 0;

	if (rqstp->rq_proc != PROC_FORK) {
		svcerr_noproc(xprt);
		return;
	}
	if (!svc_getargs(xprt, (xdrproc_t)xdr_int, (char *)&number)) {
		svcerr_decode(xprt);
		return;
	}
	if (fork_1_svc(number, &result, rqstp) &&
	    !svc_sendreply(xprt, (xdrproc_t)xdr_int, &result))
		svcerr_systemerr(xprt);
	if (!svc_freeargs(xprt, (xdrproc_t)xdr_int, (char *)&number))
		_exit(4);
}

static const struct dist_service service = {
	.size = sizeof(service),
	.program = PROG,
	.version = 1,
	.dispatch = dispatch,
};

/* Another reply than the one that belongs to it would be read instead. */
static void
call(int fd, uint32_t xid)
{
	struct fixture_call call = { .xid = xid, .prog = PROG, .vers = 1,
		                     .proc = PROC_FORK, .args = { xid }, .n_args = 1 };

	fixture_send_call(fd, &call);
	fixture_expect_success(fd, xid, xid + 1);
}

static void
fork_in_a_call(int fd, enum child child, uint32_t xid)
{
	int status;
	sigset_t ended;
	pid_t pid;

	/* The end of a child would interrupt a receive. */
	sigemptyset(&ended);
	sigaddset(&ended, SIGCHLD);
	pthread_sigmask(SIG_BLOCK, &ended, NULL);
	atomic_store(&child_pid, 0);
	atomic_store(&next_child, child);
	call(fd, xid);
	pid = atomic_load(&child_pid);
	assert_true(pid > 0);
	/* Others are served while it is there, and after it, and it took none of them. */
	call(fd, xid + 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != EXIT_FAILURE)
		fail_msg("child %d ended with %#x", child, status);
	call(fd, xid + 2);
}

static void
fork_in_each_way(int fd)
{
	for (enum child child = CHILD_RETURNS; child < N_CHILDREN; child++)
		fork_in_a_call(fd, child, 1000 + 10 * child);
}

static void
test_children_of_a_worker_leave_the_call_to_the_parent(void **state)
{
	struct dist_server *server = fixture_server_with(NULL, &service);
	int fd = fixture_connect(server);

	(void)state;
	fork_in_each_way(fd);
	close(fd);
	dist_server_stop(server);
}

/* The loop's own thread runs what is short: its child has the loop. */
static void
test_children_of_the_loop_leave_the_call_to_the_parent(void **state)
{
	struct dist_server *server = fixture_server_with(NULL, &service);
	int fd = fixture_connect(server);

	(void)state;
	for (enum child child = CHILD_RETURNS; child < N_CHILDREN; child++) {
		for (uint32_t xid = 1; xid <= N_SHORT; xid++)
			call(fd, xid);
		fork_in_a_call(fd, child, 1000);
	}
	close(fd);
	dist_server_stop(server);
}

/* With the address sanitizer a child finds the locks of its allocator as others held them. */
#if defined(__SANITIZE_ADDRESS__)
#define CAN_FORK false
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define CAN_FORK false
#endif
#endif
#ifndef CAN_FORK
#define CAN_FORK true
#endif

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_children_of_a_worker_leave_the_call_to_the_parent),
	cmocka_unit_test(test_children_of_the_loop_leave_the_call_to_the_parent),
};

CHECK_MAIN_WHERE(CAN_FORK, tests)
