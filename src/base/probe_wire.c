/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: results of probes, and their names. */
#include "base/probe_wire.h"

#include <stdarg.h>
#include <stdio.h>

static const char *const names[PROBE_ERROR_N] = {
	[PROBE_OK] = "Ok",
	[PROBE_TIMEOUT] = "Timeout",
	[PROBE_CONNECT] = "Connect",
	[PROBE_NAME] = "NameNotFound",
	[PROBE_EXEC] = "Exec",
	[PROBE_EXIT_CODE] = "NonZeroExit",
	[PROBE_STATUS] = "UnexpectedStatus",
	[PROBE_TLS] = "Tls",
	[PROBE_TOO_LARGE] = "TooLarge",
	[PROBE_MALFORMED] = "Malformed",
	[PROBE_BODY] = "UnexpectedBody",
	[PROBE_UNAVAILABLE] = "ProberUnavailable",
};

const char *probe_error_name(enum probe_error error)
{
	return names[error];
}

void probe_result_set(struct probe_result *out, enum probe_error error, int value, const char *fmt, ...)
{
	va_list ap;

	out->error = error;
	out->value = value;
	va_start(ap, fmt);
	(void)vsnprintf(out->text, sizeof(out->text), fmt, ap);
	va_end(ap);
}
