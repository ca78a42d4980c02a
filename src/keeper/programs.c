/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: which program the server is: the one that runs, the one that is to take its place, and the one that is put back if
 * that fails. A new program is on trial until it is ready, and on probation for WIRE_PROBATION_MS from then.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/diag.h"
#include "base/mem.h"
#include "base/program.h"
#include "base/str.h"
#include "keeper/internal.h"

/* Leaves `from` empty. */
static void move(struct program *to, struct program *from)
{
	auto_close(&to->fd);
	*to = *from;
	from->fd = -1;
}

void programs_init(struct keeper *k)
{
	(void)str_copy(k->program.path, sizeof(k->program.path), k->argv[0]);
	k->program.fd = open(k->program.path, O_PATH | O_CLOEXEC);
	k->candidate.fd = k->previous.fd = -1;
}

/* Its path is for people, and for an upgrade to what the path leads to then. Without /proc it keeps the old one. */
static void find_path(struct program *p, const struct program *old)
{
	char link[32];
	ssize_t n;

	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", p->fd);
	n = readlink(link, p->path, sizeof(p->path));
	if (n <= 0 || n >= (ssize_t)sizeof(p->path))
		memcpy(p->path, old->path, sizeof(p->path));
	else
		p->path[n] = '\0';
}

void programs_offer(struct keeper *k, const struct wire_message *m, int *fds)
{
	if (fds[0] < 0) {
		diag(DIAG_ERROR, "keeper: an upgrade without a program");
		return;
	}
	auto_close(&k->candidate.fd);
	k->candidate.fd = fds[0];
	fds[0] = -1;
	find_path(&k->candidate, &k->program);
	k->trial_ms = m->value < 0 ? 0 : MIN(m->value, WIRE_TRIAL_MAX_MS);
	memcpy(k->note, m->key, sizeof(k->note));
}

bool programs_switch(struct keeper *k)
{
	if (k->candidate.fd < 0)
		return false;
	/* a program that had only a path is not put back: it runs on under its name */
	move(&k->previous, &k->program);
	move(&k->program, &k->candidate);
	k->outcome = WIRE_TRIED;
	return true;
}

/* Somebody's SIGKILL says nothing about the program; that of our own clock does, while it is on trial. */
static bool is_its_own_fault(const struct keeper *k, const siginfo_t *info)
{
	return !k->ready || info->si_code == CLD_EXITED || info->si_status != SIGKILL;
}

bool programs_put_back(struct keeper *k, const siginfo_t *info)
{
	programs_settle(k);
	if (k->previous.fd < 0 || !is_its_own_fault(k, info))
		return false;
	if (k->outcome != WIRE_TOO_LATE)
		k->outcome = info->si_code == CLD_EXITED ? WIRE_EXIT : WIRE_KILLED;
	k->outcome_detail = info->si_status;
	diag(DIAG_ERROR, "keeper: the new server '%s' failed (%s %d): '%s' is put back", k->program.path,
	     info->si_code == CLD_EXITED ? "exit code" : "signal", info->si_status, k->previous.path);
	move(&k->program, &k->previous);
	return true;
}

void programs_ready(struct keeper *k)
{
	k->outcome = WIRE_NO_UPGRADE;
	k->outcome_detail = 0;
}

void programs_settle(struct keeper *k)
{
	if (k->previous.fd >= 0 && k->ready && keeper_now() - k->ready_at >= WIRE_PROBATION_MS) {
		auto_close(&k->previous.fd);
		k->previous.fd = -1;
	}
}

void programs_exec(const struct keeper *k, int fd, char *const argv[])
{
	/* a script can't be read by its interpreter from a descriptor that is closed by then (ENOENT): by its path */
	if (fd < 0 || program_exec(fd, argv) == -ENOENT)
		(void)execv(k->program.path, argv);
}
