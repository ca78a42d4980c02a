/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes from a client of the control server: frames, envelope, parameters, dispatch to every method, on a real
 * connection, with a supervisor that has no processes. Whatever comes in, each line that goes out is JSON.
 */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../unit/rpc/fake.h"
#include "base/diag.h"
#include "base/mem.h"
#include "base/str.h"
#include "config/server_settings.h"
#include "rpc/conn.h"
#include "rpc/server.h"

#define ROUNDS 50
#define CHUNK 4096
#define ANSWERS_MAX (64U << 20)

/* Our own assert: it must stay in builds without assertions. */
static void must(bool good)
{
	if (!good)
		abort();
}

static void drop_diagnostics(enum diag_level level, const char *line, size_t len)
{
	(void)level;
	(void)line;
	(void)len;
}

/* A socket that nobody knows: with the family alone the kernel chooses an address (unix(7), "autobind"). */
static int listening(void)
{
	const struct sockaddr address = { .sa_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	must(fd >= 0 && bind(fd, &address, sizeof(address.sa_family)) == 0 && listen(fd, 1) == 0);
	return fd;
}

static void check_answers(struct strbuf *got)
{
	char *at = got->data;
	char *end;

	while (at && (end = memchr(at, '\n', got->len - (size_t)(at - got->data)))) {
		json_t *value = json_loadb(at, (size_t)(end - at), 0, NULL);

		must(json_is_object(value) || json_is_array(value));
		json_decref(value);
		at = end + 1;
	}
}

static void hear(int fd, struct strbuf *got)
{
	char chunk[CHUNK];
	ssize_t n;

	while ((n = recv(fd, chunk, sizeof(chunk), MSG_DONTWAIT)) > 0)
		must(strbuf_add(got, chunk, (size_t)n) == 0);
}

/* Sends the input in pieces, of which the first byte gives the size, and lets the server work in between. */
static void talk(struct loop *loop, int fd, const uint8_t *data, size_t size, struct strbuf *got)
{
	size_t piece = size ? (size_t)data[0] * 16 + 1 : 1;
	size_t at = 0;

	for (int idle = 0; idle < ROUNDS;) {
		ssize_t n = at < size ? send(fd, data + at, MIN(piece, size - at), MSG_NOSIGNAL | MSG_DONTWAIT) : 0;

		if (n > 0)
			at += (size_t)n;
		else if (at == size)
			(void)shutdown(fd, SHUT_WR);
		idle = n > 0 ? 0 : idle + 1;
		must(loop_once(loop, 0) == 0);
		hear(fd, got);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct server_settings settings;
	struct strbuf got = STRBUF(ANSWERS_MAX);
	struct rpc_server_options options;
	struct access_peer peer = { 0 };
	struct rpc_server *server;
	struct supervisor sup;
	struct loop *loop = loop_new();
	int pair[2];

	diag_set_sink(drop_diagnostics);
	must(loop && fake_init(&sup, loop) == 0);
	(void)fake_add(&sup, "db", NULL, "one\ntwo\n\xff\xfe three\n");
	(void)fake_add(&sup, "web", "db", NULL);
	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
	options = (struct rpc_server_options){ .loop = loop, .supervisor = &sup, .settings = &settings,
					       .listen_fd = listening() };
	must(rpc_server_new(&options, &server, NULL) == 0);
	must(conn_new(server, pair[0], &peer, NULL) == 0);
	talk(loop, pair[1], data, size, &got);
	check_answers(&got);
	must(server->bytes <= LIMIT_RPC_MEMORY);
	(void)close(pair[1]);
	rpc_server_free(server);
	fake_fini(&sup);
	loop_free(loop);
	strbuf_fini(&got);
	return 0;
}
