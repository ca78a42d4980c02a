/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the files of this folder alone: the keeper's object. It has no memory but this and the slots. */
#ifndef KEEPER_INTERNAL_H
#define KEEPER_INTERNAL_H

#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/wait.h>

#include "base/error.h"
#include "keeper/wire.h"

/* Slots are virtual memory until they are used; the most that descriptors can fill with one slot a service. */
#define SLOTS_MAX (1U << 18)
#define ARGS_MAX 64
#define HINTS_MAX 64

struct slot {
	bool used;
	char key[LIMIT_KEEPER_KEY];
	int fds[FD_MESSAGE_MAX];
};

/* A program by its descriptor: what its name leads to may be replaced or removed while we run. */
struct program {
	int fd; /* -1: none, or (the server's first) not to be opened: then by its path */
	char path[PATH_MAX];
};

struct keeper {
	char *const *argv; /* the server's, argv[0] aside */
	const char *self;  /* path of the keeper's own program */
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

	struct program program;   /* what runs, or is started next */
	struct program candidate; /* to run when this server ends; fd -1: none */
	struct program previous;  /* to be put back if the program fails; fd -1: the program is no new one */
	int64_t trial_ms;         /* how long the candidate may take to get ready */
	int64_t trial_until;      /* of a program that is tried and not ready yet */
	enum wire_outcome outcome;
	int outcome_detail;
	char note[LIMIT_KEEPER_KEY];

	bool reexec_asked;
	pid_t checker;            /* a new keeper that says whether it can take over; 0: none */
	int64_t checker_until;
	int next_self;            /* its program */
};

/* keeper.c */
/** CLOCK_MONOTONIC stands still in suspend, as the server does: waking up is not "hung". */
int64_t keeper_now(void);
/** Has this child ended? Fills `info` and leaves it a zombie. */
bool keeper_peek(idtype_t type, pid_t pid, siginfo_t *info);
/** Negative errno if it can't be sent at once (with MSG_DONTWAIT), or there is no server. */
int keeper_send(const struct keeper *k, const struct wire_message *m, int flags, const int *fds, size_t n);
/** Read what the server sent. Returns false at the end of the stream. */
bool keeper_read(struct keeper *k);

/* slots.c */
void slots_keep(struct keeper *k, const struct wire_message *m, int *fds);
void slots_forget(struct keeper *k, uint32_t at);
/** Send all of them to a server that begins. Returns false if it is gone already. */
bool slots_hand_over(const struct keeper *k);
void slots_close(int *fds);

/* programs.c */
/** Open the server's first program. One that can't be opened is executed by its path. */
void programs_init(struct keeper *k);
/** WIRE_UPGRADE. Takes fds[0]. */
void programs_offer(struct keeper *k, const struct wire_message *m, int *fds);
/** The server ended without having announced it: is it the candidate's turn? */
bool programs_switch(struct keeper *k);
/** The server ended as `info` says, on trial or on probation: is its predecessor to be put back? */
bool programs_put_back(struct keeper *k, const siginfo_t *info);
/** The server is ready. */
void programs_ready(struct keeper *k);
/** Let go of the predecessor when probation is over. */
void programs_settle(struct keeper *k);
/** Execute the server's program by `fd`, or by its path if that is -1 or it is a script; returns only if that fails, with errno set. */
void programs_exec(const struct keeper *k, int fd, char *const argv[]);

/* life.c: the server's life */
void life_start(struct keeper *k);
/** Sees to the server's end, if it has ended. Returns true and the code when the keeper has to end too. */
bool life_ended(struct keeper *k, int *out_code);
void life_kill_if_hung(struct keeper *k);
/** A server that closed its end is about to leave: it still writes out its logs, and has an exit code to tell. */
void life_let_end(struct keeper *k);
/** When life_start() or life_kill_if_hung() have something to do. */
int64_t life_due(const struct keeper *k);

/* reexec.c: the keeper turns itself into another keeper */
/** SIGUSR2 came: begin to check what is at our path now. */
void reexec_begin(struct keeper *k);
/** See to the end, or the lateness, of the check. Does not return if the new keeper takes over. */
void reexec_look(struct keeper *k);
/** Take over what an earlier keeper left in `table`. Returns 0, or negative errno with `err` filled: nothing was changed. */
int reexec_restore(struct keeper *k, int table, struct error *err);

#endif
