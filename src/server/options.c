/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the server's options and their defaults. */
#include "server/options.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/diag.h"
#include "base/parse.h"
#include "base/str.h"

enum { OPT_SETTINGS = 256, OPT_LOG_LEVEL, OPT_PID1_MODE, OPT_BRAIN, OPT_CHECK_TAKEOVER };

static const struct option long_options[] = {
	{ "config-dir", required_argument, NULL, 'c' },
	{ "socket", required_argument, NULL, 's' },
	{ "settings", required_argument, NULL, OPT_SETTINGS },
	{ "log-level", required_argument, NULL, OPT_LOG_LEVEL },
	{ "pid1-mode", no_argument, NULL, OPT_PID1_MODE },
	{ "brain", required_argument, NULL, OPT_BRAIN },
	{ "check-takeover", no_argument, NULL, OPT_CHECK_TAKEOVER },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{ 0 },
};

static const char help[] =
	"Usage: zinit-server [OPTION...]\n"
	"Start services from small TOML files, keep them running, keep what they print.\n"
	"\n"
	"  -c, --config-dir DIR   service files (default /etc/zinit/services; ZINIT_CONFIG_DIR)\n"
	"  -s, --socket PATH      control socket (default /run/zinit.sock; ZINIT_SOCKET)\n"
	"      --settings FILE    server settings (default /etc/zinit/zinit.toml; ZINIT_SETTINGS)\n"
	"      --log-level LEVEL  error, warn, info, debug or trace (default info; ZINIT_LOG_LEVEL)\n"
	"      --pid1-mode        load " OPTIONS_SYSTEM_DIR " first\n"
	"  -h, --help             this text\n"
	"  -V, --version          the version\n"
	"\n"
	"A user other than root gets files below $XDG_CONFIG_HOME/zinit, $XDG_RUNTIME_DIR and $XDG_STATE_HOME/zinit.\n"
	"Steer it with zinit(1): `zinit list`, `zinit logs -f`, `zinit shutdown`.\n";

const char *options_help(void)
{
	return help;
}

static int set_path(char out[OPTIONS_PATH], const char *value, const char *option, struct error *err)
{
	char cwd[PATH_MAX] = "";

	if (!*value)
		return error_set(err, EINVAL, "%s: a path is expected, not an empty text", option);
	/* a next server may be started from elsewhere, and services have directories of their own: paths are made absolute */
	if (*value != '/' && !getcwd(cwd, sizeof(cwd)))
		return error_set(err, errno, "%s: the current directory: %s", option, strerror(errno));
	if (snprintf(out, OPTIONS_PATH, "%s%s%s", cwd, *cwd ? "/" : "", value) >= OPTIONS_PATH)
		return error_set(err, EINVAL, "%s: '%s' is too long a path", option, value);
	return 0;
}

static void user_path(char out[OPTIONS_PATH], const char *base_variable, const char *below_home, const char *rest)
{
	const char *base = getenv(base_variable);
	const char *home = getenv("HOME");

	if (base && *base == '/')
		(void)snprintf(out, OPTIONS_PATH, "%s/%s", base, rest);
	else
		(void)snprintf(out, OPTIONS_PATH, "%s/%s/%s", home ? home : "/tmp", below_home, rest);
}

static void set_defaults(struct options *o)
{
	*o = (struct options){ .brain_fd = -1 };
	if (geteuid() == 0) {
		(void)str_copy(o->config_dir, OPTIONS_PATH, "/etc/zinit/services");
		(void)str_copy(o->settings, OPTIONS_PATH, "/etc/zinit/zinit.toml");
		(void)str_copy(o->default_socket, OPTIONS_PATH, "/run/zinit.sock");
		(void)str_copy(o->log_dir, OPTIONS_PATH, "/var/log/zinit");
		return;
	}
	user_path(o->config_dir, "XDG_CONFIG_HOME", ".config", "zinit/services");
	user_path(o->settings, "XDG_CONFIG_HOME", ".config", "zinit/zinit.toml");
	user_path(o->default_socket, "XDG_RUNTIME_DIR", ".", "zinit.sock");
	user_path(o->log_dir, "XDG_STATE_HOME", ".local/state", "zinit/log");
}

static int set_from_environment(struct options *o, struct error *err)
{
	const struct {
		const char *variable;
		char *out;
	} rows[] = {
		{ "ZINIT_CONFIG_DIR", o->config_dir },
		{ "ZINIT_SETTINGS", o->settings },
		{ "ZINIT_SOCKET", o->socket },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *value = getenv(rows[i].variable);
		int r = value && *value ? set_path(rows[i].out, value, rows[i].variable, err) : 0;

		if (r < 0)
			return r;
		if (value && *value && rows[i].out == o->settings)
			o->settings_given = true;
	}
	o->log_level = getenv("ZINIT_LOG_LEVEL");
	return 0;
}

static int set_option(struct options *o, int option, const char *value, struct error *err)
{
	int64_t fd;

	switch (option) {
	case 'c':
		return set_path(o->config_dir, value, "--config-dir", err);
	case 's':
		return set_path(o->socket, value, "--socket", err);
	case OPT_SETTINGS:
		o->settings_given = true;
		return set_path(o->settings, value, "--settings", err);
	case OPT_LOG_LEVEL:
		o->log_level = value;
		return 0;
	case OPT_PID1_MODE:
		o->pid1_mode = true;
		return 0;
	case OPT_BRAIN:
		if (parse_int(value, 0, INT_MAX, &fd) < 0)
			return error_set(err, EINVAL, "--brain is for zinit-keeper alone");
		o->brain_fd = (int)fd;
		return 0;
	case OPT_CHECK_TAKEOVER:
		o->action = OPTIONS_CHECK_TAKEOVER;
		return 0;
	case 'h':
		o->action = OPTIONS_HELP;
		return 0;
	case 'V':
		o->action = OPTIONS_VERSION;
		return 0;
	default:
		return error_set(err, EINVAL, "see `zinit-server --help`");
	}
}

int options_parse(int argc, char **argv, struct options *out, struct error *err)
{
	int option;
	int r;

	set_defaults(out);
	r = set_from_environment(out, err);
	while (r == 0 && (option = getopt_long(argc, argv, "c:s:hV", long_options, NULL)) != -1)
		r = set_option(out, option, optarg, err);
	if (r < 0)
		return r;
	if (optind < argc)
		return error_set(err, EINVAL, "unexpected argument '%s'; see `zinit-server --help`", argv[optind]);
	if (out->log_level && diag_level_from_name(out->log_level) < 0)
		return error_set(err, EINVAL, "log level '%s': expected error, warn, info, debug or trace", out->log_level);
	return 0;
}
