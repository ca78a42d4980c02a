/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a service says about itself by sd_notify(3): datagrams of "KEY=value" lines on the socket that NOTIFY_SOCKET names.
 * The kernel vouches for who sent each; whether that one may speak for the service is the caller's affair.
 */
#ifndef PROCESS_NOTIFY_H
#define PROCESS_NOTIFY_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/time.h"

/* A longer datagram is refused whole: half a message could mean anything. systemd has the same limit. */
#define NOTIFY_MESSAGE_MAX 4096
#define NOTIFY_STATUS_SIZE 128

struct notify_message {
	pid_t pid; /* of the sender, as the kernel says; 0: of a foreign pid namespace */
	uid_t uid;
	bool ready, reloading, stopping;
	bool watchdog;          /* WATCHDOG=1 */
	bool watchdog_trigger;  /* WATCHDOG=trigger */
	bool has_status;
	char status[NOTIFY_STATUS_SIZE]; /* cut; control characters are blanks */
	pid_t main_pid;         /* MAINPID; 0: not said */
	usec_t watchdog_usec;   /* WATCHDOG_USEC; 0: not said */
	usec_t extend_usec;     /* EXTEND_TIMEOUT_USEC; 0: not said */
};

/** Make the socket at `path`, replacing what is there, writable for every user. Returns the descriptor or negative errno. */
int notify_open(const char *path);
/**
 * Take the next message; descriptors that came with it are closed (BARRIER=1 waits for that).
 * Returns 1; 0: there is none; -EMSGSIZE: it was too long and is gone; other negative errno: of recvmsg(2).
 */
int notify_receive(int fd, struct notify_message *out);
/** Understand a text of `len` bytes. Unknown keys and bad values are left out; pid and uid are untouched. */
void notify_parse(const char *text, size_t len, struct notify_message *out);

#endif
