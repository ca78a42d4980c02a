/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: main() of zinit-server: the front that becomes the keeper, and the brain that builds the world and runs the loop. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/diag.h"
#include "base/fd.h"
#include "base/program.h"
#include "config/json_memory.h"
#include "config/load.h"
#include "config/server_settings.h"
#include "log/log.h"
#include "loop/loop.h"
#include "rpc/incident_out.h"
#include "rpc/listen.h"
#include "rpc/server.h"
#include "server/options.h"
#include "supervisor/ship.h"
#include "supervisor/supervisor.h"

#define EXIT_USAGE 2
#define KEEPER_ARGS_MAX 60
#define LISTEN_KEY "listen"
#define LOCK_KEY "log-lock"
/* How long a disk may take to write what is left in the rings when the server ends. */
#define LOG_PATIENCE (3 * USEC_PER_SEC)

/* What a server that asks whether we can take over passes, and what it expects to read (upgrade.c). */
#define CHECK_STATE_FD 3
#define CHECK_DEFINITIONS_FD 4
#define CHECK_ANSWER "zinit-takeover 1 " ZINIT_VERSION

struct brain {
	struct options options;
	const char *program;
	struct server_settings *settings;
	const char *socket;
	const char *log_dir;
	struct loop *loop;
	struct log_engine *log;
	struct supervisor *supervisor;
	struct rpc_server *rpc;
	int listen_fd; /* the rpc server's once that is there */
	int lock_fd;
	struct supervisor_listener listener;
	uint64_t seen_event;
	struct server_settings *reloaded; /* what the rpc server has since the last reload; NULL: `settings` */
	bool ended; /* all services are gone: remove the socket */
};

/* --- the front -------------------------------------------------------------------------------- */

static int become_keeper(int argc, char **argv, struct error *err)
{
	static char self[PATH_MAX];
	char keeper[PATH_MAX];
	char *args[KEEPER_ARGS_MAX + 4];
	int r = program_self(self);

	if (r < 0)
		return error_set(err, -r, "/proc/self/exe: %s", strerror(-r));
	if (argc > KEEPER_ARGS_MAX)
		return error_set(err, E2BIG, "more than %d arguments", KEEPER_ARGS_MAX);
	r = program_find("zinit-keeper", "keeper", ZINIT_LIBEXEC, keeper);
	if (r < 0)
		return error_set(err, -r, "zinit-keeper is neither beside '%s' nor in " ZINIT_LIBEXEC, self);
	args[0] = keeper;
	args[1] = (char[]){ "--" };
	args[2] = self;
	memcpy(args + 3, argv + 1, (size_t)argc * sizeof(*argv)); /* with the NULL at its end */
	(void)execv(keeper, args);
	return error_set(err, errno, "starting '%s': %s", keeper, strerror(errno));
}

/* --- the brain -------------------------------------------------------------------------------- */

/* What the command line says is stronger. */
static void set_log_level(const struct brain *b, const struct server_settings *settings)
{
	diag_set_level(b->options.log_level ? (enum diag_level)diag_level_from_name(b->options.log_level) :
					      settings->log_level);
}

static int load_settings(struct brain *b, struct error *err)
{
	AUTO(strbuf_fini) struct strbuf text = STRBUF(ERROR_MSG_MAX);
	struct problems problems;
	int r;

	problems_init(&problems);
	if (b->options.settings_given && access(b->options.settings, R_OK) < 0)
		return error_set(err, errno, "settings '%s': %s", b->options.settings, strerror(errno));
	r = load_settings_file(b->options.settings, 0, &problems, &b->settings);
	problems_format(&problems, b->options.settings, &text);
	problems_fini(&problems);
	if (r < 0)
		return error_set(err, -r, "%s", strbuf_str(&text));
	if (text.len)
		diag(DIAG_WARN, "%s", strbuf_str(&text));
	b->socket = b->options.socket[0]	? b->options.socket :
		    b->settings->socket	? b->settings->socket :
					  b->options.default_socket;
	b->log_dir = b->settings->log_dir ? b->settings->log_dir : b->options.log_dir;
	set_log_level(b, b->settings);
	return 0;
}

