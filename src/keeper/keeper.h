/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keeper: parent of the server and of all services. It holds what must outlive the server: the zombies that it has
 * not reaped, and descriptors (log pipes, rings, state, listening sockets). It starts the server, again whenever it
 * dies or hangs, and passes signals on. It knows nothing of services.
 *
 * It stands on base/ alone, allocates nothing after its start, and has no way to fail once it runs.
 */
#ifndef KEEPER_KEEPER_H
#define KEEPER_KEEPER_H

#include "base/error.h"

/**
 * Become subreaper, start `argv` (argv[0]: path of the server; "--brain FD" is put after it) and keep it until it ends
 * for good.
 *
 * Returns the exit code to end with: the one the server announced (WIRE_DONE), or, if the very first server ends before
 * it was ever ready, that server's own. Returns negative errno with `err` filled if keeping can't begin.
 */
int keeper_run(char *const argv[], struct error *err);

#endif
