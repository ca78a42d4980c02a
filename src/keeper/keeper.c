/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the keeper's loop: reaping on acknowledgement, what the server says, signals. */
#include "keeper/keeper.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
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
#include "keeper/internal.h"

/* SIGCHLD names the child, but signals that come together are one. So named zombies are looked at one by one, which is
 * cheap, and all children a moment later, which costs time for each of them (wait(2) goes through the whole list). */
#define SWEEP_AFTER_MS 1

static const int forwarded[] = { SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGPWR, SIGQUIT };

int64_t keeper_now(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

int keeper_send(const struct keeper *k, const struct wire_message *m, int flags, const int *fds, size_t n)
{
	if (k->sock < 0)
		return -ENOTCONN;
	return fd_send_message(k->sock, m, sizeof(*m), flags, fds, n);
}

/* --- exits ------------------------------------------------------------------------------------ */

/* No service's: the server, or a keeper that is tried out. */
static bool is_own(const struct keeper *k, pid_t pid)
{
	return pid == k->server || pid == k->checker;
}

static void reap(struct keeper *k, pid_t pid)
{
	siginfo_t info;

	if (k->told == pid)
		k->told = 0;
	if (!is_own(k, pid))
		(void)waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG);
}

bool keeper_peek(idtype_t type, pid_t pid, siginfo_t *info)
{
	info->si_pid = 0;
	return waitid(type, (id_t)pid, info, WEXITED | WNOWAIT | WNOHANG) == 0 && info->si_pid != 0;
}

static bool find_zombie(struct keeper *k, siginfo_t *info)
{
	while (k->hints_n > 0) {
		pid_t pid = k->hints[--k->hints_n];

		if (!is_own(k, pid) && keeper_peek(P_PID, pid, info))
			return true;
	}
	if (!k->sweep || keeper_now() < k->sweep_at)
		return false;
	k->sweep = keeper_peek(P_ALL, 0, info);
	/* our own processes are seen to first, and then the sweep goes on */
	return k->sweep && !is_own(k, info->si_pid);
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
	if (keeper_send(k, &m, MSG_DONTWAIT, NULL, 0) == 0)
		k->told = info.si_pid;
	else
		k->sweep = true; /* a full socket: later */
}

/* --- what the server says ----------------------------------------------------------------------- */

static void on_message(struct keeper *k, const struct wire_message *m, int *fds)
{
	switch (m->type) {
	case WIRE_READY:
		k->ready = k->ever_ready = true;
		k->ready_at = keeper_now();
		k->retry_ms = 0;
		programs_ready(k);
		break;
	case WIRE_KEEP:
		slots_keep(k, m, fds);
		return;
	case WIRE_FORGET:
		slots_forget(k, m->slot);
		break;
	case WIRE_REAP:
		reap(k, m->pid);
		break;
	case WIRE_HEARTBEAT:
		break;
	case WIRE_SIGNALLED:
		k->told_signals &= ~(m->value > 0 && m->value < 64 ? 1ULL << m->value : 0);
		break;
	case WIRE_UPGRADE:
		programs_offer(k, m, fds);
		break;
	case WIRE_DONE:
		k->done = true;
		k->done_code = m->value;
		break;
	default:
		diag(DIAG_ERROR, "keeper: unknown message %u from the server", m->type);
	}
	slots_close(fds);
}

bool keeper_read(struct keeper *k)
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
			slots_close(fds);
			continue;
		}
		m.key[sizeof(m.key) - 1] = '\0';
		k->alive_at = keeper_now();
		on_message(k, &m, fds);
	}
}

/* --- signals and the loop --------------------------------------------------------------------- */

static void hint(struct keeper *k, pid_t pid)
{
	if (k->hints_n < HINTS_MAX)
		k->hints[k->hints_n++] = pid;
	if (!k->sweep) {
		k->sweep = true;
		k->sweep_at = keeper_now() + SWEEP_AFTER_MS;
	}
}

static void read_signals(struct keeper *k)
{
	struct signalfd_siginfo info;

	while (read(k->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		if (info.ssi_signo == SIGCHLD)
			hint(k, (pid_t)info.ssi_pid);
		else if (info.ssi_signo == SIGUSR2)
			k->reexec_asked = true;
		else if (info.ssi_signo < 64)
			k->pending_signals |= 1ULL << info.ssi_signo;
	}
}

static void forward_signals(struct keeper *k)
{
	for (int signo = 1; k->pending_signals && signo < 64; signo++) {
		struct wire_message m = { .type = WIRE_SIGNAL, .value = signo };

		if ((k->pending_signals & (1ULL << signo)) && keeper_send(k, &m, MSG_DONTWAIT, NULL, 0) == 0) {
			k->pending_signals &= ~(1ULL << signo);
			k->told_signals |= 1ULL << signo;
		}
	}
}

static int poll_timeout(const struct keeper *k)
{
	int64_t due = life_due(k);
	int64_t left;

	if (k->server && k->sock >= 0 && k->sweep && !k->told)
		due = MIN(due, k->sweep_at);
	if (k->checker)
		due = MIN(due, k->checker_until);
	left = due - keeper_now();

	return left < 0 ? 0 : (int)left;
}

/* One at a time, and not while a new server may have to be put back: the checks share nothing, but people do. */
static void see_to_reexec(struct keeper *k)
{
	if (k->reexec_asked && !k->checker) {
		k->reexec_asked = false;
		reexec_begin(k);
	}
	if (k->checker)
		reexec_look(k);
}

static int run(struct keeper *k)
{
	int code;

	for (;;) {
		struct pollfd fds[2];

		if (!k->server && keeper_now() >= k->start_at)
			life_start(k);
		fds[0] = (struct pollfd){ .fd = k->signal_fd, .events = POLLIN };
		/* only a full socket leaves something unsent; then wait for room as well */
		fds[1] = (struct pollfd){ .fd = k->sock,
					  .events = (short)(POLLIN | (k->pending_signals ? POLLOUT : 0)) };
		if (poll(fds, 2, poll_timeout(k)) < 0 && errno != EINTR)
			diag(DIAG_ERROR, "keeper: poll: %s", strerror(errno));
		if (fds[0].revents)
			read_signals(k);
		if (life_ended(k, &code))
			return code;
		if (k->sock >= 0 && fds[1].revents && !keeper_read(k))
			life_let_end(k);
		tell_exit(k);
		forward_signals(k);
		life_kill_if_hung(k);
		programs_settle(k);
		see_to_reexec(k);
	}
}

static int block_signals(struct keeper *k, struct error *err)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGUSR2);
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

int keeper_run(const char *self, int table, char *const argv[], struct error *err)
{
	static struct keeper k = { .sock = -1, .next_self = -1, .program.fd = -1, .candidate.fd = -1, .previous.fd = -1 };
	int r;

	k.argv = argv;
	k.self = self;
	k.slots = mmap(NULL, SLOTS_MAX * sizeof(struct slot), PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (k.slots == MAP_FAILED)
		return error_set(err, errno, "memory for the descriptor table: %s", strerror(errno));
	if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
		return error_set(err, errno, "becoming subreaper: %s", strerror(errno));
	r = block_signals(&k, err);
	if (r == 0 && table >= 0)
		r = reexec_restore(&k, table, err);
	if (r < 0)
		return r;
	if (table < 0)
		programs_init(&k);
	raise_descriptor_limit();
	(void)prctl(PR_SET_NAME, "zinit-keeper");
	return run(&k);
}