/* Two servers that write the same segments would destroy them. The keeper holds the lock over our death. */
static int lock_log_dir(struct brain *b, struct error *err)
{
	char path[PATH_MAX];
	int r;

	b->lock_fd = supervisor_take_kept_fd(b->supervisor, LOCK_KEY);
	if (b->lock_fd >= 0)
		return 0;
	r = fd_make_dirs(b->log_dir, 0750);
	if (r < 0)
		return error_set(err, -r, "making the log directory '%s': %s", b->log_dir, strerror(-r));
	(void)snprintf(path, sizeof(path), "%s/" LOG_LOCK_FILE, b->log_dir);
	b->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (b->lock_fd < 0)
		return error_set(err, errno, "'%s': %s", path, strerror(errno));
	r = fd_lock_byte(b->lock_fd, LOG_LOCK_OWNER);
	if (r < 0)
		return error_set(err, -r, r == -EBUSY ? "the log directory '%s' is in use by another server" :
							"the log directory '%s' can't be locked", b->log_dir);
	return supervisor_keep_fd(b->supervisor, LOCK_KEY, b->lock_fd);
}

static int group_id(const struct server_settings *settings, gid_t *out, struct error *err)
{
	const struct group *group;

	if (!settings->socket_group)
		return 0;
	errno = 0;
	group = getgrnam(settings->socket_group);
	if (!group)
		return error_set(err, errno ? errno : ENOENT, "socket_group '%s': %s", settings->socket_group,
				 errno ? strerror(errno) : "no such group");
	*out = group->gr_gid;
	return 0;
}

static int listen_on_socket(struct brain *b, struct error *err)
{
	gid_t gid = (gid_t)-1;
	int r;

	b->listen_fd = supervisor_take_kept_fd(b->supervisor, LISTEN_KEY);
	if (b->listen_fd >= 0)
		return 0;
	r = group_id(b->settings, &gid, err);
	if (r < 0)
		return r;
	b->listen_fd = rpc_listen(b->socket, b->settings->socket_mode, gid, err);
	if (b->listen_fd < 0)
		return b->listen_fd;
	return supervisor_keep_fd(b->supervisor, LISTEN_KEY, b->listen_fd);
}

static void on_done(int code, void *data)
{
	struct brain *b = data;

	b->ended = true;
	loop_quit(b->loop, code);
}

/*
 * Another program takes our place. From here on it is as after a crash, but that clients keep their connections: nothing is
 * freed or written out, since whatever is under way is on record.
 */
static void on_hand_over(bool now, void *data)
{
	struct brain *b = data;
	struct error err;

	if (!b->rpc || (!now && !rpc_server_is_quiet(b->rpc)))
		return;
	rpc_server_hand_over(b->rpc);
	if (supervisor_hand_over(b->supervisor, &err) < 0)
		diag(DIAG_ERROR, "%s", err.msg); /* clients have lost their connections; the services go on */
	_exit(0);
}

static int make_supervisor(struct brain *b, struct error *err)
{
	const char *dirs[2];
	bool system[2];
	struct supervisor_options options = {
		.loop = b->loop,
		.keeper_fd = b->options.brain_fd,
		.service_dirs = dirs,
		.service_dirs_system = system,
		.settings = b->settings,
		.log_dir = b->log_dir,
		.on_done = on_done,
		.on_hand_over = on_hand_over,
		.data = b,
		.on_incident = incident_keep,
		.program = b->program,
	};

	if (b->options.pid1_mode && access(OPTIONS_SYSTEM_DIR, F_OK) == 0) {
		dirs[options.service_dirs_n] = OPTIONS_SYSTEM_DIR;
		system[options.service_dirs_n++] = true;
	}
	dirs[options.service_dirs_n] = b->options.config_dir;
	system[options.service_dirs_n++] = false;
	return supervisor_new(&options, &b->supervisor, err);
}

/* A reload takes over all settings that the table calls live; a file that is not valid leaves them as they are. */
static void reload_settings(struct brain *b)
{
	AUTO(strbuf_fini) struct strbuf text = STRBUF(DIAG_LINE_MAX);
	struct server_settings *settings = NULL;
	struct problems problems;
	int r;

	problems_init(&problems);
	r = load_settings_file(b->options.settings, 0, &problems, &settings);
	problems_format(&problems, b->options.settings, &text);
	problems_fini(&problems);
	if (r < 0) {
		diag(DIAG_ERROR, "settings are not reloaded: %s", strbuf_str(&text));
		return;
	}
	rpc_server_set(b->rpc, settings);
	set_log_level(b, settings);
	supervisor_settings(b->supervisor, settings);
	settings_free(b->reloaded);
	b->reloaded = settings;
}

