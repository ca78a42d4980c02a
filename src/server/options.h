/* SPDX-License-Identifier: Apache-2.0 */
/* The command line of zinit-server, the environment, and the defaults of the user who runs it. */
#ifndef SERVER_OPTIONS_H
#define SERVER_OPTIONS_H

#include <stdbool.h>

#include "base/error.h"

#define OPTIONS_PATH 512

struct options {
	char config_dir[OPTIONS_PATH];
	char settings[OPTIONS_PATH];
	char socket[OPTIONS_PATH];  /* "" = what the settings say, else default_socket */
	char default_socket[OPTIONS_PATH];
	char log_dir[OPTIONS_PATH]; /* where the settings don't say */
	const char *log_level;      /* NULL = what the settings say */
	bool pid1_mode;             /* load the system services first */
	bool settings_given;        /* the file must then exist */
	int brain_fd;               /* -1: we are the front, not the brain */
	enum { OPTIONS_RUN, OPTIONS_HELP, OPTIONS_VERSION, OPTIONS_CHECK_TAKEOVER } action; /* the last: asked by a server (upgrade.c) */
};

/** Directory of the system services (--pid1-mode). */
#define OPTIONS_SYSTEM_DIR "/etc/zinit/system"

/** Parse. Returns 0, or -EINVAL with `err` filled: the text says which option and what was expected. */
int options_parse(int argc, char **argv, struct options *out, struct error *err);
/** The help text. */
const char *options_help(void);

#endif
