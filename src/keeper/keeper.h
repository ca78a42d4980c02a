/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keeper: parent of the server and of all services. It holds what must outlive the server: the zombies that it has
 * not reaped, and descriptors (log pipes, rings, state, listening sockets). It starts the server, again whenever it
 * dies or hangs, another program in its place when told so, and passes signals on. It knows nothing of services. On SIGUSR2 it
 * turns itself into what is at its own path by then, with all that it holds.
 *
 * It stands on base/ alone, allocates nothing after its start, and has no way to fail once it runs.
 */
#ifndef KEEPER_KEEPER_H
#define KEEPER_KEEPER_H

#include "base/error.h"

/** Layout of what a keeper leaves to the one that takes its place (reexec.c). Both read what the other writes. */
#define KEEPER_TABLE_VERSION 1

/**
 * Become subreaper, start `argv` (argv[0]: path of the server; "--brain FD" is put after it) and keep it until it ends
 * for good. `self`: path of the keeper's own program, for SIGUSR2. `table`: what an earlier keeper left, or -1.
 *
 * Returns the exit code to end with: the one the server announced (WIRE_DONE), or, if the very first server ends before
 * it was ever ready, that server's own. Returns negative errno with `err` filled if keeping can't begin; then what an
 * earlier keeper left is as it was.
 */
int keeper_run(const char *self, int table, char *const argv[], struct error *err);

#endif
