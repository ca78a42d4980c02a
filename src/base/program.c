/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: finding our own programs, and executing one by its descriptor. */
#include "base/program.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

extern char **environ;

int program_self(char out[PATH_MAX])
{
	ssize_t n = readlink("/proc/self/exe", out, PATH_MAX - 1);

	if (n < 0)
		return -errno;
	if (n == PATH_MAX - 1)
		return -ENAMETOOLONG;
	out[n] = '\0';
	return 0;
}

static bool is_program(char out[PATH_MAX], const char *dir, const char *between, const char *name)
{
	int n = snprintf(out, PATH_MAX, "%s/%s/%s", dir, between, name);

	return n < PATH_MAX && access(out, X_OK) == 0;
}

int program_find(const char *name, const char *folder, const char *installed, char out[PATH_MAX])
{
	char dir[PATH_MAX];
	char next[NAME_MAX + 4];
	int r = program_self(dir);
	char *slash = r == 0 ? strrchr(dir, '/') : NULL;

	if (slash) {
		*slash = '\0';
		(void)snprintf(next, sizeof(next), "../%s", folder);
		if (is_program(out, dir, ".", name) || is_program(out, dir, next, name) ||
		    is_program(out, dir, "../libexec/zinit", name))
			return 0;
	}
	return is_program(out, installed, ".", name) ? 0 : -ENOENT;
}

int program_check(int fd, struct error *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return error_set(err, errno, "it can't be looked at: %s", strerror(errno));
	if (!S_ISREG(st.st_mode) || !(st.st_mode & (S_IXUSR | S_IXGRP | S_IXOTH)))
		return error_set(err, ENOEXEC, "it is not a program: a regular file that can be executed is expected");
	if (st.st_uid != 0 && st.st_uid != geteuid())
		return error_set(err, EACCES, "it belongs to user %u: root or user %u is expected", st.st_uid, geteuid());
	/* a group of one's own (the group root, or the one that we run as) is as good as oneself */
	if (st.st_mode & S_IWOTH || (st.st_mode & S_IWGRP && st.st_gid != 0 && st.st_gid != getegid()))
		return error_set(err, EACCES, "others may write it (mode %04o)", st.st_mode & 07777);
	return 0;
}

int program_exec(int fd, char *const argv[])
{
	(void)syscall(SYS_execveat, fd, "", argv, environ, AT_EMPTY_PATH);
	/* the interpreter of a script opens the descriptor, which has to be there for it (execveat(2), BUGS) */
	if (errno == ENOENT && fcntl(fd, F_SETFD, 0) == 0)
		(void)syscall(SYS_execveat, fd, "", argv, environ, AT_EMPTY_PATH);
	return -errno;
}
