#!/bin/bash
# This system as one of several that a driver compares, as the driver starts them: a
# server on a port, and a client that prints one line. Here the server is a real cluster,
# a master and a node that registers with it, and the client finds the node through it.
#
#   bench/peers.sh server PORT [OPTION...]
#       A distmaster on PORT + 10000, and a distnode with the arith module on PORT, with
#       these options beside the defaults. The process becomes the node, and the master
#       ends with it.
#   bench/peers.sh client PORT PID[,PID...] N IN_FLIGHT SECONDS [SPIN_US]
#       Calls of ARITH_SUM with N integers, results checked, 0.5 s of warm-up first. Prints
#       calls/s, p50 and p99 in us, and CPU in us a call of the client and of the PIDs.
#
# Sourced, it adds systems to a driver: dist, whose client with more than one call in flight
# waits for the oldest of its waiters; distqueue, where a dist_queue gives whichever has
# ended; distspin, dist with 50 us of polling on both sides. The driver calls spec_NAME for
# the commands in $srv, $cli and $arg, with the port in $p, and build_NAME to build.
# To compare several trees or versions, set:
#
#   DIST_BUILD   the build directory, made if it is not there; $BUILD/dist
#
# For example, with a driver "run.sh" and its baseline "raw":
#
#   EXTRA=bench/peers.sh DIST_BUILD=build-bench run.sh build dist
#   EXTRA=bench/peers.sh DIST_BUILD=build-bench METRICS="L1p T64" run.sh run raw dist

dist_source=$(cd -- "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/.." && pwd)
: "${DIST_BUILD:=${BUILD:-$dist_source/build-bench}/dist}"
DIST_BUILD=$(realpath -m -- "$DIST_BUILD") # drivers change their directory
export DIST_BUILD

spec_dist() {
	srv="$dist_source/bench/peers.sh server $p"
	cli="env DISTBENCH_OPTIONS=--in-order $dist_source/bench/peers.sh client"
}

spec_distqueue() {
	spec_dist
	cli="$dist_source/bench/peers.sh client"
}

spec_distspin() {
	spec_dist
	srv="$srv --spin-us 50"
	arg=50
}

build_distqueue() { build_dist; }
build_distspin() { build_dist; }
build_dist() {
	[ -f "$DIST_BUILD/build.ninja" ] ||
		meson setup "$DIST_BUILD" "$dist_source" --buildtype=release -Db_ndebug=true \
			-Dtests=disabled -Dman=disabled -Dweb=disabled || return 1
	ninja -C "$DIST_BUILD"
}

# wait_listening PORT: until something listens there, five seconds at most.
wait_listening() {
	local i
	for i in $(seq 500); do
		(exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null && return
		sleep 0.01
	done
	echo "peers.sh: nothing listens on port $1" >&2
	return 1
}

server() {
	local port=$1 master=127.0.0.1:$(($1 + 10000))
	shift
	setpriv --pdeathsig TERM "$DIST_BUILD/master/distmaster" --listen "$master" \
		--no-rpcbind --log-level warning &
	wait_listening $((port + 10000)) || exit 1
	exec "$DIST_BUILD/node/distnode" --masters "$master" --listen "127.0.0.1:$port" \
		--no-rpcbind --log-level warning "$@" "$DIST_BUILD/examples/arith/arith.so"
}

client() {
	exec "$DIST_BUILD/bench/distbench" --masters "127.0.0.1:$(($1 + 10000))" \
		--server-pid "$2" --ints "$3" --in-flight "$4" \
		--duration "${5}s" --spin-us "${6:-0}" ${DISTBENCH_OPTIONS:-} \
		--print calls_per_s,p50_us,p99_us,client_cpu_us,server_cpu_us
}

if [ "${BASH_SOURCE[0]}" = "$0" ]; then
	command=${1:-}
	[ $# -gt 0 ] && shift
	case $command in
	server | client) $command "$@" ;;
	*) sed -n '2,25s/^# \{0,1\}//p' "$0"; exit 2 ;;
	esac
fi
