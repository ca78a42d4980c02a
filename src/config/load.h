/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From files, text and JSON to checked configurations. One bad source never stops the others: each
 * gets a list of problems of its own. The graph (cycles, missing dependencies) is not looked at.
 */
#ifndef CONFIG_LOAD_H
#define CONFIG_LOAD_H

#include <jansson.h>

#include "base/error.h"
#include "config/problem.h"
#include "config/server_settings.h"
#include "config/service_config.h"

/** Flags of the load functions. */
enum load_flags {
	LOAD_STRICT = 1,      /* unknown keys and wrong file names are errors, not warnings (`zinit check`) */
	LOAD_ANY_NAME = 2,    /* an explicit path: file stem and service.name may differ */
	LOAD_SYSTEM = 4,      /* every service gets class = system */
};

/** One file of a directory: either a config, or problems that say why not (warnings with a config). */
struct loaded {
	char *path;
	char *name;                    /* the service's, else the file's stem */
	struct service_config *config; /* NULL = invalid; may be taken out with STEAL() */
	struct problems problems;
};

struct loaded_dir {
	struct loaded *items; /* sorted by file name */
	size_t n;
};

/**
 * Check the TOML text of a service or target. `source` is the path it came from (kept in the config) or NULL;
 * `stem`, the default for the name and what it must equal unless LOAD_ANY_NAME, may be NULL.
 *
 * Problems are added to `problems`. Returns 0 with *out_config (the caller's), or -EINVAL / -ENOMEM, nothing made.
 */
int load_service_text(const char *text, size_t len, const char *source, const char *stem,
		      unsigned int flags, struct problems *problems, struct service_config **out_config);
/** The same for a JSON object (RPC); `json` stays the caller's. */
int load_service_json(const json_t *json, unsigned int flags, struct problems *problems,
		      struct service_config **out_config);
/** The same for a file. What cannot be read (missing, a FIFO, too large, no permission) is a problem too. */
int load_service_file(const char *path, unsigned int flags, struct problems *problems,
		      struct service_config **out_config);

/**
 * Load every "*.toml" of a directory: not recursive, hidden files skipped, sorted by name. A service name that an
 * earlier item of `out_dir` has is a problem of the later one; call again with the same `out_dir` (zeroed before the first
 * call) for further directories, /etc/zinit/system first.
 *
 * Returns the number of files of this directory (0 = it is empty), or negative errno with `err` filled: -ENOENT,
 * -ENOTDIR, -EACCES … the directory cannot be read; -ENOMEM. `out_dir` is then as before.
 */
int load_dir(const char *dir, unsigned int flags, struct loaded_dir *out_dir, struct error *err);
/** Release all that load_dir() made and that was not taken out. */
void loaded_dir_fini(struct loaded_dir *dir);

/** Server settings from text or a file; a missing file gives the defaults (path NULL). Problems as above. */
int load_settings_text(const char *text, size_t len, const char *source, unsigned int flags,
		       struct problems *problems, struct server_settings **out_settings);
int load_settings_file(const char *path, unsigned int flags, struct problems *problems,
		       struct server_settings **out_settings);

/**
 * Where a key ("lifecycle.restart") stands in a file, for `why`. With `item`, the place of that string in the list
 * that the key holds. Reads the file again. Returns 0, -ENOENT (not in the file), or another negative errno.
 */
int load_locate(const char *path, const char *key, const char *item, uint32_t *out_line,
		uint32_t *out_column);

#endif
