/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the keeper's loop: reaping on acknowledgement, holding descriptors, respawning and watching the server. */
#include "keeper/keeper.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/diag.h"
#include "base/mem.h"
#include "keeper/wire.h"

/* Slots are virtual memory until they are used; the most that descriptors can fill with one slot a service. */
#define SLOTS_MAX (1U << 18)
#define ARGS_MAX 64
/* Delay before a server that died without ever getting ready is started again: doubles from first to last. */
#define RETRY_FIRST_MS 10
#define RETRY_LAST_MS 5000
/* One that was ready and died soon after: at once the first times, then with a pause that keeps the machine usable. */
#define SHORT_LIFE_MS 1000
#define SHORT_LIFE_PAUSE_MS 50
#define SHORT_LIVES_FREE 3
#define SERVER_FD 3
/* SIGCHLD names the child, but signals that come together are one. So named zombies are looked at one by one, which is
 * cheap, and all children a moment later, which costs time for each of them (wait(2) goes through the whole list). */
#define HINTS_MAX 64
#define SWEEP_AFTER_MS 1
/* How long a server may take to end after it closed its end of the socket: longer than the disk's patience there. */
#define ENDING_MS 5000

struct slot {
	bool used;
	char key[LIMIT_KEEPER_KEY];
	int fds[FD_MESSAGE_MAX];
};

struct keeper {
	char *const *argv;
	struct slot *slots;
	size_t slots_end; /* no slot at or above it was ever used */
	pid_t server;     /* 0: none runs */
	int sock;         /* -1: none */
	int signal_fd;
	bool ready;      /* this server said so */
	bool ever_ready; /* some server did */
	bool done;
	int done_code;
	int servers;      /* started so far */
	int64_t alive_at; /* monotonic ms of its start or last heartbeat */
	int64_t start_at; /* when to start the next one */
	int64_t retry_ms;
	uint64_t pending_signals; /* bit n: signal n came and was not told yet */
	uint64_t told_signals;    /* told, and not dealt with yet */
	int64_t ready_at;
	int short_lives; /* in a row */
	pid_t told;               /* exit told, answer not yet here; 0: none */
	pid_t hints[HINTS_MAX];   /* who SIGCHLD said has ended */
	size_t hints_n;
	bool sweep;               /* there may be zombies that no hint names */
	int64_t sweep_at;
};

static const int forwarded[] = { SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2, SIGPWR, SIGQUIT };

/* CLOCK_MONOTONIC stands still in suspend, as the server does: waking up is not "hung". */
static int64_t now_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static int send_to_server(const struct keeper *k, const struct wire_message *m, int flags, const int *fds,
			  size_t n)
{
	if (k->sock < 0)
		return -ENOTCONN;
	return fd_send_message(k->sock, m, sizeof(*m), flags, fds, n);
}

/* --- descriptors ------------------------------------------------------------------------------ */

static size_t count_fds(const int *fds)
{
	size_t n = 0;

	while (n < FD_MESSAGE_MAX && fds[n] >= 0)
		n++;
	return n;
}

static void close_all(int *fds)
{
	for (size_t i = 0; i < FD_MESSAGE_MAX; i++) {
		auto_close(&fds[i]);
		fds[i] = -1;
	}
}

static void forget(struct keeper *k, uint32_t at)
{
	if (at < k->slots_end && k->slots[at].used) {
		close_all(k->slots[at].fds);
		k->slots[at].used = false;
	}
}

static void keep(struct keeper *k, const struct wire_message *m, int *fds)
{
	struct slot *slot;

	if (m->slot >= SLOTS_MAX) {
		diag(DIAG_ERROR, "keeper: slot %u of '%.*s' is out of range", m->slot, LIMIT_KEEPER_KEY, m->key);
		close_all(fds);
		return;
	}
	forget(k, m->slot);
	slot = &k->slots[m->slot];
	slot->used = true;
	memcpy(slot->key, m->key, sizeof(slot->key));
	memcpy(slot->fds, fds, sizeof(slot->fds));
	if (m->slot >= k->slots_end)
		k->slots_end = m->slot + 1;
}

