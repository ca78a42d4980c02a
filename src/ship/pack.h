/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The settings of a sink as one message: server and shipper are of one build, so the struct goes as it is, with offsets in
 * the place of its pointers. Which members are pointers is read off the table of keys.
 */
#ifndef SHIP_PACK_H
#define SHIP_PACK_H

#include <stddef.h>

#include "base/str.h"
#include "config/server_settings.h"

/** Append. The same settings give the same bytes. Returns 0, or -ENOMEM / -ENOBUFS of the buffer. */
int ship_pack(const struct ship_settings *s, struct strbuf *out);
/** The settings in one allocation (free(3)), or NULL: damaged, or no memory. */
struct ship_settings *ship_unpack(const void *data, size_t len);

#endif
