/* SPDX-License-Identifier: Apache-2.0 */
/* Users and groups by name or number, resolved when they are needed: they may have changed since the configuration was read. */
#ifndef PROCESS_ACCOUNT_H
#define PROCESS_ACCOUNT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/error.h"

#define ACCOUNT_NAME_SIZE 64
#define ACCOUNT_HOME_SIZE 512

struct account {
	uid_t uid;
	gid_t gid;
	bool known; /* has an entry; else name and home are empty, gid is not set */
	char name[ACCOUNT_NAME_SIZE];
	char home[ACCOUNT_HOME_SIZE];
};

/**
 * Look up a user: a name, or a number (which needs no entry). May block (name services). Returns 0; -ENOENT: no such user; or another
 * negative errno of the name service.
 */
int account_user(const char *name, struct account *out);
/** Look up a group: a name or a number. Returns as account_user(). */
int account_group(const char *name, gid_t *out_gid);
/** The groups of a user, `gid` included, as a new list (free(3)). Returns its length or negative errno. */
int account_groups(const struct account *user, gid_t gid, gid_t **out_groups);

#endif