/* --- exits ------------------------------------------------------------------------------------ */

static void reap(struct keeper *k, pid_t pid)
{
	siginfo_t info;

	if (k->told == pid)
		k->told = 0;
	if (pid != k->server)
		(void)waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG);
}

/* Has this child ended? Fills `info` and leaves it a zombie. */
static bool peek(idtype_t type, pid_t pid, siginfo_t *info)
{
	info->si_pid = 0;
	return waitid(type, (id_t)pid, info, WEXITED | WNOWAIT | WNOHANG) == 0 && info->si_pid != 0;
}

static bool find_zombie(struct keeper *k, siginfo_t *info)
{
	while (k->hints_n > 0) {
		pid_t pid = k->hints[--k->hints_n];

		if (pid != k->server && peek(P_PID, pid, info))
			return true;
	}
	if (!k->sweep || now_ms() < k->sweep_at)
		return false;
	k->sweep = peek(P_ALL, 0, info);
	/* the server's own end is seen to first, and the sweep goes on with the next server */
	return k->sweep && info->si_pid != k->server;
}

/* One at a time: waitid(P_ALL) shows the same zombie first until it is reaped. */
static void tell_exit(struct keeper *k)
{
	struct wire_message m = { .type = WIRE_EXITED };
	siginfo_t info;

	if (k->sock < 0 || k->told || !find_zombie(k, &info))
		return;
	m.pid = info.si_pid;
	m.code = info.si_code;
	m.value = info.si_status;
	if (send_to_server(k, &m, MSG_DONTWAIT, NULL, 0) == 0)
		k->told = info.si_pid;
	else
		k->sweep = true; /* a full socket: later */
}

/* --- the server ------------------------------------------------------------------------------- */

static void exec_server(const struct keeper *k, int sock)
{
	char fd_text[16];
	char *argv[ARGS_MAX];
	size_t n = 0;
	sigset_t none;

	argv[n++] = k->argv[0];
	argv[n++] = (char[]){ "--brain" };
	(void)snprintf(fd_text, sizeof(fd_text), "%d", SERVER_FD);
	argv[n++] = fd_text;
	for (size_t i = 1; k->argv[i] && n < ARGS_MAX - 1; i++)
		argv[n++] = k->argv[i];
	argv[n] = NULL;
	if (sock == SERVER_FD ? fd_set_cloexec(sock, false) < 0 : dup2(sock, SERVER_FD) < 0)
		_exit(126);
	/* a process group of its own: Ctrl-C on a terminal is for the keeper, which passes it on */
	(void)setpgid(0, 0);
	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)execv(argv[0], argv);
	diag(DIAG_ERROR, "keeper: starting '%s': %s", argv[0], strerror(errno));
	_exit(127);
}

static void hand_over(struct keeper *k)
{
	struct wire_message m = { .type = WIRE_KEPT };

	for (uint32_t i = 0; i < k->slots_end; i++) {
		if (!k->slots[i].used)
			continue;
		m.slot = i;
		memcpy(m.key, k->slots[i].key, sizeof(m.key));
		if (send_to_server(k, &m, 0, k->slots[i].fds, count_fds(k->slots[i].fds)) < 0)
			return; /* it died already: its end is handled like any other */
	}
	m = (struct wire_message){ .type = WIRE_BEGIN, .value = k->servers - 1 };
	(void)send_to_server(k, &m, 0, NULL, 0);
}

static void retry_later(struct keeper *k)
{
	k->start_at = now_ms() + k->retry_ms;
	k->retry_ms = MIN(k->retry_ms * 2, (int64_t)RETRY_LAST_MS);
}

static void start_server(struct keeper *k)
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
	k->alive_at = now_ms();
	k->sweep = true; /* what the last server was not told, or did not acknowledge */
	k->sweep_at = 0;
	/* handing over may block on a slow start, which is bounded: a server that hangs there dies of its heartbeat's
	 * absence only if we get back to the loop, so the send has a time-out of its own */
	(void)setsockopt(k->sock, SOL_SOCKET, SO_SNDTIMEO, &(struct timeval){ .tv_sec = WIRE_HUNG_MS / 1000 },
			 sizeof(struct timeval));
	hand_over(k);
}

