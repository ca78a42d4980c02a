/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the server's life: its start, its end, its pauses, and what is done about one that hangs. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/diag.h"
#include "base/mem.h"
#include "keeper/internal.h"

/* Delay before a server that died without ever getting ready is started again: doubles from first to last. */
#define RETRY_FIRST_MS 10
#define RETRY_LAST_MS 5000
/* One that was ready and died soon after: at once the first times, then with a pause that keeps the machine usable. */
#define SHORT_LIFE_MS 1000
#define SHORT_LIFE_PAUSE_MS 50
#define SHORT_LIVES_FREE 3
#define SERVER_FD 3
/* How long a server may take to end after it closed its end of the socket: longer than the disk's patience there. */
#define ENDING_MS 5000

/* --- its start -------------------------------------------------------------------------------- */

static void exec_server(const struct keeper *k, int sock)
{
	char fd_text[16];
	char *argv[ARGS_MAX];
	size_t n = 0;
	int program;
	sigset_t none;

	argv[n++] = (char *)(uintptr_t)k->program.path;
	argv[n++] = (char[]){ "--brain" };
	(void)snprintf(fd_text, sizeof(fd_text), "%d", SERVER_FD);
	argv[n++] = fd_text;
	for (size_t i = 1; k->argv[i] && n < ARGS_MAX - 1; i++)
		argv[n++] = k->argv[i];
	argv[n] = NULL;
	/* SERVER_FD may be the program's */
	program = fcntl(k->program.fd, F_DUPFD_CLOEXEC, SERVER_FD + 1);
	if (sock == SERVER_FD ? fd_set_cloexec(sock, false) < 0 : dup2(sock, SERVER_FD) < 0)
		_exit(126);
	/* a process group of its own: Ctrl-C on a terminal is for the keeper, which passes it on */
	(void)setpgid(0, 0);
	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	programs_exec(k, program, argv);
	diag(DIAG_ERROR, "keeper: starting '%s': %s", argv[0], strerror(errno));
	_exit(127);
}

static void hand_over(const struct keeper *k)
{
	struct wire_message m = {
		.type = WIRE_BEGIN,
		.value = k->servers - 1,
		.code = WIRE_VERSION,
		.slot = k->outcome,
		.pid = k->outcome_detail,
	};

	if (k->outcome != WIRE_NO_UPGRADE)
		memcpy(m.key, k->note, sizeof(m.key));
	/* if it died already, its end is handled like any other */
	if (slots_hand_over(k))
		(void)keeper_send(k, &m, 0, NULL, 0);
}

static void retry_later(struct keeper *k)
{
	if (k->retry_ms == 0)
		k->retry_ms = RETRY_FIRST_MS;
	k->start_at = keeper_now() + k->retry_ms;
	k->retry_ms = MIN(k->retry_ms * 2, (int64_t)RETRY_LAST_MS);
}

void life_start(struct keeper *k)
{
	int pair[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
		diag(DIAG_ERROR, "keeper: socketpair: %s", strerror(errno));
		retry_later(k);
		return;
	}
	pid = fork();
	if (pid == 0)
		exec_server(k, pair[1]);
	(void)close(pair[1]);
	if (pid < 0) {
		diag(DIAG_ERROR, "keeper: fork: %s", strerror(errno));
		(void)close(pair[0]);
		retry_later(k);
		return;
	}
	k->server = pid;
	k->sock = pair[0];
	k->ready = false;
	k->servers++;
	k->alive_at = keeper_now();
	k->trial_until = k->alive_at + k->trial_ms;
	k->sweep = true; /* what the last server was not told, or did not acknowledge */
	k->sweep_at = 0;
	/* handing over may block on a slow start, which is bounded: a server that hangs there dies of its heartbeat's
	 * absence only if we get back to the loop, so the send has a time-out of its own */
	(void)setsockopt(k->sock, SOL_SOCKET, SO_SNDTIMEO, &(struct timeval){ .tv_sec = WIRE_HUNG_MS / 1000 },
			 sizeof(struct timeval));
	hand_over(k);
}

/* --- its end ---------------------------------------------------------------------------------- */

static int64_t pause_after_life(struct keeper *k, int64_t lived_ms)
{
	k->short_lives = lived_ms < SHORT_LIFE_MS ? k->short_lives + 1 : 0;
	return k->short_lives > SHORT_LIVES_FREE ? SHORT_LIFE_PAUSE_MS : 0;
}

static int exit_code_of(const siginfo_t *info)
{
	return info->si_code == CLD_EXITED ? info->si_status : 128 + info->si_status;
}

static void forget_server(struct keeper *k)
{
	auto_close(&k->sock);
	k->sock = -1;
	k->server = 0;
	k->told = 0; /* the next server is told of it again */
	k->pending_signals |= k->told_signals;
	k->told_signals = 0;
}

/* Another program, or the old one again: at once. The same one: as its life deserves. */
static void plan_next(struct keeper *k, const siginfo_t *info)
{
	k->start_at = keeper_now();
	if (programs_switch(k) || programs_put_back(k, info))
		return;
	diag(DIAG_WARN, "keeper: the server ended (%s %d); starting it again",
	     info->si_code == CLD_EXITED ? "exit code" : "signal", info->si_status);
	if (k->ready)
		k->start_at = keeper_now() + pause_after_life(k, keeper_now() - k->ready_at);
	else
		retry_later(k);
}

bool life_ended(struct keeper *k, int *out_code)
{
	siginfo_t info;

	if (!k->server || !keeper_peek(P_PID, k->server, &info))
		return false;
	if (k->sock >= 0)
		(void)keeper_read(k); /* its last words count */
	(void)waitid(P_PID, (id_t)k->server, &info, WEXITED | WNOHANG);
	forget_server(k);
	if (k->done || !k->ever_ready) {
		*out_code = k->done ? k->done_code : exit_code_of(&info);
		return true;
	}
	plan_next(k, &info);
	return false;
}

/* --- one that hangs --------------------------------------------------------------------------- */

static bool is_on_trial(const struct keeper *k)
{
	return !k->ready && k->previous.fd >= 0;
}

int64_t life_due(const struct keeper *k)
{
	int64_t due;

	if (!k->server)
		return k->start_at;
	due = k->alive_at + WIRE_HUNG_MS;
	return is_on_trial(k) ? MIN(due, k->trial_until) : due;
}

void life_kill_if_hung(struct keeper *k)
{
	if (!k->server || keeper_now() < life_due(k))
		return;
	if (is_on_trial(k)) {
		diag(DIAG_ERROR, "keeper: the new server was not ready in time: killing it");
		k->outcome = WIRE_TOO_LATE;
		k->trial_until = INT64_MAX;
	} else {
		diag(DIAG_ERROR, "keeper: no sign of life from the server for %d s: killing it",
		     (k->sock < 0 ? ENDING_MS : WIRE_HUNG_MS) / 1000);
	}
	(void)kill(k->server, SIGKILL);
	k->alive_at = keeper_now();
}

void life_let_end(struct keeper *k)
{
	(void)close(k->sock);
	k->sock = -1;
	k->alive_at = keeper_now() - WIRE_HUNG_MS + ENDING_MS;
}
