/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: what is an incident, and how many of them are looked at. */
#include "supervisor/incident.h"

#include <stdio.h>

#include "base/kernel_names.h"
#include "supervisor/internal.h"

/* One service, one kind of incident: those that follow sooner are the same thing again, and are only counted. */
#define GAP (10 * USEC_PER_SEC)
/* Of all services: a look costs up to some milliseconds. */
#define PER_SECOND 8

static const char *const kind_names[INCIDENT_KIND_N] = {
	[INCIDENT_CRASH] = "crash",
	[INCIDENT_HEALTH] = "health",
	[INCIDENT_START_TIMEOUT] = "start_timeout",
	[INCIDENT_STOP_TIMEOUT] = "stop_timeout",
};

const char *incident_kind_name(enum incident_kind kind)
{
	return kind_names[kind];
}

static bool is_too_many(struct unit *unit, enum incident_kind kind)
{
	struct supervisor *sup = unit->sup;
	usec_t now = loop_now(sup->loop);

	if (unit->incidents.last[kind] && now < unit->incidents.last[kind] + GAP)
		return true;
	if (now >= sup->incidents_since + USEC_PER_SEC) {
		sup->incidents_since = now;
		sup->incidents_n = 0;
	}
	if (sup->incidents_n >= PER_SECOND)
		return true;
	sup->incidents_n++;
	unit->incidents.last[kind] = now;
	return false;
}

static void record(struct unit *unit, enum incident_kind kind, const char *text, const struct child_exit *exit, pid_t pid)
{
	struct supervisor *sup = unit->sup;
	struct snapshot *snapshot = NULL;
	struct incident incident = {
		.kind = kind,
		.id = unit->id,
		.run = core_record(sup->core, unit->id)->run,
		.pid = pid,
		.at = time_realtime(),
		.text = text,
		.exit = exit,
		.oom_kills = unit->oom,
	};

	if (!sup->on_incident)
		return;
	if (is_too_many(unit, kind)) {
		unit->incidents.unrecorded++;
		return;
	}
	(void)unit_snapshot(unit, &snapshot);
	incident.snapshot = snapshot;
	incident.unrecorded = unit->incidents.unrecorded;
	unit->incidents.unrecorded = 0;
	sup->on_incident(sup, &incident);
	snapshot_free(snapshot);
}

void incident_crash(struct unit *unit, const struct child_exit *exit, pid_t pid)
{
	char text[CHILD_TEXT_SIZE];

	if (!core_is_crash(unit->sup->core, unit->id, exit->code, exit->signal))
		return;
	child_exit_text(exit, text);
	record(unit, INCIDENT_CRASH, text, exit, pid);
}

void incident_health(struct unit *unit, const char *text)
{
	record(unit, INCIDENT_HEALTH, text, NULL, core_record(unit->sup->core, unit->id)->pid);
}

void incident_stop_begins(struct unit *unit)
{
	const struct service_record *rec = core_record(unit->sup->core, unit->id);
	char text[80];

	if (rec->failure != FAILURE_START_TIMEOUT)
		return;
	(void)snprintf(text, sizeof(text), "not ready within %llu ms", (unsigned long long)unit->config->start_timeout_ms);
	record(unit, INCIDENT_START_TIMEOUT, text, NULL, rec->pid);
}

void incident_kill(struct unit *unit)
{
	const struct service_record *rec = core_record(unit->sup->core, unit->id);
	char signal[SIGNAL_NAME_SIZE];
	char text[96 + SIGNAL_NAME_SIZE];

	if (rec->phase != PHASE_STOP_KILL)
		return;
	signal_name(unit->config->stop_signal, signal);
	(void)snprintf(text, sizeof(text), "still there %llu ms after it was to stop (%s): killed",
		       (unsigned long long)unit->config->stop_timeout_ms, signal);
	record(unit, INCIDENT_STOP_TIMEOUT, text, NULL, rec->pid);
}