static void on_message(struct keeper *k, const struct wire_message *m, int *fds)
{
	switch (m->type) {
	case WIRE_READY:
		k->ready = k->ever_ready = true;
		k->ready_at = now_ms();
		k->retry_ms = RETRY_FIRST_MS;
		if (m->value != WIRE_VERSION)
			diag(DIAG_WARN, "keeper: the server speaks version %d, this keeper %d", m->value, WIRE_VERSION);
		break;
	case WIRE_KEEP:
		keep(k, m, fds);
		return;
	case WIRE_FORGET:
		forget(k, m->slot);
		break;
	case WIRE_REAP:
		reap(k, m->pid);
		break;
	case WIRE_HEARTBEAT:
		break;
	case WIRE_SIGNALLED:
		k->told_signals &= ~(m->value > 0 && m->value < 64 ? 1ULL << m->value : 0);
		break;
	case WIRE_DONE:
		k->done = true;
		k->done_code = m->value;
		break;
	default:
		diag(DIAG_ERROR, "keeper: unknown message %u from the server", m->type);
	}
	close_all(fds);
}

/* Reads what the server sent. Returns false at the end of the stream. */
static bool read_messages(struct keeper *k)
{
	for (;;) {
		struct wire_message m;
		int fds[FD_MESSAGE_MAX] = { -1, -1, -1, -1 };
		ssize_t n = fd_receive_message(k->sock, &m, sizeof(m), MSG_DONTWAIT, fds);

		if (n == -EAGAIN)
			return true;
		if (n == -ECONNRESET) /* it ended with messages of ours unread: told once, before its own last words */
			continue;
		if (n == 0 || (n < 0 && n != -EMSGSIZE))
			return false;
		if (n != (ssize_t)sizeof(m)) {
			diag(DIAG_ERROR, "keeper: a message of %zd bytes from the server, %zu expected", n, sizeof(m));
			close_all(fds);
			continue;
		}
		m.key[sizeof(m.key) - 1] = '\0';
		k->alive_at = now_ms();
		on_message(k, &m, fds);
	}
}

static int64_t pause_after_life(struct keeper *k, int64_t lived_ms)
{
	k->short_lives = lived_ms < SHORT_LIFE_MS ? k->short_lives + 1 : 0;
	return k->short_lives > SHORT_LIVES_FREE ? SHORT_LIFE_PAUSE_MS : 0;
}

static int exit_code_of(const siginfo_t *info)
{
	return info->si_code == CLD_EXITED ? info->si_status : 128 + info->si_status;
}

/* Sees to the server's end, if it has ended. Returns true and the code when the keeper has to end too. */
static bool server_ended(struct keeper *k, int *out_code)
{
	siginfo_t info;

	if (!k->server || !peek(P_PID, k->server, &info))
		return false;
	(void)read_messages(k); /* its last words count */
	(void)waitid(P_PID, (id_t)k->server, &info, WEXITED | WNOHANG);
	auto_close(&k->sock);
	k->sock = -1;
	k->server = 0;
	k->told = 0; /* the next server is told of it again */
	k->pending_signals |= k->told_signals;
	k->told_signals = 0;
	if (k->done || !k->ever_ready) {
		*out_code = k->done ? k->done_code : exit_code_of(&info);
		return true;
	}
	diag(DIAG_WARN, "keeper: the server ended (%s %d); starting it again",
	     info.si_code == CLD_EXITED ? "exit code" : "signal", info.si_status);
	if (k->ready)
		k->start_at = now_ms() + pause_after_life(k, now_ms() - k->ready_at);
	else
		retry_later(k);
	return false;
}

static void kill_if_hung(struct keeper *k)
{
	if (!k->server || now_ms() - k->alive_at < WIRE_HUNG_MS)
		return;
	diag(DIAG_ERROR, "keeper: no sign of life from the server for %d s: killing it",
	     (k->sock < 0 ? ENDING_MS : WIRE_HUNG_MS) / 1000);
	(void)kill(k->server, SIGKILL);
	k->alive_at = now_ms();
}

