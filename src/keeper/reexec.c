/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: SIGUSR2: the keeper becomes what is at its own path by then. The pid stays, so all children do; descriptors stay open
 * over execve(2); the rest goes through a table in a memfd. The new program is asked first ("--check VERSION") whether it
 * can read that table; if it can't after all, it executes the old one again, by descriptor, with the same table.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/diag.h"
#include "base/mem.h"
#include "base/program.h"
#include "keeper/internal.h"
#include "keeper/keeper.h"

#define TABLE_MAGIC 0x4b504554U /* "TEPK" */
#define CHECK_MS 5000
#define PROGRAMS 3

struct table_program {
	int32_t fd;
	char path[PATH_MAX];
};

/* Fields are added at the end alone; sizes tell how much of it the writer knew. */
struct table_head {
	uint32_t magic;
	uint32_t version;
	uint32_t head_size;
	uint32_t entry_size;
	uint32_t entries;
	int32_t server, sock;
	uint8_t ready, ever_ready, done, outcome;
	int32_t done_code, servers, short_lives, told, outcome_detail;
	int64_t alive_at, start_at, retry_ms, ready_at, trial_ms, trial_until;
	uint64_t pending_signals, told_signals;
	char note[LIMIT_KEEPER_KEY];
	struct table_program programs[PROGRAMS]; /* program, candidate, previous */
};

struct table_entry {
	uint32_t slot;
	char key[LIMIT_KEEPER_KEY];
	int32_t fds[FD_MESSAGE_MAX];
};

/* --- the table -------------------------------------------------------------------------------- */

static void put_program(struct table_program *to, const struct program *from)
{
	to->fd = from->fd;
	memcpy(to->path, from->path, sizeof(to->path));
}

static void take_program(struct program *to, const struct table_program *from)
{
	to->fd = from->fd;
	memcpy(to->path, from->path, sizeof(to->path));
	to->path[sizeof(to->path) - 1] = '\0';
}

static void fill_head(const struct keeper *k, struct table_head *h)
{
	*h = (struct table_head){
		.magic = TABLE_MAGIC,
		.version = KEEPER_TABLE_VERSION,
		.head_size = sizeof(*h),
		.entry_size = sizeof(struct table_entry),
		.server = k->server, .sock = k->sock,
		.ready = k->ready, .ever_ready = k->ever_ready, .done = k->done, .outcome = (uint8_t)k->outcome,
		.done_code = k->done_code, .servers = k->servers, .short_lives = k->short_lives, .told = k->told,
		.outcome_detail = k->outcome_detail,
		.alive_at = k->alive_at, .start_at = k->start_at, .retry_ms = k->retry_ms, .ready_at = k->ready_at,
		.trial_ms = k->trial_ms, .trial_until = k->trial_until,
		.pending_signals = k->pending_signals, .told_signals = k->told_signals,
	};
	memcpy(h->note, k->note, sizeof(h->note));
	put_program(&h->programs[0], &k->program);
	put_program(&h->programs[1], &k->candidate);
	put_program(&h->programs[2], &k->previous);
}

/* The head is written last: a table without one is none. */
static int write_table(const struct keeper *k, int fd)
{
	static struct table_head head;
	off_t at = sizeof(head);

	fill_head(k, &head);
	for (uint32_t i = 0; i < k->slots_end; i++) {
		struct table_entry entry = { .slot = i };

		if (!k->slots[i].used)
			continue;
		memcpy(entry.key, k->slots[i].key, sizeof(entry.key));
		memcpy(entry.fds, k->slots[i].fds, sizeof(entry.fds));
		if (pwrite(fd, &entry, sizeof(entry), at) != (ssize_t)sizeof(entry))
			return -EIO;
		at += (off_t)sizeof(entry);
		head.entries++;
	}
	return pwrite(fd, &head, sizeof(head), 0) == (ssize_t)sizeof(head) ? 0 : -EIO;
}

/* What the writer did not know is zero. Returns 0 or negative errno. */
static int read_part(int fd, void *to, size_t size, uint32_t written, off_t at)
{
	size_t n = MIN(size, (size_t)written);

	memset(to, 0, size);
	return pread(fd, to, n, at) == (ssize_t)n ? 0 : -EPROTO;
}

static int read_head(int fd, struct table_head *h, struct error *err)
{
	if (pread(fd, h, offsetof(struct table_head, entries), 0) != (ssize_t)offsetof(struct table_head, entries) ||
	    h->magic != TABLE_MAGIC)
		return error_set(err, EPROTO, "what the earlier keeper left is not a table");
	if (read_part(fd, h, sizeof(*h), h->head_size, 0) < 0 || h->entries > SLOTS_MAX)
		return error_set(err, EPROTO, "the table of the earlier keeper is cut off");
	return 0;
}

static int read_entry(struct keeper *k, int fd, const struct table_head *h, uint32_t i)
{
	struct table_entry entry;
	off_t at = (off_t)h->head_size + (off_t)i * h->entry_size;

	if (read_part(fd, &entry, sizeof(entry), h->entry_size, at) < 0 || entry.slot >= SLOTS_MAX)
		return -EPROTO;
	k->slots[entry.slot].used = true;
	memcpy(k->slots[entry.slot].key, entry.key, sizeof(entry.key));
	memcpy(k->slots[entry.slot].fds, entry.fds, sizeof(entry.fds));
	k->slots_end = MAX((size_t)entry.slot + 1, k->slots_end);
	return 0;
}

