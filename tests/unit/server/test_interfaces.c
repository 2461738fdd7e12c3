/* What a node tells of its interfaces: which, and their texts in pieces. */
#include "fixture.h"

#include "idl/node.h"

#include <stdlib.h>
#include <string.h>

/* A text of @length bytes, no two stretches of it alike. Given. */
static char *
make_text(size_t length)
{
	char *text = malloc(length + 1);

	assert_non_null(text);
	for (size_t i = 0; i < length; i++)
		text[i] = (char)('a' + (i * i / 7 + i / 1000) % 26);
	text[length] = '\0';
	return text;
}

/* Nothing but @service, which is borrowed. */
static struct dist_server *
serve(const struct dist_service *service)
{
	struct dist_server_options options = { .workers = 2 };
	struct dist_server *server = NULL;

	assert_ok(dist_server_open(&server, &options));
	assert_ok(dist_server_add(server, service));
	assert_ok(dist_server_start(server));
	return server;
}

/* One at a time. */
static struct dist_server *
serve_text(const char *text)
{
	static struct dist_service service;

	service = probe_prog_1_service;
	service.interface = text;
	return serve(&service);
}

static dist_interfaces_result
ask_which(CLIENT *client)
{
	dist_interfaces_result which = { 0 };

	assert_int_equal(dist_node_interfaces_1(&which, client), RPC_SUCCESS);
	return which;
}

static dist_interface_piece
ask_piece(CLIENT *client, uint32_t prog, size_t offset)
{
	dist_interface_wanted wanted = { prog, 1, (u_int)offset };
	dist_interface_piece piece = { 0 };

	assert_int_equal(dist_node_interface_1(wanted, &piece, client), RPC_SUCCESS);
	assert_true(piece.text.text_len <= DIST_INTERFACE_PIECE);
	return piece;
}

static void
check_text(CLIENT *client, const char *text)
{
	size_t length = strlen(text), got = 0;
	dist_interface_piece piece;

	do {
		piece = ask_piece(client, PROBE_PROG, got);
		assert_int_equal(piece.length, length);
		assert_true(piece.text.text_len <= length - got);
		if (piece.text.text_len > 0)
			assert_memory_equal(piece.text.text_val, text + got,
			                    piece.text.text_len);
		got += piece.text.text_len;
		xdr_free((xdrproc_t)xdr_dist_interface_piece, &piece);
	} while (piece.text.text_len > 0);
	assert_int_equal(got, length);
}

static void
test_a_text_comes_whole_in_pieces(void **state)
{
	static const size_t lengths[] = { 1, DIST_INTERFACE_PIECE,
		                          DIST_INTERFACE_PIECE + 1,
		                          DIST_INTERFACE_MAX };

	(void)state;
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		char *text = make_text(lengths[i]);
		struct dist_server *server = serve_text(text);
		CLIENT *client = fixture_client(server, DIST_NODE, DIST_NODE_V1);
		dist_interfaces_result which = ask_which(client);

		assert_int_equal(which.entries.entries_len, 1);
		assert_int_equal(which.entries.entries_val[0].prog, PROBE_PROG);
		assert_int_equal(which.entries.entries_val[0].vers, PROBE_V1);
		assert_string_equal(which.entries.entries_val[0].prog_name,
		                    "PROBE_PROG");
		assert_int_equal(which.entries.entries_val[0].length, lengths[i]);
		xdr_free((xdrproc_t)xdr_dist_interfaces_result, &which);
		check_text(client, text);
		clnt_destroy(client);
		dist_server_stop(server);
		free(text);
	}
}

static void
expect_nothing(struct dist_server *server)
{
	CLIENT *client = fixture_client(server, DIST_NODE, DIST_NODE_V1);
	dist_interfaces_result which = ask_which(client);
	dist_interface_piece piece = ask_piece(client, PROBE_PROG, 0);

	assert_int_equal(which.entries.entries_len, 0);
	assert_int_equal(piece.length, 0);
	assert_int_equal(piece.text.text_len, 0);
	xdr_free((xdrproc_t)xdr_dist_interfaces_result, &which);
	xdr_free((xdrproc_t)xdr_dist_interface_piece, &piece);
	clnt_destroy(client);
	dist_server_stop(server);
}

static void
test_what_is_not_carried_is_not_told(void **state)
{
	struct dist_service earlier = probe_prog_1_service;
	char *text = make_text(DIST_INTERFACE_MAX + 1);

	(void)state;
	expect_nothing(serve_text(NULL));
	expect_nothing(serve_text(""));
	expect_nothing(serve_text(text));
	earlier.interface = "never looked at";
	earlier.size = offsetof(struct dist_service, interface);
	expect_nothing(serve(&earlier));
	free(text);
}

static void
test_programs_that_are_not_served_have_no_text(void **state)
{
	struct dist_server *server = serve_text("const A = 1;");
	CLIENT *client = fixture_client(server, DIST_NODE, DIST_NODE_V1);
	static const size_t beyond[] = { 12, 13, UINT32_MAX };
	dist_interface_piece piece = ask_piece(client, PROBE_PROG + 1, 0);

	(void)state;
	assert_int_equal(piece.length, 0);
	xdr_free((xdrproc_t)xdr_dist_interface_piece, &piece);
	for (size_t i = 0; i < 3; i++) {
		piece = ask_piece(client, PROBE_PROG, beyond[i]);
		assert_int_equal(piece.length, 12);
		assert_int_equal(piece.text.text_len, 0);
		xdr_free((xdrproc_t)xdr_dist_interface_piece, &piece);
	}
	clnt_destroy(client);
	dist_server_stop(server);
}

static void
test_the_interfaces_of_distgen_are_told(void **state)
{
	struct dist_server *server = fixture_server(NULL);
	CLIENT *client = fixture_client(server, DIST_NODE, DIST_NODE_V1);
	dist_interfaces_result which = ask_which(client);

	(void)state;
	assert_int_equal(which.entries.entries_len, 2);
	assert_int_equal(which.entries.entries_val[0].vers, PROBE_V1);
	assert_int_equal(which.entries.entries_val[1].vers, 3);
	check_text(client, probe_prog_1_service.interface);
	assert_non_null(strstr(probe_prog_1_service.interface, "program PROBE_PROG {"));
	xdr_free((xdrproc_t)xdr_dist_interfaces_result, &which);
	clnt_destroy(client);
	dist_server_stop(server);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_a_text_comes_whole_in_pieces),
	cmocka_unit_test(test_what_is_not_carried_is_not_told),
	cmocka_unit_test(test_programs_that_are_not_served_have_no_text),
	cmocka_unit_test(test_the_interfaces_of_distgen_are_told),
};

CHECK_MAIN(tests)
