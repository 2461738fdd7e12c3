/*
 * gRPC in C++: one channel; the synchronous stub with one call in flight, the callback
 * API with more, where each call that ends starts the next. See measure/peer.h.
 */
#include "measure/peer.h"

#include "arith.grpc.pb.h"

#include <condition_variable>
#include <grpcpp/grpcpp.h>
#include <memory>
#include <mutex>

static void
check(const grpc::Status &status)
{
	if (!status.ok())
		peer_die(status.error_message().c_str());
}

static void
fill(const struct peer *peer, arith::Numbers *numbers)
{
	numbers->mutable_values()->Add(peer->ints, peer->ints + peer->n_ints);
}

class Load
{
	struct peer_thread *thread;
	const struct peer *peer;
	std::unique_ptr<arith::Arith::Stub> stub;
	std::mutex lock; /* callbacks come from threads of the library */
	std::condition_variable ended;
	size_t n_in_flight = 0;

	struct Call {
		grpc::ClientContext context;
		arith::Numbers numbers;
		arith::Total total;
		int64_t began_ns = clock_now_ns();
	};

	void start()
	{
		Call *call = new Call;

		fill(peer, &call->numbers);
		stub->async()->Sum(&call->context, &call->numbers, &call->total,
		                   [this, call](grpc::Status status) {
					   check(status);
					   end(call);
				   });
	}

	void end(Call *call)
	{
		int64_t now_ns = clock_now_ns();

		{
			std::lock_guard<std::mutex> guard(lock);
			peer_end(thread, call->began_ns, now_ns, call->total.sum());
			if (now_ns >= peer->end_ns && --n_in_flight == 0)
				ended.notify_one();
		}
		delete call;
		if (now_ns < peer->end_ns)
			start();
	}

      public:
	explicit Load(struct peer_thread *thread) : thread(thread), peer(thread->peer)
	{
		grpc::ChannelArguments arguments;

		arguments.SetMaxSendMessageSize(-1);
		stub = arith::Arith::NewStub(grpc::CreateCustomChannel(
			"127.0.0.1:" + std::to_string(peer->port),
			grpc::InsecureChannelCredentials(), arguments));
	}

	void run_one()
	{
		while (clock_now_ns() < peer->end_ns) {
			Call call;

			fill(peer, &call.numbers);
			check(stub->Sum(&call.context, call.numbers, &call.total));
			peer_end(thread, call.began_ns, clock_now_ns(),
			         call.total.sum());
		}
	}

	void run_window()
	{
		n_in_flight = peer->n_in_flight;
		for (size_t i = 0; i < peer->n_in_flight; i++)
			start();
		std::unique_lock<std::mutex> guard(lock);
		ended.wait(guard, [this] { return n_in_flight == 0; });
	}
};

static void
run(struct peer_thread *thread)
{
	Load load(thread);

	if (thread->peer->n_in_flight == 1)
		load.run_one();
	else
		load.run_window();
}

int
main(int argc, char **argv)
{
	struct peer peer;

	peer_init(&peer, argc, argv);
	return peer_run(&peer, 1, run);
}
