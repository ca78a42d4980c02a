/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the names of all the core's values. */
#include "service/state.h"

#include <stddef.h>

#include "base/mem.h"
#include "service/core.h"
#include "service/effects.h"

static const char *name_at(const char *const *names, size_t n, size_t i)
{
	return i < n && names[i] ? names[i] : "unknown";
}

const char *service_state_name(enum service_state state)
{
	static const char *const names[SERVICE_STATE_N] = {
		[SERVICE_INACTIVE] = "inactive", [SERVICE_BLOCKED] = "blocked",
		[SERVICE_STARTING] = "starting", [SERVICE_RUNNING] = "running",
		[SERVICE_STOPPING] = "stopping", [SERVICE_EXITED] = "exited",
		[SERVICE_FAILED] = "failed",
	};

	return name_at(names, ARRAY_LEN(names), state);
}

const char *service_wish_name(enum service_wish wish)
{
	static const char *const names[WISH_N] = { [WISH_DOWN] = "down", [WISH_UP] = "up" };

	return name_at(names, ARRAY_LEN(names), wish);
}

const char *service_phase_name(enum service_phase phase)
{
	static const char *const names[PHASE_N] = {
		[PHASE_NONE] = "none", [PHASE_FILTERS] = "filters",
		[PHASE_PRE_START] = "pre_start", [PHASE_SPAWN] = "spawn",
		[PHASE_READY] = "ready", [PHASE_STOP_SPAWN] = "stop_spawn",
		[PHASE_STOP_ASKED] = "stop_asked", [PHASE_STOP_KILL] = "stop_kill",
		[PHASE_POST_STOP] = "post_stop",
	};

	return name_at(names, ARRAY_LEN(names), phase);
}

const char *failure_name(enum failure failure)
{
	static const char *const names[FAILURE_N] = {
		[FAILURE_NONE] = "none",
		[FAILURE_EXIT_CODE] = "exit_code",
		[FAILURE_SIGNAL] = "signal",
		[FAILURE_START_TIMEOUT] = "start_timeout",
		[FAILURE_STOP_TIMEOUT] = "stop_timeout",
		[FAILURE_HEALTH] = "health_check_failed",
		[FAILURE_DEPENDENCY] = "dependency_failed",
		[FAILURE_SPAWN] = "spawn_error",
		[FAILURE_MISSING] = "missing_dependency",
	};

	return name_at(names, ARRAY_LEN(names), failure);
}

const char *block_kind_name(enum block_kind kind)
{
	static const char *const names[BLOCK_KIND_N] = {
		[BLOCK_WAITING_ON] = "waiting_on", [BLOCK_CONFLICTS_WITH] = "conflicts_with",
		[BLOCK_PORT] = "port", [BLOCK_PROCESS] = "process",
		[BLOCK_RESTART_DELAY] = "restart_delay",
	};

	return name_at(names, ARRAY_LEN(names), kind);
}

const char *dep_kind_name(enum dep_kind kind)
{
	static const char *const names[DEP_KIND_N] = {
		[DEP_REQUIRES] = "requires", [DEP_AFTER] = "after",
		[DEP_WANTS] = "wants", [DEP_CONFLICTS] = "conflicts",
	};

	return name_at(names, ARRAY_LEN(names), kind);
}

const char *rule_name(enum rule rule)
{
	static const char *const names[RULE_N] = {
		[RULE_NONE] = "none", [RULE_ASKED] = "asked",
		[RULE_BOOT] = "boot", [RULE_CONFIG] = "config",
		[RULE_PULLED] = "pulled", [RULE_CASCADE] = "cascade",
		[RULE_DEPENDENCY] = "dependency", [RULE_DEP_CRASHED] = "dependency_crashed",
		[RULE_RESTART] = "restart", [RULE_PROCESS] = "process",
		[RULE_TIMEOUT] = "timeout", [RULE_HEALTH] = "health",
		[RULE_LIMIT] = "limit", [RULE_CONFLICT] = "conflict",
		[RULE_SHUTDOWN] = "shutdown", [RULE_GONE] = "gone",
		[RULE_UNDO] = "undo",
		[RULE_SCHEDULE] = "schedule", [RULE_WATCH] = "watch",
	};

	return name_at(names, ARRAY_LEN(names), rule);
}

const char *event_kind_name(enum event_kind kind)
{
	static const char *const names[EV_KIND_N] = {
		[EV_NONE] = "NONE",
		[EV_LOADED] = "LOADED",
		[EV_START] = "START",
		[EV_STOP] = "STOP",
		[EV_RESTART] = "RESTART",
		[EV_KILL_ASKED] = "KILL_ASKED",
		[EV_FILTERS] = "FILTERS",
		[EV_PRE_START_DONE] = "PRE_START_DONE",
		[EV_PRE_START_FAILED] = "PRE_START_FAILED",
		[EV_SPAWNED] = "SPAWNED",
		[EV_SPAWN_FAILED] = "SPAWN_FAILED",
		[EV_READY] = "READY",
		[EV_HEALTH] = "HEALTH",
		[EV_EXITED] = "EXITED",
		[EV_GONE] = "GONE",
		[EV_SURVIVORS] = "SURVIVORS",
		[EV_POST_STOP_DONE] = "POST_STOP_DONE",
		[EV_TIMER] = "TIMER",
		[EV_SHUTDOWN] = "SHUTDOWN",
		[EV_CHECK] = "CHECK",
	};

	return name_at(names, ARRAY_LEN(names), kind);
}

const char *effect_kind_name(enum effect_kind kind)
{
	static const char *const names[EFFECT_KIND_N] = {
		[EFFECT_NONE] = "NONE",
		[EFFECT_CHECK_FILTERS] = "CHECK_FILTERS",
		[EFFECT_RUN_PRE_START] = "RUN_PRE_START",
		[EFFECT_SPAWN] = "SPAWN",
		[EFFECT_PROBE_START] = "PROBE_START",
		[EFFECT_PROBE_STOP] = "PROBE_STOP",
		[EFFECT_STOP_BEGIN] = "STOP_BEGIN",
		[EFFECT_KILL_ALL] = "KILL_ALL",
		[EFFECT_CLEANUP_CHECK] = "CLEANUP_CHECK",
		[EFFECT_RUN_POST_STOP] = "RUN_POST_STOP",
		[EFFECT_ARM_TIMER] = "ARM_TIMER",
		[EFFECT_DISARM] = "DISARM",
		[EFFECT_ANNOUNCE] = "ANNOUNCE",
		[EFFECT_CRITICAL_FAILED] = "CRITICAL_FAILED",
		[EFFECT_SHUTDOWN_DONE] = "SHUTDOWN_DONE",
	};

	return name_at(names, ARRAY_LEN(names), kind);
}
