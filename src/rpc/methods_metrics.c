/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: system.metrics. */
#include <string.h>

#include "base/limits.h"
#include "base/mem.h"
#include "rpc/metrics.h"
#include "rpc/select.h"

static const struct {
	const char *name, *content_type;
} formats[] = {
	{ "prometheus", "text/plain; version=0.0.4; charset=utf-8" },
	{ "openmetrics", "application/openmetrics-text; version=1.0.0; charset=utf-8" },
};

static int format_of(const struct rpc_call *call, struct rpc_error *err)
{
	const char *name = param_str(call->params, "format", formats[0].name);

	for (size_t i = 0; i < ARRAY_LEN(formats); i++) {
		if (strcmp(name, formats[i].name) == 0)
			return (int)i;
	}
	return rpc_error_set(err, RPC_INVALID_PARAMS, "parameter 'format': expected \"prometheus\" or \"openmetrics\"");
}

static int write_source(const struct metric_question *question, const struct metric_source *source, bool openmetrics,
			struct strbuf *text)
{
	struct metric_subject subject = { .rows = source->rows, .rows_n = source->rows_n, .columns = source->columns };
	int r = source->gather(question, &subject);

	if (r == 0)
		metric_write(&subject, openmetrics, text);
	metric_subject_fini(&subject);
	return r;
}

RPC_HANDLER(rpc_system_metrics)
{
	AUTO(strbuf_fini) struct strbuf text = STRBUF(LIMIT_RPC_ANSWER);
	AUTO(auto_free) uint32_t *ids = NULL;
	struct metric_question question = { .call = call, .usage = param_bool(call->params, "usage", false) };
	int format = format_of(call, err);
	int n = format < 0 ? RPC_FAILED : select_services(call, &ids, err);

	if (n < 0)
		return RPC_FAILED;
	question.ids = ids;
	question.n = (size_t)n;
	for (size_t i = 0; i < metric_sources_n; i++) {
		if (write_source(&question, &metric_sources[i], format == 1, &text) < 0)
			return rpc_error_set(err, RPC_INTERNAL_ERROR, "out of memory");
	}
	if (format == 1)
		(void)strbuf_puts(&text, "# EOF\n");
	if (text.failed)
		return rpc_error_set(err, RPC_OVERLOADED, "the text is larger than %u bytes: ask for some services by name",
				     LIMIT_RPC_ANSWER);
	json_out_open_object(out);
	json_out_member_str(out, "content_type", formats[format].content_type);
	json_out_key(out, "text");
	json_out_strn(out, strbuf_str(&text), text.len);
	json_out_close_object(out);
	return RPC_DONE;
}
