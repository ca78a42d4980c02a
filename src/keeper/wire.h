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

#define WIRE_VERSION 1

enum wire_type {
	/* server → keeper */
	WIRE_READY = 1, /* `value`: WIRE_VERSION. The server has taken over and works. */
	WIRE_KEEP,      /* `slot`, `key`, descriptors: hold them; replaces what the slot held */
	WIRE_FORGET,    /* `slot`: close what it holds */
	WIRE_REAP,      /* `pid` */
	WIRE_HEARTBEAT,
	WIRE_DONE, /* `value`: exit code. When the server ends now, the keeper ends with this code. */
	WIRE_SIGNALLED, /* `value`: a WIRE_SIGNAL that was dealt with; until then the next server is told of it again */
	/* keeper → server */
	WIRE_KEPT = 64, /* `slot`, `key`, descriptors */
	WIRE_BEGIN,     /* `value`: how many servers there were before this one */
	WIRE_EXITED,    /* `pid`, `code`: CLD_EXITED, CLD_KILLED or CLD_DUMPED, `value`: exit code or signal (waitid(2)) */
	WIRE_SIGNAL,    /* `value`: a signal that the keeper got */
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

#endif
