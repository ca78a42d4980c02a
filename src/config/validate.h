/* SPDX-License-Identifier: Apache-2.0 */
/* Rules that concern more than one key, or the inner form of a text. Private to config/. */
#ifndef CONFIG_VALIDATE_H
#define CONFIG_VALIDATE_H

#include "config/server_settings.h"
#include "config/service_config.h"
#include "config/value.h"

/** Check a decoded service; `root` tells the places. Problems go to the decoder's. */
void validate_service(struct decoder *d, const struct doc_node *root, const struct service_config *c);
void validate_settings(struct decoder *d, const struct doc_node *root, const struct server_settings *s);

/** True for "host:port", "[v6]:port" and "unix:/path". */
bool validate_address(const char *s);
/** True for five cron fields (numbers, ranges, lists, steps, names of months and days), "@every SPAN" and "@daily" … */
bool validate_schedule(const char *s);

#endif
