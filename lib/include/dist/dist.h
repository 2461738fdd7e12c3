/*
 * distribution: calls to ONC RPC procedures, spread over the live nodes of a cluster.
 *
 * This header takes all the others:
 *
 *   error.h      what can go wrong, and the text that says so
 *   log.h        where the library's log lines go
 *   cluster.h    the callers' side: a cluster of nodes, and CLIENTs for rpcgen's stubs
 *   waiter.h     asynchronous calls: dist_go(), waiters, queues
 *   map.h        bulk work: dist_map() spreads many items over all nodes
 *   node.h       the serving side: services, and a node inside a program
 *   request.h    for procedures: deadline, cancellation, answering later
 *   master.h     the registry inside a program
 *   stats.h      what calls came to, and how long they took
 *   overview.h   a whole cluster as its master knows it
 *   listeners.h  a port that is bound before anything is served
 *
 * C11 and C++17. Everything here may be called from any thread unless it says otherwise.
 */
#ifndef DIST_DIST_H
#define DIST_DIST_H

#include <dist/cluster.h>
#include <dist/error.h>
#include <dist/listeners.h>
#include <dist/log.h>
#include <dist/map.h>
#include <dist/master.h>
#include <dist/node.h>
#include <dist/overview.h>
#include <dist/request.h>
#include <dist/stats.h>
#include <dist/waiter.h>

#endif
