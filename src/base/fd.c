/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: whole reads and writes of files, directories, descriptor flags and descriptor passing. */
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"

#define READ_CHUNK 4096

int fd_write_all(int fd, const void *data, size_t len)
{
	const char *p = data;

	while (len > 0) {
		ssize_t n = write(fd, p, len);

		if (n < 0) {
			if (errno == EINTR)
				continue;
			return -errno;
		}
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

int fd_make_dirs(const char *path, mode_t mode)
{
	char partial[PATH_MAX];

	if (!path[0])
		return -ENOENT;
	if (!str_copy(partial, sizeof(partial), path))
		return -ENAMETOOLONG;
	for (char *p = partial + 1; *p; p++) {
		if (*p != '/')
			continue;
		*p = '\0';
		if (mkdir(partial, 0755) < 0 && errno != EEXIST)
			return -errno;
		*p = '/';
	}
	return mkdir(partial, mode) < 0 && errno != EEXIST ? -errno : 0;
}

static int set_flag(int fd, int get, int set, int flag, bool on)
{
	int flags = fcntl(fd, get);
	int wanted = on ? flags | flag : flags & ~flag;

	if (flags < 0 || (wanted != flags && fcntl(fd, set, wanted) < 0))
		return -errno;
	return 0;
}

int fd_set_nonblock(int fd, bool on)
{
	return set_flag(fd, F_GETFL, F_SETFL, O_NONBLOCK, on);
}

int fd_lock_byte(int fd, off_t at)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = at, .l_len = 1 };

	if (fcntl(fd, F_OFD_SETLK, &lock) == 0)
		return 0;
	return errno == EAGAIN || errno == EACCES ? -EBUSY : -errno;
}

int fd_set_cloexec(int fd, bool on)
{
	return set_flag(fd, F_GETFD, F_SETFD, FD_CLOEXEC, on);
}

static int read_to_end(int fd, struct strbuf *out)
{
	for (;;) {
		size_t room = MIN((size_t)READ_CHUNK, out->max - out->len);
		char *at;
		ssize_t n;

		if (room == 0) {
			char probe;

			n = read(fd, &probe, 1);
			return n > 0 ? -EFBIG : n < 0 ? -errno : 0;
		}
		at = strbuf_reserve(out, room);
		if (!at)
			return -ENOMEM;
		n = read(fd, at, room);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : 0;
		strbuf_commit(out, (size_t)n);
	}
}

int fd_read_file(const char *path, struct strbuf *out)
{
	AUTO(auto_close) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (S_ISDIR(st.st_mode))
		return -EISDIR;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	return read_to_end(fd, out);
}

static int sync_directory_of(const char *path)
{
	char dir[PATH_MAX];
	char *slash;

	if (!str_copy(dir, sizeof(dir), path))
		return -ENAMETOOLONG;
	slash = strrchr(dir, '/');
	if (slash)
		slash[slash == dir] = '\0';
	else
		(void)str_copy(dir, sizeof(dir), ".");

	AUTO(auto_close) int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	/* some file systems refuse fsync on directories (EINVAL): the rename is then as durable as they make it */
	if (fd < 0 || (fsync(fd) < 0 && errno != EINVAL))
		return -errno;
	return 0;
}

int fd_write_file_atomic(const char *path, const void *data, size_t len, mode_t mode, struct error *err)
{
	char temporary[PATH_MAX];
	int r;

	if ((size_t)snprintf(temporary, sizeof(temporary), "%s.XXXXXX", path) >= sizeof(temporary))
		return error_set(err, ENAMETOOLONG, "writing '%s': path too long", path);

	AUTO(auto_close) int fd = mkostemp(temporary, O_CLOEXEC);

	if (fd < 0)
		return error_set(err, errno, "creating '%s': %s", temporary, strerror(errno));
	r = fd_write_all(fd, data, len);
	if (r == 0 && (fchmod(fd, mode) < 0 || fsync(fd) < 0 || rename(temporary, path) < 0))
		r = -errno;
	if (r < 0) {
		(void)unlink(temporary);
		return error_set(err, -r, "writing '%s': %s", path, strerror(-r));
	}
	r = sync_directory_of(path);
	if (r < 0)
		return error_set(err, -r, "syncing the directory of '%s': %s", path, strerror(-r));
	return 0;
}

union control {
	struct cmsghdr align;
	char bytes[CMSG_SPACE(FD_MESSAGE_MAX * sizeof(int))];
};

int fd_send_message(int sock, const void *data, size_t len, int flags, const int *fds, size_t n)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(FD_SEND_MAX * sizeof(int))];
	} control;
	struct iovec iov = { .iov_base = (void *)(uintptr_t)data, .iov_len = len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (n > FD_SEND_MAX)
		return -EINVAL;
	if (n > 0) {
		struct cmsghdr *c;

		memset(&control, 0, CMSG_SPACE(n * sizeof(int)));
		msg.msg_control = control.bytes;
		msg.msg_controllen = CMSG_SPACE(n * sizeof(int));
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(n * sizeof(int));
		memcpy(CMSG_DATA(c), fds, n * sizeof(int));
	}
	while (sendmsg(sock, &msg, flags | MSG_NOSIGNAL) < 0) {
		if (errno != EINTR)
			return -errno;
	}
	return 0;
}

static void take_descriptors(struct msghdr *msg, int fds[FD_MESSAGE_MAX])
{
	size_t taken = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		size_t n;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < n; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
			if (taken < FD_MESSAGE_MAX)
				fds[taken++] = fd;
			else
				(void)close(fd);
		}
	}
}

ssize_t fd_receive_message(int sock, void *data, size_t size, int flags, int fds[FD_MESSAGE_MAX])
{
	union control control;
	struct iovec iov = { .iov_base = data, .iov_len = size };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes),
	};
	ssize_t n;

	do {
		n = recvmsg(sock, &msg, flags | MSG_CMSG_CLOEXEC);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	for (size_t i = 0; i < FD_MESSAGE_MAX; i++)
		fds[i] = -1;
	take_descriptors(&msg, fds);
	if (msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) {
		for (size_t i = 0; i < FD_MESSAGE_MAX; i++)
			auto_close(&fds[i]);
		return -EMSGSIZE;
	}
	return n;
}
