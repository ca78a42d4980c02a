/* SPDX-License-Identifier: Apache-2.0 */
/* libcurl's transfers on our loop: sockets and timers are the loop's, and each transfer's end is told once. */
#ifndef WORKER_NET_H
#define WORKER_NET_H

#include <curl/curl.h>

struct loop;
struct net;

/**
 * A transfer has ended; `data` is its CURLOPT_PRIVATE. Called outside of libcurl's own calls: the handle is still in the
 * set, and may be taken out (net_remove()) and freed, or put in again.
 */
typedef void (*net_done_fn)(CURL *easy, CURLcode code, void *data);

/** Returns NULL: no memory. */
struct net *net_new(struct loop *loop, net_done_fn fn);
/** NULL is fine. All transfers must be out. */
void net_free(struct net *net);
/** Begin a transfer. Returns 0 or -ENOMEM. */
int net_add(struct net *net, CURL *easy);
/** Take it out, whether it has ended or not. */
void net_remove(struct net *net, CURL *easy);

#endif
