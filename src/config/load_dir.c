/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: loading all files of a directory. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/map.h"
#include "base/mem.h"
#include "config/load.h"

#define SUFFIX ".toml"

struct name_list {
	char **names;
	size_t n, cap;
};

static void name_list_fini(struct name_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->names[i]);
	free(l->names);
}

static int name_list_add(struct name_list *l, const char *name)
{
	if (l->n == l->cap) {
		size_t cap = l->cap > 0 ? l->cap * 2 : 16;
		char **names = reallocarray(l->names, cap, sizeof(*names));

		if (!names)
			return -ENOMEM;
		l->names = names;
		l->cap = cap;
	}
	l->names[l->n] = strdup(name);
	if (!l->names[l->n])
		return -ENOMEM;
	l->n++;
	return 0;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool is_service_file(const char *name)
{
	size_t len = strlen(name);

	return name[0] != '.' && len > strlen(SUFFIX) &&
	       strcmp(name + len - strlen(SUFFIX), SUFFIX) == 0;
}

static void auto_closedir(DIR **d)
{
	if (*d)
		(void)closedir(*d);
}

static int list_dir(const char *dir, struct name_list *out, struct error *err)
{
	AUTO(auto_closedir) DIR *d = opendir(dir);
	const struct dirent *entry;

	if (!d)
		return error_set(err, errno, "service directory '%s': %s", dir, strerror(errno));
	for (errno = 0; (entry = readdir(d)); errno = 0) {
		if (!is_service_file(entry->d_name))
			continue;
		if (out->n == LIMIT_SERVICES)
			return error_set(err, EFBIG, "service directory '%s': more than %d files",
					 dir, LIMIT_SERVICES);
		if (name_list_add(out, entry->d_name) < 0)
			return error_set(err, ENOMEM, "service directory '%s': out of memory", dir);
	}
	if (errno != 0)
		return error_set(err, errno, "service directory '%s': %s", dir, strerror(errno));
	if (out->n > 0)
		qsort(out->names, out->n, sizeof(*out->names), compare_names);
	return 0;
}

static void loaded_fini(struct loaded *one)
{
	free(one->path);
	free(one->name);
	config_free(one->config);
	problems_fini(&one->problems);
}

static int load_one(const char *dir, const char *file, unsigned int flags, struct loaded *out)
{
	const char *name;

	*out = (struct loaded){ 0 };
	if (asprintf(&out->path, "%s/%s", dir, file) < 0) {
		out->path = NULL;
		return -ENOMEM;
	}
	if (load_service_file(out->path, flags, &out->problems, &out->config) == -ENOMEM) {
		loaded_fini(out);
		return -ENOMEM;
	}
	name = out->config ? out->config->name : NULL;
	out->name = name ? strdup(name) : strndup(file, strlen(file) - strlen(SUFFIX));
	if (!out->name) {
		loaded_fini(out);
		return -ENOMEM;
	}
	return 0;
}

/* A name that an earlier file has makes this one invalid. */
static int check_double(struct map *seen, struct loaded *one)
{
	const char *first;

	if (!one->config)
		return 0;
	first = map_get(seen, one->name);
	if (!first)
		return map_put(seen, one->name, one->path);
	problems_add(&one->problems, PROBLEM_ERROR, 0, 0,
		     one->config->is_target ? "target.name" : "service.name",
		     "'%s' is defined in %s already", one->name, first);
	config_free(STEAL(&one->config));
	return 0;
}

static int load_names(const char *dir, const struct name_list *names, unsigned int flags,
		      struct map *seen, struct loaded_dir *into)
{
	for (size_t i = 0; i < names->n; i++) {
		struct loaded *one = &into->items[into->n];
		int r = load_one(dir, names->names[i], flags, one);

		if (r < 0)
			return r;
		into->n++;
		r = check_double(seen, one);
		if (r < 0)
			return r;
	}
	return 0;
}

static void truncate_to(struct loaded_dir *dir, size_t n)
{
	while (dir->n > n)
		loaded_fini(&dir->items[--dir->n]);
}

/* The names that earlier directories took. */
static int remember(struct map *seen, const struct loaded_dir *dir)
{
	for (size_t i = 0; i < dir->n; i++) {
		const struct loaded *one = &dir->items[i];

		/* a config may have been taken out by the caller; its file still owns the name */
		if (!problems_failed(&one->problems) && map_put(seen, one->name, one->path) < 0)
			return -ENOMEM;
	}
	return 0;
}

int load_dir(const char *dir, unsigned int flags, struct loaded_dir *out_dir, struct error *err)
{
	AUTO(name_list_fini) struct name_list names = { 0 };
	AUTO(map_fini) struct map seen;
	size_t before = out_dir->n;
	struct loaded *items;
	int r;

	map_init(&seen);
	r = list_dir(dir, &names, err);
	if (r < 0)
		return r;
	if (names.n == 0)
		return 0;
	items = reallocarray(out_dir->items, before + names.n, sizeof(*items));
	if (!items)
		return error_set(err, ENOMEM, "service directory '%s': out of memory", dir);
	out_dir->items = items;
	r = remember(&seen, out_dir);
	if (r == 0)
		r = load_names(dir, &names, flags, &seen, out_dir);
	if (r < 0) {
		truncate_to(out_dir, before);
		return error_set(err, ENOMEM, "service directory '%s': out of memory", dir);
	}
	return (int)names.n;
}

void loaded_dir_fini(struct loaded_dir *dir)
{
	truncate_to(dir, 0);
	free(dir->items);
	dir->items = NULL;
}
