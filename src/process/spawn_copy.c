/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the deep copy of a spawn request in one block of memory. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "process/spawn.h"

/* The same walk runs twice: without memory to measure, then with it to copy. */
struct arena {
	char *base; /* NULL: measuring */
	size_t used;
};

static void *arena_copy(struct arena *a, const void *data, size_t size, size_t align)
{
	size_t at = (a->used + align - 1) & ~(align - 1);

	a->used = at + size;
	if (!a->base)
		return NULL;
	if (size)
		memcpy(a->base + at, data, size);
	return a->base + at;
}

static const char *copy_string(struct arena *a, const char *s)
{
	return s ? arena_copy(a, s, strlen(s) + 1, 1) : NULL;
}

static const char *const *copy_list(struct arena *a, const char *const *list)
{
	const char **copy;
	size_t n = 0;

	if (!list)
		return NULL;
	while (list[n])
		n++;
	copy = arena_copy(a, list, (n + 1) * sizeof(*list), _Alignof(char *));
	for (size_t i = 0; i < n; i++) {
		const char *s = copy_string(a, list[i]);

		if (copy)
			copy[i] = s;
	}
	return copy;
}

static struct spawn_request *copy_request(struct arena *a, const struct spawn_request *r)
{
	struct spawn_request *block = arena_copy(a, r, sizeof(*r), _Alignof(max_align_t));
	struct spawn_request c = *r;

	c.command = copy_string(a, r->command);
	c.argv = copy_list(a, r->argv);
	c.dir = copy_string(a, r->dir);
	c.base_env = copy_list(a, r->base_env);
	c.env_files = copy_list(a, r->env_files);
	c.env = copy_list(a, r->env);
	c.user = copy_string(a, r->user);
	c.group = copy_string(a, r->group);
	c.groups = copy_list(a, r->groups);
	c.stdin_path = copy_string(a, r->stdin_path);
	c.rlimits = arena_copy(a, r->rlimits, r->n_rlimits * sizeof(*r->rlimits), _Alignof(struct spawn_rlimit));
	c.fds = arena_copy(a, r->fds, r->n_fds * sizeof(*r->fds), _Alignof(struct spawn_fd));
	if (block)
		*block = c;
	return block;
}

struct spawn_request *spawn_request_copy(const struct spawn_request *request)
{
	struct arena a = { 0 };

	(void)copy_request(&a, request);
	a.base = malloc(a.used);
	if (!a.base)
		return NULL;
	a.used = 0;
	return copy_request(&a, request);
}
