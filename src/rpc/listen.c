/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the making and removing of the control socket's file. */
#include "rpc/listen.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"

#define BACKLOG 4096
#define LOCK_TRIES 100
#define LOCK_PAUSE_NS 10000000L

static int make_address(const char *path, struct sockaddr_un *out, struct error *err)
{
	memset(out, 0, sizeof(*out));
	out->sun_family = AF_UNIX;
	if (path[0] == '\0')
		return error_set(err, EINVAL, "the path of the socket is empty");
	if (!str_copy(out->sun_path, sizeof(out->sun_path), path))
		return error_set(err, ENAMETOOLONG,
				 "socket path '%s' is %zu bytes long; the kernel allows %zu: choose a shorter one with -s",
				 path, strlen(path), sizeof(out->sun_path) - 1);
	return 0;
}

/*
 * Two servers that start at the same time must not both find the path free: whoever holds the lock of the directory
 * looks and binds. Best effort: somebody else's lock on that directory must not keep us from starting.
 */
static int lock_directory(const char *path)
{
	char dir[sizeof(((struct sockaddr_un *)0)->sun_path)];
	char *slash;
	int fd;

	(void)str_copy(dir, sizeof(dir), path);
	slash = strrchr(dir, '/');
	if (slash)
		slash[slash == dir ? 1 : 0] = '\0';
	fd = open(slash ? dir : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (int i = 0; fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) < 0 && i < LOCK_TRIES; i++)
		(void)nanosleep(&(struct timespec){ .tv_nsec = LOCK_PAUSE_NS }, NULL);
	return fd;
}

/* 1: somebody listens; 0: nobody; negative errno: can't tell. */
static int is_answered(const struct sockaddr_un *address)
{
	AUTO(auto_close) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0)
		return 1;
	if (errno == EAGAIN)
		return 1; /* its backlog is full */
	return errno == ECONNREFUSED || errno == ENOENT ? 0 : -errno;
}

static int clear_stale(const char *path, const struct sockaddr_un *address, struct error *err)
{
	struct stat st;
	int r;

	if (lstat(path, &st) < 0) {
		if (errno == ENOENT)
			return 0;
		return error_set(err, errno, "socket '%s': %s", path, strerror(errno));
	}
	if (!S_ISSOCK(st.st_mode))
		return error_set(err, EEXIST, "'%s' exists and is not a socket: remove it, or choose another path with -s", path);
	r = is_answered(address);
	if (r == 1)
		return error_set(err, EADDRINUSE, "a server is already listening on '%s': stop it, or choose another path with -s",
				 path);
	if (r < 0)
		return error_set(err, -r, "socket '%s': cannot tell whether a server listens there: %s", path, strerror(-r));
	if (unlink(path) < 0 && errno != ENOENT)
		return error_set(err, errno, "stale socket '%s' cannot be removed: %s", path, strerror(errno));
	return 0;
}

/* The file is born with 0600 (the mode of the unbound socket's inode, see unix(7)); group first, then the wider mode. */
static int bind_with_mode(int fd, const char *path, const struct sockaddr_un *address, mode_t mode, gid_t gid,
			  struct error *err)
{
	if (fchmod(fd, mode & 0600) < 0 || bind(fd, (const struct sockaddr *)address, sizeof(*address)) < 0)
		return error_set(err, errno, "cannot make the socket '%s': %s", path, strerror(errno));
	if (gid != (gid_t)-1 && lchown(path, (uid_t)-1, gid) < 0)
		return error_set(err, errno, "socket '%s': cannot give it to group %u: %s", path, (unsigned int)gid, strerror(errno));
	if (chmod(path, mode) < 0)
		return error_set(err, errno, "socket '%s': cannot set its mode: %s", path, strerror(errno));
	return 0;
}

int rpc_listen(const char *path, mode_t mode, gid_t gid, struct error *err)
{
	AUTO(auto_close) int fd = -1;
	AUTO(auto_close) int lock = -1;
	struct sockaddr_un address;
	int r = make_address(path, &address, err);

	if (r < 0)
		return r;
	lock = lock_directory(path);
	r = clear_stale(path, &address, err);
	if (r < 0)
		return r;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return error_set(err, errno, "socket: %s", strerror(errno));
	r = bind_with_mode(fd, path, &address, mode, gid, err);
	if (r < 0)
		return r;
	if (listen(fd, BACKLOG) < 0)
		return error_set(err, errno, "cannot listen on '%s': %s", path, strerror(errno));
	return fd_steal(&fd);
}

/* sun_path alone can't tell whether the file was replaced; connecting to it and looking at the queue would, but a
 * server that took over answers itself: so only a file that nobody but us answers is removed. */
void rpc_unlisten(int fd, const char *path)
{
	struct sockaddr_un address;
	struct stat st;

	if (make_address(path, &address, NULL) < 0)
		return;
	/* after this our own socket refuses: who answers now is somebody else */
	(void)shutdown(fd, SHUT_RD);
	if (lstat(path, &st) == 0 && S_ISSOCK(st.st_mode) && is_answered(&address) == 0)
		(void)unlink(path);
}
