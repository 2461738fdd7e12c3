/*
 * gRPC in C++, its callback API.
 *
 *	server PORT
 */
#include "measure/peer.h"

#include "arith.grpc.pb.h"

#include <grpcpp/grpcpp.h>

class Service final : public arith::Arith::CallbackService
{
	grpc::ServerUnaryReactor *Sum(grpc::CallbackServerContext *context,
	                              const arith::Numbers *numbers,
	                              arith::Total *total) override
	{
		grpc::ServerUnaryReactor *reactor = context->DefaultReactor();

		total->set_sum(peer_sum(numbers->values().data(),
		                        static_cast<size_t>(numbers->values_size())));
		reactor->Finish(grpc::Status::OK);
		return reactor;
	}
};

int
main(int argc, char **argv)
{
	Service service;
	grpc::ServerBuilder builder;
	std::string address = std::string("127.0.0.1:") + (argc == 2 ? argv[1] : "0");
	int port = 0;

	builder.AddListeningPort(address, grpc::InsecureServerCredentials(), &port);
	builder.SetMaxReceiveMessageSize(-1);
	builder.RegisterService(&service);
	std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
	if (!server)
		peer_die("the server does not start");
	printf("listening on port %d\n", port);
	fflush(stdout);
	server->Wait();
}
