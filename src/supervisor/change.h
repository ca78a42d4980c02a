/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What changes between the services that there are and those that files or a request ask for: a set of changes, each for
 * one service and whole in itself. Whoever changes services, by files, signal or request, comes this way:
 *
 *   changes_read()      files -> set; nothing happens yet, and the digest names exactly this set
 *   changes_preview()   set -> the steps that it would take, by a dry run of the core
 *   changes_apply()     put on record, then carried out; a server that dies in the middle is followed by one that goes on
 *
 * A new definition that needs a new process is on trial until that is ready; if it does not get there, the old one comes
 * back (trial.c).
 */
#ifndef SUPERVISOR_CHANGE_H
#define SUPERVISOR_CHANGE_H

#include "base/limits.h"
#include "config/diff.h"
#include "service/plan.h"
#include "supervisor/supervisor.h"

enum change_kind {
	CHANGE_ADD,     /* a new service; it does what its `status` says */
	CHANGE_LIVE,    /* takes effect at once, the process goes on */
	CHANGE_RESTART, /* the process is stopped, and started by the new definition */
	CHANGE_START,   /* it is wanted and could not run: started by the new definition, at once */
	CHANGE_KEEP,    /* it was being removed: it stays after all */
	CHANGE_REMOVE,  /* stopped, then forgotten */
	CHANGE_INVALID, /* nothing is done, the last good definition goes on; `text` says why */
	CHANGE_KIND_N
};

struct change {
	enum change_kind kind;
	char name[LIMIT_NAME + 1];
	char *path;                    /* its file, or NULL */
	struct service_config *config; /* the new definition, until it is taken over */
	struct config_change *keys;    /* what differs; empty for CHANGE_ADD, KEEP, REMOVE and INVALID */
	size_t keys_n;
	char *text;                    /* CHANGE_INVALID */
	int error;                     /* CHANGE_INVALID: positive errno */
	bool write_file;               /* the definition is written to the service directory too */
	bool remove_file;
};

struct change_set {
	struct change *v; /* in the order of files; what vanished comes last */
	size_t n, cap;
	unsigned int unchanged;
	char digest[20];  /* of all that is in the set, and of what it changes from: "0123456789abcdef" */
};

/**
 * Compare the service directories with what runs. What is wrong with files is told by diag(), unless `quiet`. Returns 0 or
 * negative errno with `err`; then there is nothing to free.
 */
int changes_read(struct supervisor *sup, bool quiet, struct change_set *out, struct error *err);
/**
 * The change that makes `config` (taken over in any case) the definition of its service. Returns 0, or negative errno with
 * `err`: -ELOOP, -E2BIG, -ENOMEM.
 */
int changes_of(struct supervisor *sup, struct service_config *config, bool write_file, struct change_set *out,
	       struct error *err);
void changes_fini(struct change_set *set);
/** "add", "live", "restart", "start", "keep", "remove", "invalid". */
const char *change_kind_name(enum change_kind kind);

/** What carrying `set` out would do, step by step, if all goes well. Returns as plan_make(); `*out` is for plan_fini(). */
int changes_preview(struct supervisor *sup, const struct change_set *set, struct plan *out, struct error *err);
/**
 * Carry `set` out. A change that can't be made becomes CHANGE_INVALID, and the others are made. Returns 0, or negative
 * errno with `err` if nothing at all was done: -ESHUTDOWN, or it could not be put on record.
 */
int changes_apply(struct supervisor *sup, struct change_set *set, const struct actor *by, struct error *err);

#endif
