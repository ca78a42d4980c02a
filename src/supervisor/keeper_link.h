/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server's end of the socket to the keeper (keeper/wire.h): what it held for us, what we give it to hold, exits and
 * signals that it reports, and the heartbeat. Sends may block for the moment that the keeper, which never waits for us,
 * needs to read.
 */
#ifndef SUPERVISOR_KEEPER_LINK_H
#define SUPERVISOR_KEEPER_LINK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/limits.h"
#include "keeper/wire.h"

struct keeper_link;
struct loop;

#define KEEPER_NO_SLOT UINT32_MAX

struct keeper_link_callbacks {
	/** A child ended: `code` is CLD_EXITED, CLD_KILLED or CLD_DUMPED, `status` its exit code or signal. Answer with keeper_link_reap() once it is on record. */
	void (*on_exited)(pid_t pid, int code, int status, void *data);
	/** The keeper got this signal. */
	void (*on_signal)(int signo, void *data);
	/** The keeper is gone; nothing more will come. */
	void (*on_lost)(void *data);
	void *data;
};

/** What the keeper held for an earlier server. */
struct kept {
	uint32_t slot;
	char key[LIMIT_KEEPER_KEY];
	int fds[FD_MESSAGE_MAX]; /* -1: none; taken ones are set to -1 by the taker */
};

/**
 * Read what the keeper hands over (blocks until it is complete), then watch the socket. Takes `fd` over, on failure too.
 * Returns 0, or negative errno with `err`: -ENOMEM, -EPIPE (no keeper at the other end), -EPROTO.
 */
int keeper_link_open(struct loop *loop, int fd, const struct keeper_link_callbacks *callbacks, struct keeper_link **out,
		     struct error *err);
/** Close the socket and what was handed over and not taken. NULL is fine. */
void keeper_link_free(struct keeper_link *link);

/** Servers that ran before this one under the same keeper. */
int keeper_link_generation(const struct keeper_link *link);
/** What the keeper said of itself and of the last upgrade when we began. */
struct keeper_news {
	int version;               /* its WIRE_VERSION; 0: before there was one to tell */
	enum wire_outcome outcome; /* of the upgrade that brought us here, or that failed and brought us back */
	int detail;                /* exit code or signal of a program that failed */
	char note[LIMIT_KEEPER_KEY];
};
const struct keeper_news *keeper_link_news(const struct keeper_link *link);
/** The i-th object that was handed over, or NULL past the last. The caller may take its descriptors. */
struct kept *keeper_link_kept(struct keeper_link *link, size_t i);
/** Drop the objects that were taken, and those that were forgotten, from the list. */
void keeper_link_tidy_kept(struct keeper_link *link);

/** Tell the keeper that we have taken over and work; starts the heartbeat. */
int keeper_link_ready(struct keeper_link *link);
/**
 * Have the keeper hold `n` descriptors under `key`. *slot: KEEPER_NO_SLOT for a new object (it is set), else the one to
 * replace. Returns 0 or negative errno (-ENOSPC, -ENOMEM, or of the socket); the descriptors stay ours too.
 */
int keeper_link_keep(struct keeper_link *link, uint32_t *slot, const char *key, const int *fds, size_t n);
/** Let go of a slot; *slot becomes KEEPER_NO_SLOT, which is fine to pass too. */
void keeper_link_forget(struct keeper_link *link, uint32_t *slot);
void keeper_link_reap(struct keeper_link *link, pid_t pid);
/** Announce that this server is about to end for good, with this exit code. */
void keeper_link_done(struct keeper_link *link, int code);
/**
 * When we end, have the keeper start the program that `fd` is, and us again if it is not ready within `ms`. `note` is told to
 * whoever begins next. Returns 0 or negative errno.
 */
int keeper_link_upgrade(struct keeper_link *link, int fd, unsigned int ms, const char *note);

#endif