/* --- descriptors ------------------------------------------------------------------------------ */

static void pass_on(const int *fds, size_t n, bool on)
{
	for (size_t i = 0; i < n; i++) {
		if (fds[i] >= 0)
			(void)fd_set_cloexec(fds[i], !on);
	}
}

static void pass_all_on(const struct keeper *k, bool on)
{
	const int own[] = { k->sock, k->program.fd, k->candidate.fd, k->previous.fd };

	pass_on(own, ARRAY_LEN(own), on);
	for (size_t i = 0; i < k->slots_end; i++) {
		if (k->slots[i].used)
			pass_on(k->slots[i].fds, FD_MESSAGE_MAX, on);
	}
}

int reexec_restore(struct keeper *k, int table, struct error *err)
{
	static struct table_head h;
	int r = read_head(table, &h, err);

	for (uint32_t i = 0; r == 0 && i < h.entries; i++) {
		if (read_entry(k, table, &h, i) < 0)
			r = error_set(err, EPROTO, "entry %u of the table of the earlier keeper makes no sense", i);
	}
	if (r < 0)
		return r;
	k->server = h.server;
	k->sock = h.sock;
	k->ready = h.ready;
	k->ever_ready = h.ever_ready;
	k->done = h.done;
	k->done_code = h.done_code;
	k->servers = h.servers;
	k->alive_at = h.alive_at;
	k->start_at = h.start_at;
	k->retry_ms = h.retry_ms;
	k->ready_at = h.ready_at;
	k->short_lives = h.short_lives;
	k->told = h.told;
	k->pending_signals = h.pending_signals;
	k->told_signals = h.told_signals;
	k->trial_ms = h.trial_ms;
	k->trial_until = h.trial_until;
	k->outcome = (enum wire_outcome)h.outcome;
	k->outcome_detail = h.outcome_detail;
	memcpy(k->note, h.note, sizeof(k->note));
	take_program(&k->program, &h.programs[0]);
	take_program(&k->candidate, &h.programs[1]);
	take_program(&k->previous, &h.programs[2]);
	k->sweep = true; /* who ended meanwhile, and whom a hint named */
	pass_all_on(k, false);
	(void)close(table);
	diag(DIAG_INFO, "keeper: executed anew, with %u held objects", h.entries);
	return 0;
}

/* --- becoming another one --------------------------------------------------------------------- */

static void become(struct keeper *k)
{
	char table_text[16];
	char old_text[16];
	char *argv[ARGS_MAX + 8] = { (char *)(uintptr_t)k->self, (char[]){ "--resume" }, table_text, old_text, (char[]){ "--" } };
	size_t n = 5;
	int table = memfd_create("zinit-keeper", 0);
	int old = open("/proc/self/exe", O_PATH); /* passed on: the way back */
	int r = table < 0 ? -errno : write_table(k, table);

	(void)snprintf(table_text, sizeof(table_text), "%d", table);
	(void)snprintf(old_text, sizeof(old_text), "%d", old);
	for (size_t i = 0; k->argv[i] && n < ARRAY_LEN(argv) - 1; i++)
		argv[n++] = k->argv[i];
	if (r == 0) {
		pass_all_on(k, true);
		r = program_exec(k->next_self, argv);
		pass_all_on(k, false);
	}
	diag(DIAG_ERROR, "keeper: executing '%s': %s; the old one goes on", k->self, strerror(-r));
	auto_close(&table);
	auto_close(&old);
}

static void give_up(struct keeper *k, const char *why)
{
	diag(DIAG_ERROR, "keeper: '%s' does not take over: %s; the old one goes on", k->self, why);
	auto_close(&k->next_self);
	k->next_self = -1;
}

static void run_check(int program)
{
	char version[16];
	char *argv[] = { (char[]){ "zinit-keeper" }, (char[]){ "--check" }, version, NULL };
	sigset_t none;

	(void)snprintf(version, sizeof(version), "%d", KEEPER_TABLE_VERSION);
	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)program_exec(program, argv);
	_exit(127);
}

void reexec_begin(struct keeper *k)
{
	struct error err;

	k->next_self = open(k->self, O_PATH | O_CLOEXEC);
	if (k->next_self < 0) {
		give_up(k, strerror(errno));
		return;
	}
	if (program_check(k->next_self, &err) < 0) {
		give_up(k, err.msg);
		return;
	}
	k->checker = fork();
	if (k->checker == 0)
		run_check(k->next_self);
	if (k->checker < 0) {
		k->checker = 0;
		give_up(k, strerror(errno));
		return;
	}
	k->checker_until = keeper_now() + CHECK_MS;
}

void reexec_look(struct keeper *k)
{
	siginfo_t info;

	if (!keeper_peek(P_PID, k->checker, &info)) {
		if (keeper_now() >= k->checker_until) {
			(void)kill(k->checker, SIGKILL);
			k->checker_until = keeper_now() + CHECK_MS; /* its end is told by SIGCHLD */
		}
		return;
	}
	(void)waitid(P_PID, (id_t)k->checker, &info, WEXITED | WNOHANG);
	k->checker = 0;
	if (info.si_code != CLD_EXITED || info.si_status != 0) {
		give_up(k, info.si_code == CLD_EXITED ? "it says that it can't" : "a signal ended its check");
		return;
	}
	become(k);
	auto_close(&k->next_self);
	k->next_self = -1;
}