static void on_supervisor_event(struct supervisor_listener *listener)
{
	struct brain *b = CONTAINER_OF(listener, struct brain, listener);
	struct supervisor_event event;
	uint64_t lost;

	while (supervisor_event_after(b->supervisor, b->seen_event, &event, &lost) == 1) {
		b->seen_event = event.cursor;
		if (event.kind == EVENT_RELOAD)
			reload_settings(b);
	}
}

/* The socket is taken before anything is started: a second server on it must do no harm. */
static int build(struct brain *b, struct error *err)
{
	struct log_options log_options = { .on_ended = supervisor_log_ended };
	struct rpc_server_options rpc_options = { 0 };
	int r;

	json_memory_watch();
	b->loop = loop_new();
	if (!b->loop)
		return error_set(err, errno, "the event loop: %s", strerror(errno));
	r = load_settings(b, err);
	if (r == 0)
		r = make_supervisor(b, err);
	if (r == 0)
		r = listen_on_socket(b, err);
	if (r == 0)
		r = lock_log_dir(b, err);
	if (r < 0)
		return r;
	log_options.dir = b->log_dir;
	log_options.max_total = b->settings->log_max_total;
	log_options.data = b->supervisor;
	r = log_engine_new(b->loop, &log_options, &b->log, err);
	if (r == 0)
		r = supervisor_begin(b->supervisor, b->log, err);
	if (r < 0)
		return r;
	rpc_options = (struct rpc_server_options){
		.loop = b->loop,
		.supervisor = b->supervisor,
		.settings = b->settings,
		.listen_fd = b->listen_fd,
		.socket_path = b->socket,
	};
	r = rpc_server_new(&rpc_options, &b->rpc, err);
	if (r < 0)
		return r;
	b->seen_event = supervisor_event_last(b->supervisor);
	b->listener.fn = on_supervisor_event;
	supervisor_listen(b->supervisor, &b->listener);
	return 0;
}

static void tear_down(struct brain *b)
{
	int *clients = NULL;
	size_t n = 0;

	if (b->ended)
		rpc_unlisten(b->listen_fd, b->socket);
	if (b->listener.fn)
		supervisor_unlisten(&b->listener);
	/* `zinit shutdown` waits for the end of its connection: then all lines are on disk */
	if (b->ended)
		clients = rpc_server_hold(b->rpc, &n);
	rpc_server_free(b->rpc);
	supervisor_free(b->supervisor);
	log_engine_free(b->log, LOG_PATIENCE);
	for (size_t i = 0; i < n; i++)
		(void)close(clients[i]);
	free(clients);
	settings_free(b->settings);
	settings_free(b->reloaded);
	auto_close(&b->lock_fd);
	loop_free(b->loop);
}

static int run_brain(const struct options *options, const char *program)
{
	struct brain b = { .options = *options, .program = program, .listen_fd = -1, .lock_fd = -1 };
	struct error err;
	int r;

	(void)signal(SIGPIPE, SIG_IGN);
	(void)prctl(PR_SET_NAME, "zinit-server"); /* executed by a descriptor, it has that number for a name */
	r = build(&b, &err);
	if (r == 0)
		r = loop_run(b.loop);
	else
		diag(DIAG_ERROR, "%s", err.msg);
	tear_down(&b);
	return r < 0 ? 1 : r;
}

static int check_takeover(void)
{
	struct error err;

	if (supervisor_can_take_over(CHECK_STATE_FD, CHECK_DEFINITIONS_FD, &err) == 0) {
		(void)puts(CHECK_ANSWER);
		return 0;
	}
	(void)printf("zinit %s: %s\n", ZINIT_VERSION, err.msg);
	return 1;
}

int main(int argc, char **argv)
{
	struct options options;
	struct error err;

	if (options_parse(argc, argv, &options, &err) < 0) {
		(void)fprintf(stderr, "zinit-server: %s\n", err.msg);
		return EXIT_USAGE;
	}
	if (options.action == OPTIONS_HELP) {
		(void)fputs(options_help(), stdout);
		return 0;
	}
	if (options.action == OPTIONS_VERSION) {
		(void)puts("zinit-server " ZINIT_VERSION);
		return 0;
	}
	if (options.action == OPTIONS_CHECK_TAKEOVER)
		return check_takeover();
	if (options.brain_fd >= 0) {
		(void)fd_set_cloexec(options.brain_fd, true);
		return run_brain(&options, argv[0]);
	}
	(void)become_keeper(argc, argv, &err);
	(void)fprintf(stderr, "zinit-server: %s\n", err.msg);
	return 1;
}
