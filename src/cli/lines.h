/* SPDX-License-Identifier: Apache-2.0 */
/* Printing log lines as the API gives them: {service, stream, timestamp_ns, content, …}. */
#ifndef CLI_LINES_H
#define CLI_LINES_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#include "cli/cli.h"

enum lines_form { LINES_TEXT, LINES_SHORT, LINES_JSON, LINES_RAW, LINES_LOGFMT, LINES_FORM_N };

struct lines {
	enum lines_form form;
	bool names;         /* of several services: tell them apart in the short form too */
	bool color;
	unsigned int width; /* of the name column; grows with what is seen */
};

/** How `cli`'s options want it; `names`: lines of several services may come. */
struct lines lines_init(const struct cli *cli, bool names);
/** Make the name column fit `name`. */
void lines_fit(struct lines *l, const char *name);
/** Print one line. A record that has `lost` is told as "N lines lost". */
void lines_print(struct lines *l, const json_t *line, FILE *to);
/** All of an array of lines, indented, for error reports. NULL or empty: prints nothing. */
void lines_print_last(const struct cli *cli, const json_t *lines, FILE *to);

#endif
