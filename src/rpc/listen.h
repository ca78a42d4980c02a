/* SPDX-License-Identifier: Apache-2.0 */
/* The listening unix socket: made safely, refused with a sentence when that is not possible. */
#ifndef RPC_LISTEN_H
#define RPC_LISTEN_H

#include <sys/types.h>

#include "base/error.h"

/**
 * Listen on `path`, with file mode `mode` and group `gid` ((gid_t)-1: leave it), whatever the umask is: at no
 * instant is the socket open to more than `mode` allows.
 *
 * A socket file that nobody listens on is replaced. Returns the descriptor (non-blocking, the caller's), or negative errno
 * with `err` filled: -EADDRINUSE a server answers there, and it is left alone; -ENAMETOOLONG; -EEXIST something that is no
 * socket is there; -ENOENT, -EACCES, … the directory does not allow it.
 */
int rpc_listen(const char *path, mode_t mode, gid_t gid, struct error *err);

/** Remove the socket file, if it is still the one that `fd` listens on; others are left alone. */
void rpc_unlisten(int fd, const char *path);

#endif
