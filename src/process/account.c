/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: look-ups in the user and group databases. */
#include "process/account.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/parse.h"
#include "base/str.h"

#define BUFFER_FIRST 1024
/* A group with very many members needs some; beyond this the database is broken. */
#define BUFFER_MAX (4U << 20)
#define GROUPS_FIRST 32
#define GROUPS_MAX 65536 /* NGROUPS_MAX of Linux */

static int parse_id(const char *name, uint32_t *out)
{
	int64_t value;

	/* (uid_t)-1 means "no change" to the kernel */
	if (parse_int(name, 0, UINT32_MAX - 1, &value) < 0)
		return -ENOENT;
	*out = (uint32_t)value;
	return 0;
}

static void take_passwd(const struct passwd *pw, struct account *out)
{
	out->known = true;
	out->uid = pw->pw_uid;
	out->gid = pw->pw_gid;
	(void)str_copy(out->name, sizeof(out->name), pw->pw_name);
	(void)str_copy(out->home, sizeof(out->home), pw->pw_dir);
}

/* By name, or by number if `name` is NULL. Returns 1 if found, 0 if not, or negative errno. */
static int find_passwd(const char *name, uid_t uid, struct account *out)
{
	for (size_t size = BUFFER_FIRST; size <= BUFFER_MAX; size *= 4) {
		AUTO(auto_free) char *buffer = malloc(size);
		struct passwd pw;
		struct passwd *found = NULL;
		int e;

		if (!buffer)
			return -ENOMEM;
		e = name ? getpwnam_r(name, &pw, buffer, size, &found) : getpwuid_r(uid, &pw, buffer, size, &found);
		if (e == ERANGE)
			continue;
		if (found)
			take_passwd(found, out);
		/* some name services report "not found" as one of these */
		if (!found && e != 0 && e != ENOENT && e != ESRCH && e != EBADF && e != EPERM)
			return -e;
		return found ? 1 : 0;
	}
	return -ERANGE;
}

int account_user(const char *name, struct account *out)
{
	struct account a = { 0 };
	int r = find_passwd(name, 0, &a);

	if (r < 0)
		return r;
	if (r == 0) {
		r = parse_id(name, &a.uid);
		if (r < 0)
			return r;
		r = find_passwd(NULL, a.uid, &a);
		if (r < 0)
			return r;
	}
	*out = a;
	return 0;
}

int account_group(const char *name, gid_t *out_gid)
{
	for (size_t size = BUFFER_FIRST; size <= BUFFER_MAX; size *= 4) {
		AUTO(auto_free) char *buffer = malloc(size);
		struct group gr;
		struct group *found = NULL;
		int e;

		if (!buffer)
			return -ENOMEM;
		e = getgrnam_r(name, &gr, buffer, size, &found);
		if (e == ERANGE)
			continue;
		if (found) {
			*out_gid = found->gr_gid;
			return 0;
		}
		if (e != 0 && e != ENOENT && e != ESRCH && e != EBADF && e != EPERM)
			return -e;
		return parse_id(name, out_gid);
	}
	return -ERANGE;
}

int account_groups(const struct account *user, gid_t gid, gid_t **out_groups)
{
	AUTO(auto_free) gid_t *groups = NULL;
	int n = GROUPS_FIRST;

	for (;;) {
		int wanted = n;
		gid_t *grown = reallocarray(groups, (size_t)n, sizeof(gid_t));

		if (!grown)
			return -ENOMEM;
		groups = grown;
		if (!user->known) {
			groups[0] = gid;
			n = 1;
			break;
		}
		if (getgrouplist(user->name, gid, groups, &wanted) >= 0) {
			n = wanted;
			break;
		}
		n = wanted > n ? wanted : n * 2;
		if (n > GROUPS_MAX)
			return -ERANGE;
	}
	*out_groups = STEAL(&groups);
	return n;
}
