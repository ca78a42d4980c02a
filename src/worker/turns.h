/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Turns: how long each address of a name is waited for. libcurl goes on to the next address when one refuses, but stays
 * for good at the first one that says nothing (of each family). Here such an attempt is ended when its turn is over.
 */
#ifndef WORKER_TURNS_H
#define WORKER_TURNS_H

#include <curl/curl.h>
#include <stdbool.h>

#include "base/time.h"

struct loop;
struct turns;

/** Give each attempt of `easy` to connect that much time. Returns NULL: no memory. */
struct turns *turns_new(struct loop *loop, CURL *easy, usec_t each);
/** After the transfer has ended, or instead of it. NULL is fine. */
void turns_free(struct turns *turns);
/** From now on attempts are not ended. Returns whether one was before. */
bool turns_stop(struct turns *turns);

#endif
