/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Descriptors: whole reads and writes, flags, passing them between processes.
 * Every descriptor that this project makes is close-on-exec from birth.
 */
#ifndef BASE_FD_H
#define BASE_FD_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/str.h"

/** Write all of `len` bytes; EINTR is retried, EAGAIN is an error. Returns 0 or negative errno. */
int fd_write_all(int fd, const void *data, size_t len);
/** Make a directory with `mode`, and what is missing above it with 0755. Returns 0, also if it is there, or negative errno. */
int fd_make_dirs(const char *path, mode_t mode);
/** Set or clear O_NONBLOCK. Returns 0 or negative errno. */
int fd_set_nonblock(int fd, bool on);
/**
 * Lock byte `at` of a file that is open for writing. The lock belongs to the open file, whoever holds a descriptor of it, and
 * goes with the last of them. Does not wait. Returns 0, -EBUSY: somebody else has it, or another negative errno.
 */
int fd_lock_byte(int fd, off_t at);
/** Set or clear FD_CLOEXEC. Returns 0 or negative errno. */
int fd_set_cloexec(int fd, bool on);
/**
 * Read a whole file into `out` (its `max` bounds it). Returns 0, -EFBIG over the bound, or another negative errno.
 * For small regular files and /proc; a FIFO or device would block, so it is refused with -EINVAL.
 */
int fd_read_file(const char *path, struct strbuf *out);
/**
 * Replace `path` atomically: write to a temporary file beside it, fsync, rename, fsync the directory.
 * Returns 0 or negative errno with `err` filled; the old file is then intact.
 */
int fd_write_file_atomic(const char *path, const void *data, size_t len, mode_t mode, struct error *err);

/* Most descriptors that are sent in one message; the kernel's own limit is 253 (SCM_MAX_FD). */
#define FD_SEND_MAX 128
/* Most that fd_receive_message() takes. */
#define FD_MESSAGE_MAX 4

/**
 * Send one datagram with `n` (0..FD_SEND_MAX) descriptors on a unix socket (SOCK_SEQPACKET), without SIGPIPE.
 * `flags`: those of sendmsg(2), e.g. MSG_DONTWAIT.
 * Returns 0 or negative errno (-EAGAIN on a full non-blocking socket). The descriptors stay the caller's.
 */
int fd_send_message(int sock, const void *data, size_t len, int flags, const int *fds, size_t n);
/**
 * Receive one datagram of at most `size` bytes and up to FD_MESSAGE_MAX descriptors (close-on-exec) into `fds`, unused
 * places set to -1. `flags`: those of recvmsg(2), e.g. MSG_DONTWAIT. Returns the length, 0 at end of file, or negative
 * errno. -EMSGSIZE: it did not fit; all that came was closed.
 */
ssize_t fd_receive_message(int sock, void *data, size_t size, int flags, int fds[FD_MESSAGE_MAX]);

#endif
