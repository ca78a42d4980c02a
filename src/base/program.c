/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: finding our own programs. */
#include "base/program.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

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
