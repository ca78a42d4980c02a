/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Metrics as text, in the exposition format of Prometheus (0.0.4) or in OpenMetrics (1.0).
 *
 * A *subject* is a kind of thing that is measured: the server, a process of ours, a service, a health check, … Its table
 * has a row for each metric; its samples, one for each thing, are gathered once and have the values in columns, so that
 * the text can be written family by family, as the formats ask. metrics_subjects.c has the tables.
 */
#ifndef RPC_METRICS_H
#define RPC_METRICS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

/* A column without a value: no line is written for it. */
#define METRIC_ABSENT UINT64_MAX

enum metric_type { METRIC_GAUGE, METRIC_COUNTER, METRIC_INFO, METRIC_SUMMARY, METRIC_TYPE_N };

/** What a column counts; all times are written in seconds. */
enum metric_unit { METRIC_PLAIN, METRIC_SIGNED, METRIC_USEC, METRIC_NSEC, METRIC_UNIT_N };

/** One metric. */
struct metric {
	const char *name; /* without "_total", "_info" */
	enum metric_type type;
	enum metric_unit unit;
	size_t at;        /* its column. METRIC_SUMMARY: the sum's; the count is in the next one */
	const char *help;
	/* a further label, each value of which has a column of its own, from `at` on */
	const char *label;
	const char *(*label_value)(size_t i);
	size_t n;
	bool sparse;      /* columns that are 0 are left out */
};

/** One thing that was measured. */
struct metric_sample {
	char *labels;     /* `service="web"`, or NULL */
	uint64_t *values; /* by column */
};

struct metric_subject {
	const struct metric *rows;
	size_t rows_n;
	size_t columns;
	struct metric_sample *samples;
	size_t samples_n, samples_cap;
};

/** Add a sample, its columns absent; `labels` is taken over (NULL: none). Returns its values, or NULL: no memory (`labels` is freed). */
uint64_t *metric_add(struct metric_subject *subject, char *labels);
void metric_subject_fini(struct metric_subject *subject);
/** Append `, key="value"` (without the comma at the beginning), as both formats escape it. */
void metric_label(struct strbuf *out, const char *key, const char *value);
/* metrics_subjects.c: who is measured. A new subject is a table, a function that gathers, and a row of metric_sources there. */
struct rpc_call;

struct metric_question {
	const struct rpc_call *call;
	const uint32_t *ids; /* the services that are asked for */
	size_t n;
	bool usage;          /* CPU and memory of each, which costs a look into /proc or at its cgroup */
};

struct metric_source {
	const struct metric *rows;
	size_t rows_n, columns;
	/* Adds the samples. Returns 0 or -ENOMEM. */
	int (*gather)(const struct metric_question *question, struct metric_subject *out);
};

extern const struct metric_source metric_sources[];
extern const size_t metric_sources_n;

/** Append all families of the subject. A buffer that is full fails, and says so (strbuf.failed). */
void metric_write(const struct metric_subject *subject, bool openmetrics, struct strbuf *out);

#endif