/* A server that closed its end is about to leave: it still writes out its logs, and has an exit code to tell. */
static void let_server_end(struct keeper *k)
{
	(void)close(k->sock);
	k->sock = -1;
	k->alive_at = now_ms() - WIRE_HUNG_MS + ENDING_MS;
}

/* --- signals and the loop --------------------------------------------------------------------- */

static void hint(struct keeper *k, pid_t pid)
{
	if (k->hints_n < HINTS_MAX)
		k->hints[k->hints_n++] = pid;
	if (!k->sweep) {
		k->sweep = true;
		k->sweep_at = now_ms() + SWEEP_AFTER_MS;
	}
}

static void read_signals(struct keeper *k)
{
	struct signalfd_siginfo info;

	while (read(k->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		if (info.ssi_signo == SIGCHLD)
			hint(k, (pid_t)info.ssi_pid);
		else if (info.ssi_signo < 64)
			k->pending_signals |= 1ULL << info.ssi_signo;
	}
}

static void forward_signals(struct keeper *k)
{
	for (int signo = 1; k->pending_signals && signo < 64; signo++) {
		struct wire_message m = { .type = WIRE_SIGNAL, .value = signo };

		if ((k->pending_signals & (1ULL << signo)) && send_to_server(k, &m, MSG_DONTWAIT, NULL, 0) == 0) {
			k->pending_signals &= ~(1ULL << signo);
			k->told_signals |= 1ULL << signo;
		}
	}
}

static int poll_timeout(const struct keeper *k)
{
	int64_t due = k->server ? k->alive_at + WIRE_HUNG_MS : k->start_at;
	int64_t left;

	if (k->server && k->sock >= 0 && k->sweep && !k->told)
		due = MIN(due, k->sweep_at);
	left = due - now_ms();

	return left < 0 ? 0 : (int)left;
}

static int run(struct keeper *k)
{
	int code;

	for (;;) {
		struct pollfd fds[2];

		if (!k->server && now_ms() >= k->start_at)
			start_server(k);
		fds[0] = (struct pollfd){ .fd = k->signal_fd, .events = POLLIN };
		/* only a full socket leaves something unsent; then wait for room as well */
		fds[1] = (struct pollfd){ .fd = k->sock,
					  .events = (short)(POLLIN | (k->pending_signals ? POLLOUT : 0)) };
		if (poll(fds, 2, poll_timeout(k)) < 0 && errno != EINTR)
			diag(DIAG_ERROR, "keeper: poll: %s", strerror(errno));
		if (fds[0].revents)
			read_signals(k);
		if (server_ended(k, &code))
			return code;
		if (k->sock >= 0 && fds[1].revents && !read_messages(k))
			let_server_end(k);
		tell_exit(k);
		forward_signals(k);
		kill_if_hung(k);
	}
}

static int block_signals(struct keeper *k, struct error *err)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	for (size_t i = 0; i < ARRAY_LEN(forwarded); i++)
		sigaddset(&set, forwarded[i]);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return error_set(err, errno, "sigprocmask: %s", strerror(errno));
	k->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (k->signal_fd < 0)
		return error_set(err, errno, "signalfd: %s", strerror(errno));
	return 0;
}

/* Each service costs a few descriptors here: take all that the hard limit gives. The server inherits it. */
static void raise_descriptor_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &limit);
	}
}

int keeper_run(char *const argv[], struct error *err)
{
	static struct keeper k = { .sock = -1, .retry_ms = RETRY_FIRST_MS };
	int r;

	k.argv = argv;
	k.slots = mmap(NULL, SLOTS_MAX * sizeof(struct slot), PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (k.slots == MAP_FAILED)
		return error_set(err, errno, "memory for the descriptor table: %s", strerror(errno));
	if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
		return error_set(err, errno, "becoming subreaper: %s", strerror(errno));
	r = block_signals(&k, err);
	if (r < 0)
		return r;
	raise_descriptor_limit();
	(void)prctl(PR_SET_NAME, "zinit-keeper");
	return run(&k);
}
