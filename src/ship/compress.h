/* SPDX-License-Identifier: Apache-2.0 */
/* Compression of bodies: the same input gives the same output, always. */
#ifndef SHIP_COMPRESS_H
#define SHIP_COMPRESS_H

#include "base/str.h"
#include "config/server_settings.h"

/** "gzip", "zstd"; NULL for none: the value of Content-Encoding. */
const char *compress_name(enum ship_compression how);
/** Append `in`, compressed, to `out`. Returns 0, -ENOMEM, or -ENOBUFS (over its maximum). `how` is not none. */
int compress_add(struct strbuf *out, enum ship_compression how, const struct strbuf *in);

#endif
