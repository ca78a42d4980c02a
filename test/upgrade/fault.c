/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Servers that pass the check before an upgrade and fail after it. What to do is in the program's own name: "crash" at once,
 * "hang", "mute" (closes the socket), or "late": get ready, then crash.
 */
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/program.h"
#include "keeper/wire.h"

static void read_all(int sock)
{
	struct wire_message m = { 0 };
	int fds[FD_MESSAGE_MAX];

	while (m.type != WIRE_BEGIN && fd_receive_message(sock, &m, sizeof(m), 0, fds) == (ssize_t)sizeof(m)) {
		for (size_t i = 0; i < FD_MESSAGE_MAX; i++) {
			if (fds[i] >= 0)
				(void)close(fds[i]);
		}
	}
}

static void hang(void)
{
	for (;;)
		(void)pause();
}

int main(int argc, char **argv)
{
	const struct wire_message ready = { .type = WIRE_READY, .value = WIRE_VERSION };
	char path[PATH_MAX];
	int sock;

	if (program_self(path) < 0)
		return 1;
	if (argc == 2 && strcmp(argv[1], "--check-takeover") == 0) {
		if (strstr(path, "slow-check"))
			hang();
		(void)puts("zinit-takeover 1 66.6-fault");
		return 0;
	}
	sock = (int)strtol(argv[2], NULL, 10); /* --brain FD */
	read_all(sock);
	if (strstr(path, "mute"))
		(void)close(sock);
	if (strstr(path, "late"))
		(void)fd_send_message(sock, &ready, sizeof(ready), 0, NULL, 0);
	if (strstr(path, "crash") || strstr(path, "late"))
		(void)raise(SIGABRT);
	if (strstr(path, "leaves"))
		return 7;
	hang();
}
