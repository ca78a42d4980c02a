/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The messages between keeper and server: fixed-size datagrams on a SOCK_SEQPACKET socket pair, one pair per server
 * process. A server that dies leaves its last messages in the socket; the keeper reads them to the end before it starts
 * the next, so what was sent has happened.
 *
 * Start of a server: the keeper sends one WIRE_KEPT for each slot in use, then WIRE_BEGIN, then what comes.
 * An exit: keeper WIRE_EXITED(pid) → server commits it to its state record → WIRE_REAP(pid). Until then the zombie is the
 * record, and its pid and process group can't be recycled.
 */
#ifndef KEEPER_WIRE_H
#define KEEPER_WIRE_H

#include <stdint.h>

#include "base/fd.h"
#include "base/limits.h"

#define WIRE_VERSION 2

enum wire_type {
	/* server → keeper */
	WIRE_READY = 1, /* `value`: WIRE_VERSION. The server has taken over and works. */
	WIRE_KEEP,      /* `slot`, `key`, descriptors: hold them; replaces what the slot held */
	WIRE_FORGET,    /* `slot`: close what it holds */
	WIRE_REAP,      /* `pid` */
	WIRE_HEARTBEAT,
	WIRE_DONE, /* `value`: exit code. When the server ends now, the keeper ends with this code. */
	WIRE_SIGNALLED, /* `value`: a WIRE_SIGNAL that was dealt with; until then the next server is told of it again */
	WIRE_UPGRADE,   /* one descriptor: the program of the next server, which has `value` ms to get ready; `key`: a note
			 * for whoever is started next. When this server ends, that program is started; if it fails,
			 * this server's own again. */
	/* keeper → server */
	WIRE_KEPT = 64, /* `slot`, `key`, descriptors */
	WIRE_BEGIN,     /* `value`: how many servers there were before this one; `code`: the keeper's WIRE_VERSION (0: the
			 * first); `slot`: enum wire_outcome, `pid`: its detail, `key`: the note of the upgrade */
	WIRE_EXITED,    /* `pid`, `code`: CLD_EXITED, CLD_KILLED or CLD_DUMPED, `value`: exit code or signal (waitid(2)) */
	WIRE_SIGNAL,    /* `value`: a signal that the keeper got */
};

/* What became of the last WIRE_UPGRADE. Told to each server until one is ready. */
enum wire_outcome {
	WIRE_NO_UPGRADE,
	WIRE_TRIED,    /* you are the new program */
	WIRE_EXIT,     /* put back: it ended by itself; detail: exit code */
	WIRE_KILLED,   /* put back: a signal ended it; detail: its number */
	WIRE_TOO_LATE, /* put back: it was not ready in time */
	WIRE_OUTCOME_N
};

struct wire_message {
	uint32_t type; /* enum wire_type */
	uint32_t slot;
	int32_t pid;
	int32_t code;
	int32_t value;
	char key[LIMIT_KEEPER_KEY];
};

/** Without a heartbeat for this long the server counts as hung and is killed; it sends one every WIRE_HEARTBEAT_MS. */
#define WIRE_HUNG_MS 20000
#define WIRE_HEARTBEAT_MS 5000

/** A new program that was ready and ends by itself, or by a signal other than SIGKILL, within this time is put back. */
#define WIRE_PROBATION_MS 10000
/** The longest time that a WIRE_UPGRADE may give. */
#define WIRE_TRIAL_MAX_MS 60000

#endif
