/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: incidents between the loop's thread and the disk: jobs for the store's work thread, answers as messages back. What
 * the disk refuses waits in memory, and is tried again before the next job.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "log/engine.h"
#include "log/incident.h"

/* Heads of all incidents. */
#define LIST_MAX (1U << 20)

/* --- keeping -------------------------------------------------------------------------------------- */

/* On its way to the disk, or waiting for it. */
struct kept {
	struct store_job job;
	struct list node; /* worker: in engine->refused */
	struct log_engine *engine;
	char *text;
	size_t len;
	struct told *told;
	char id[INCIDENT_ID_SIZE];
};

/* The message that says what came of it. */
struct told {
	struct log_msg msg;
	log_incident_kept_fn fn;
	void *data;
	int result;
	char id[INCIDENT_ID_SIZE];
};

static void main_told(struct log_msg *msg)
{
	struct told *told = CONTAINER_OF(msg, struct told, msg);

	if (told->fn)
		told->fn(told->id, told->result, told->data);
	free(told);
}

static void kept_free(struct kept *k)
{
	list_remove(&k->node);
	free(k->told);
	free(k->text);
	free(k);
}

void incidents_free(struct log_engine *e)
{
	while (!list_empty(&e->refused))
		kept_free(LIST_ENTRY(e->refused.next, struct kept, node));
}

static int write_one(const struct kept *k)
{
	return incident_write(k->engine->dir, k->id, k->text, k->len);
}

/* Worker: what was refused before, as long as the disk takes it. */
static void write_refused(struct log_engine *e)
{
	while (!list_empty(&e->refused)) {
		struct kept *k = LIST_ENTRY(e->refused.next, struct kept, node);

		if (write_one(k) < 0)
			return;
		e->refused_n--;
		kept_free(k);
	}
}

static void refuse(struct kept *k)
{
	struct log_engine *e = k->engine;

	list_append(&e->refused, &k->node);
	if (++e->refused_n <= LIMIT_INCIDENTS_WAITING)
		return;
	kept_free(LIST_ENTRY(e->refused.next, struct kept, node));
	e->refused_n--;
	atomic_fetch_add(&e->incidents_lost, 1);
}

static void run_keep(struct store *s, struct store_job *job)
{
	struct kept *k = CONTAINER_OF(job, struct kept, job);
	struct log_engine *e = k->engine;
	struct told *told = STEAL(&k->told);

	(void)s;
	write_refused(e);
	told->result = write_one(k);
	if (told->result < 0)
		refuse(k);
	else
		kept_free(k);
	engine_to_main(e, &told->msg);
}

int log_incident_add(struct log_engine *e, const char *id, char *text, size_t len, log_incident_kept_fn fn, void *data)
{
	struct kept *k;
	struct told *told;

	if (!e->store)
		return -ENOENT;
	k = calloc(1, sizeof(*k));
	told = calloc(1, sizeof(*told));
	if (!k || !told) {
		free(k);
		free(told);
		return -ENOMEM;
	}
	*told = (struct told){ .msg.run = main_told, .fn = fn, .data = data };
	(void)str_copy(told->id, sizeof(told->id), id);
	*k = (struct kept){ .job.run = run_keep, .engine = e, .text = text, .len = len, .told = told };
	(void)str_copy(k->id, sizeof(k->id), id);
	list_init(&k->node);
	list_init(&k->job.node);
	store_work(e->store, &k->job);
	return 0;
}

uint64_t log_incidents_lost(const struct log_engine *e)
{
	return atomic_load(&e->incidents_lost);
}

/* --- asking --------------------------------------------------------------------------------------- */

struct log_incident_ask {
	struct store_job job;
	struct log_msg msg;
	struct log_engine *engine;
	enum log_incident_question question;
	bool cancelled; /* main */
	bool any;       /* of all services */
	log_incident_fn fn;
	void *data;
	struct strbuf text; /* worker, then main */
	int result;
	char newest[INCIDENT_ID_SIZE];
	char what[INCIDENT_ID_SIZE];
};

static void main_answered(struct log_msg *msg)
{
	struct log_incident_ask *ask = CONTAINER_OF(msg, struct log_incident_ask, msg);

	if (!ask->cancelled)
		ask->fn(ask->result, &ask->text, ask->data);
	strbuf_fini(&ask->text);
	free(ask);
}

static void add_head(const char *id, const char *head, size_t len, size_t bytes, void *data)
{
	struct log_incident_ask *ask = data;

	(void)bytes;
	if (!ask->newest[0])
		(void)str_copy(ask->newest, sizeof(ask->newest), id);
	if (ask->question == LOG_INCIDENT_LIST && strbuf_add(&ask->text, head, len) == 0)
		(void)strbuf_putc(&ask->text, '\n');
}

static void run_ask(struct store *s, struct store_job *job)
{
	struct log_incident_ask *ask = CONTAINER_OF(job, struct log_incident_ask, job);
	const char *dir = ask->engine->dir;
	const char *id = ask->what;

	(void)s;
	write_refused(ask->engine);
	if (ask->question != LOG_INCIDENT_BY_ID) {
		ask->result = incident_list(dir, ask->any ? NULL : ask->what, add_head, ask);
		id = ask->newest;
	}
	if (ask->result == 0 && ask->question != LOG_INCIDENT_LIST)
		ask->result = id[0] ? incident_read(dir, id, &ask->text) : -ENOENT;
	engine_to_main(ask->engine, &ask->msg);
}

int log_incident_ask(struct log_engine *e, enum log_incident_question question, const char *what, log_incident_fn fn,
		     void *data, struct log_incident_ask **out)
{
	struct log_incident_ask *ask;

	if (!e->store)
		return -ENOENT;
	ask = calloc(1, sizeof(*ask));
	if (!ask)
		return -ENOMEM;
	*ask = (struct log_incident_ask){
		.job.run = run_ask,
		.msg.run = main_answered,
		.engine = e,
		.question = question,
		.any = !what,
		.fn = fn,
		.data = data,
		.text = STRBUF(LIST_MAX),
	};
	(void)str_copy(ask->what, sizeof(ask->what), what ? what : "");
	list_init(&ask->job.node);
	store_work(e->store, &ask->job);
	*out = ask;
	return 0;
}

void log_incident_cancel(struct log_incident_ask *ask)
{
	if (ask)
		ask->cancelled = true;
}
