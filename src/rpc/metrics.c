/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the text of metrics. */
#include "rpc/metrics.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/time.h"

/* --- samples ---------------------------------------------------------------------------------------- */

static bool make_room(struct metric_subject *subject)
{
	size_t cap = subject->samples_cap ? subject->samples_cap * 2 : 16;
	struct metric_sample *samples;

	if (subject->samples_n < subject->samples_cap)
		return true;
	samples = reallocarray(subject->samples, cap, sizeof(*samples));
	if (!samples)
		return false;
	subject->samples = samples;
	subject->samples_cap = cap;
	return true;
}

uint64_t *metric_add(struct metric_subject *subject, char *labels)
{
	uint64_t *values = reallocarray(NULL, subject->columns, sizeof(*values));

	if (!values || !make_room(subject)) {
		free(values);
		free(labels);
		return NULL;
	}
	memset(values, 0xff, subject->columns * sizeof(*values));
	subject->samples[subject->samples_n++] = (struct metric_sample){ .labels = labels, .values = values };
	return values;
}

void metric_subject_fini(struct metric_subject *subject)
{
	for (size_t i = 0; i < subject->samples_n; i++) {
		free(subject->samples[i].labels);
		free(subject->samples[i].values);
	}
	free(subject->samples);
	subject->samples = NULL;
	subject->samples_n = subject->samples_cap = 0;
}

void metric_label(struct strbuf *out, const char *key, const char *value)
{
	if (out->len)
		(void)strbuf_putc(out, ',');
	(void)strbuf_addf(out, "%s=\"", key);
	for (; *value; value++) {
		if (*value == '\n')
			(void)strbuf_puts(out, "\\n");
		else if (*value == '"' || *value == '\\')
			(void)strbuf_addf(out, "\\%c", *value);
		else
			(void)strbuf_putc(out, *value);
	}
	(void)strbuf_putc(out, '"');
}

/* --- text ------------------------------------------------------------------------------------------- */

/* How the name of a sample differs from that of its family. */
static const char *const suffixes[METRIC_TYPE_N] = {
	[METRIC_GAUGE] = "", [METRIC_COUNTER] = "_total", [METRIC_INFO] = "_info", [METRIC_SUMMARY] = "",
};

static const char *const openmetrics_types[METRIC_TYPE_N] = {
	[METRIC_GAUGE] = "gauge", [METRIC_COUNTER] = "counter", [METRIC_INFO] = "info", [METRIC_SUMMARY] = "summary",
};

static const char *const prometheus_types[METRIC_TYPE_N] = {
	[METRIC_GAUGE] = "gauge", [METRIC_COUNTER] = "counter", [METRIC_INFO] = "gauge", [METRIC_SUMMARY] = "summary",
};

static void write_head(const struct metric *row, bool openmetrics, struct strbuf *out)
{
	/* the older format knows families by the name of their samples */
	const char *suffix = openmetrics ? "" : suffixes[row->type];

	(void)strbuf_addf(out, "# HELP %s%s %s\n# TYPE %s%s %s\n", row->name, suffix, row->help, row->name, suffix,
			  (openmetrics ? openmetrics_types : prometheus_types)[row->type]);
}

static void write_value(enum metric_unit unit, uint64_t value, struct strbuf *out)
{
	switch (unit) {
	case METRIC_USEC:
		(void)strbuf_addf(out, "%" PRIu64 ".%06u\n", value / (uint64_t)USEC_PER_SEC,
				  (unsigned int)(value % USEC_PER_SEC));
		return;
	case METRIC_NSEC:
		(void)strbuf_addf(out, "%" PRIu64 ".%09u\n", value / 1000000000, (unsigned int)(value % 1000000000));
		return;
	case METRIC_SIGNED:
		(void)strbuf_addf(out, "%" PRId64 "\n", (int64_t)value);
		return;
	case METRIC_PLAIN:
	case METRIC_UNIT_N:
		break;
	}
	(void)strbuf_addf(out, "%" PRIu64 "\n", value);
}

static void write_line(const struct metric *row, const char *suffix, const struct metric_sample *sample, size_t i,
		       enum metric_unit unit, struct strbuf *out)
{
	const char *labels = sample->labels ? sample->labels : "";
	size_t column = row->at + i;

	if (sample->values[column] == METRIC_ABSENT || (row->sparse && sample->values[column] == 0))
		return;
	(void)strbuf_addf(out, "%s%s", row->name, suffix);
	if (row->label && row->label_value)
		(void)strbuf_addf(out, "{%s%s%s=\"%s\"}", labels, *labels ? "," : "", row->label, row->label_value(i));
	else if (*labels)
		(void)strbuf_addf(out, "{%s}", labels);
	(void)strbuf_putc(out, ' ');
	write_value(unit, sample->values[column], out);
}

static void write_row(const struct metric_subject *subject, const struct metric *row, struct strbuf *out)
{
	for (size_t s = 0; s < subject->samples_n; s++) {
		const struct metric_sample *sample = &subject->samples[s];

		if (row->type == METRIC_SUMMARY) {
			write_line(row, "_sum", sample, 0, row->unit, out);
			write_line(row, "_count", sample, 1, METRIC_PLAIN, out);
			continue;
		}
		for (size_t i = 0; i < MAX(row->n, (size_t)1); i++)
			write_line(row, suffixes[row->type], sample, i, row->unit, out);
	}
}

void metric_write(const struct metric_subject *subject, bool openmetrics, struct strbuf *out)
{
	for (size_t i = 0; i < subject->rows_n; i++) {
		size_t before = out->len;
		size_t head;

		write_head(&subject->rows[i], openmetrics, out);
		head = out->len;
		write_row(subject, &subject->rows[i], out);
		if (out->len == head)
			strbuf_truncate(out, before); /* a family without samples says nothing */
	}
}
