/* SPDX-License-Identifier: Apache-2.0 */
/* Lines of services' output as JSON. */
#ifndef RPC_LOG_LINES_H
#define RPC_LOG_LINES_H

#include "log/log.h"
#include "rpc/json_out.h"

/** Write one line, or one record of lost lines, as an object; with the cursor after it unless that is NULL. */
void log_line_write(const struct log_line *line, const char *service, const struct log_cursor *cursor, struct json_out *out);
/** The same as the classic zinit has it: one string, "[+] NAME: text". */
void log_line_write_classic(const struct log_line *line, const char *service, struct json_out *out);
/** A log_line_fn: `data` is a struct log_lines_out. Returns -ENOBUFS when the buffer is full. */
int log_line_write_fn(const struct log_line *line, void *data);

struct log_lines_out {
	struct json_out *out;
	const char *service; /* of lines that do not say it */
	size_t n;            /* written so far */
};

/** Write the last `n` lines in memory as an array; an unknown service gives an empty one. */
void log_lines_write_last(struct log_engine *log, const char *service, uint64_t n, struct json_out *out);

#endif
