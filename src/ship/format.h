/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of formats: one row for each `type` of a [[ship]] table. An encoder writes the plain body of a batch; a judge
 * looks into an answer that the status alone does not explain. URL, headers, compression and the common rules of
 * statuses are done once, for all.
 */
#ifndef SHIP_FORMAT_H
#define SHIP_FORMAT_H

#include "ship/batch.h"

/**
 * Append the batch's body to `to`. `out` is for its memory (order, scratch, ends) only. Returns 0, -ENOMEM, or -EINVAL
 * with `err`; of `to` it need not look at `failed`.
 */
typedef int (*encode_fn)(const struct ship_sink *sink, const struct ship_batch *batch, struct strbuf *to,
			 struct ship_request *out, struct error *err);
/** Append parameters to the URL with url_param(). Returns 0, or -EINVAL with `err`. */
typedef int (*query_fn)(const struct ship_sink *sink, const struct ship_batch *batch, struct strbuf *url,
			struct error *err);
/**
 * Correct what the status says (`out` is filled by it already), by the body. Called for every answer with a status.
 */
typedef void (*judge_fn)(struct ship_sink *sink, const struct ship_batch *batch, const struct ship_reply *reply,
			 struct ship_outcome *out);

/* Bits: 1 << enum ship_compression. */
#define TAKES_GZIP (1U << SHIP_COMPRESSION_GZIP)
#define TAKES_ZSTD (1U << SHIP_COMPRESSION_ZSTD)

struct format {
	const char *path;	  /* where the endpoint names none; NULL: not HTTP */
	const char *content_type;
	const char *array_type;	  /* the content type with framing = "array"; NULL: that framing is not there */
	const char *auth_scheme;  /* of a bearer token */
	unsigned int takes;	  /* content encodings */
	encode_fn encode;
	query_fn query;		  /* NULL: none */
	judge_fn judge;		  /* NULL: the status says all */
};

const struct format *format_of(const struct ship_settings *settings);

/** Append `name=value` to a URL's query, unless the endpoint has a parameter of that name. */
void url_param(struct strbuf *url, const char *name, const char *value);

/* The encoders, a file each. */
int encode_ndjson(const struct ship_sink *sink, const struct ship_batch *batch, struct strbuf *to,
		  struct ship_request *out, struct error *err);
int encode_clickhouse(const struct ship_sink *sink, const struct ship_batch *batch, struct strbuf *to,
		      struct ship_request *out, struct error *err);
int encode_loki(const struct ship_sink *sink, const struct ship_batch *batch, struct strbuf *to,
		struct ship_request *out, struct error *err);
int encode_otlp(const struct ship_sink *sink, const struct ship_batch *batch, struct strbuf *to,
		struct ship_request *out, struct error *err);
int encode_bulk(const struct ship_sink *sink, const struct ship_batch *batch, struct strbuf *to,
		struct ship_request *out, struct error *err);
int encode_splunk(const struct ship_sink *sink, const struct ship_batch *batch, struct strbuf *to,
		  struct ship_request *out, struct error *err);
int encode_syslog(const struct ship_sink *sink, const struct ship_batch *batch, struct strbuf *to,
		  struct ship_request *out, struct error *err);

/* The judges. */
void judge_bulk(struct ship_sink *sink, const struct ship_batch *batch, const struct ship_reply *reply,
		struct ship_outcome *out);
void judge_loki(struct ship_sink *sink, const struct ship_batch *batch, const struct ship_reply *reply,
		struct ship_outcome *out);
void judge_otlp(struct ship_sink *sink, const struct ship_batch *batch, const struct ship_reply *reply,
		struct ship_outcome *out);
void judge_clickhouse(struct ship_sink *sink, const struct ship_batch *batch, const struct ship_reply *reply,
		      struct ship_outcome *out);
void judge_splunk(struct ship_sink *sink, const struct ship_batch *batch, const struct ship_reply *reply,
		  struct ship_outcome *out);

#endif
