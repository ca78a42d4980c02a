/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: a server with bad manners, in a process of its own. */
#include "rude_server.h"

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"

#define PAUSE_MS 20

static void say(int fd, const char *text)
{
	(void)!write(fd, text, strlen(text));
}

static void hear(int fd)
{
	char text[4096];

	(void)!read(fd, text, sizeof(text));
}

/* Until the other end has hung up. */
static bool wait_a_bit(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLRDHUP };

	return poll(&p, 1, PAUSE_MS) == 0;
}

static void silent(int fd)
{
	hear(fd);
	while (wait_a_bit(fd))
		;
}

static void drip(int fd)
{
	hear(fd);
	say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n");
	while (wait_a_bit(fd))
		say(fd, ".");
}

static void gigabyte(int fd)
{
	static char chunk[65536];

	hear(fd);
	say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n");
	memset(chunk, 'x', sizeof(chunk));
	for (int i = 0; i < 16384 && write(fd, chunk, sizeof(chunk)) > 0; i++)
		;
}

static void headers(int fd)
{
	hear(fd);
	say(fd, "HTTP/1.1 200 OK\r\n");
	for (int i = 0; i < 100000; i++)
		say(fd, "X-Header: 0123456789012345678901234567890123456789012345678901234567890123456789\r\n");
}

static void redirect(int fd)
{
	hear(fd);
	say(fd, "HTTP/1.1 302 Found\r\nLocation: /again\r\nContent-Length: 0\r\n\r\n");
}

static void redirect_to_file(int fd)
{
	hear(fd);
	say(fd, "HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\nContent-Length: 0\r\n\r\n");
}

static void reset(int fd)
{
	const struct linger hard = { .l_onoff = 1 };

	hear(fd);
	(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
}

static void garbage(int fd)
{
	hear(fd);
	say(fd, "\x16\x03\x01 no server says this\r\n\r\n");
}

static void cut(int fd)
{
	hear(fd);
	say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
}

static void close_at_once(int fd)
{
	hear(fd);
}

static void fine(int fd)
{
	hear(fd);
	say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nhealthy");
}

static void not_found(int fd)
{
	hear(fd);
	say(fd, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
}

static void (*const manners[RUDE_N])(int fd) = {
	[RUDE_SILENT] = silent,	  [RUDE_DRIP] = drip,	  [RUDE_GIGABYTE] = gigabyte,
	[RUDE_HEADERS] = headers, [RUDE_REDIRECT] = redirect, [RUDE_REDIRECT_TO_FILE] = redirect_to_file,
	[RUDE_RESET] = reset,	  [RUDE_GARBAGE] = garbage, [RUDE_CUT] = cut,
	[RUDE_CLOSE] = close_at_once, [RUDE_FINE] = fine,   [RUDE_NOT_FOUND] = not_found,
};

struct visit {
	enum rude_manner manner;
	int fd;
};

static void *receive(void *data)
{
	struct visit *visit = data;

	manners[visit->manner](visit->fd);
	(void)close(visit->fd);
	free(visit);
	return NULL;
}

/* A thread for each connection: whoever is slow keeps nobody else, and when the process is gone nobody listens any more. */
static void serve(int listener, enum rude_manner manner)
{
	(void)signal(SIGPIPE, SIG_IGN);
	for (;;) {
		struct visit *visit = malloc(sizeof(*visit));
		pthread_t thread;

		if (!visit)
			_exit(1);
		*visit = (struct visit){ .manner = manner, .fd = accept(listener, NULL, NULL) };
		if (visit->fd < 0 || pthread_create(&thread, NULL, receive, visit) != 0) {
			auto_close(&visit->fd);
			free(visit);
			continue;
		}
		(void)pthread_detach(thread);
	}
}

pid_t rude_start(enum rude_manner manner, uint16_t *out_port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(a);
	AUTO(auto_close) int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	pid_t pid;

	if (fd < 0 || bind(fd, (const struct sockaddr *)&a, sizeof(a)) < 0 || listen(fd, 512) < 0 ||
	    getsockname(fd, (struct sockaddr *)&a, &len) < 0)
		return -1;
	*out_port = ntohs(a.sin_port);
	pid = fork();
	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		serve(fd, manner);
		_exit(0);
	}
	return pid;
}

void rude_stop(pid_t pid)
{
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
}
