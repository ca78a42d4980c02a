/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: libcurl's multi handle on our loop. */
#include "worker/net.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>

#include "loop/loop.h"

struct net {
	struct loop *loop;
	CURLM *multi;
	net_done_fn fn;
	struct loop_timer *timer;
	struct loop_timer *reaper; /* finished transfers are told outside of libcurl's calls */
};

static void on_reap(struct loop_timer *timer, void *data)
{
	struct net *net = data;
	CURLMsg *message;
	int left;

	(void)timer;
	while ((message = curl_multi_info_read(net->multi, &left))) {
		char *private = NULL;

		if (message->msg != CURLMSG_DONE)
			continue;
		(void)curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &private);
		net->fn(message->easy_handle, message->data.result, private);
	}
}

static void act(struct net *net, curl_socket_t fd, int what)
{
	int running;

	(void)curl_multi_socket_action(net->multi, fd, what, &running);
	loop_timer_arm(net->reaper, loop_now(net->loop));
}

static void on_socket(struct loop_io *io, uint32_t events, void *data)
{
	act(data, loop_io_fd(io),
	    (events & EPOLLIN ? CURL_CSELECT_IN : 0) | (events & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
		    (events & (EPOLLERR | EPOLLHUP) ? CURL_CSELECT_ERR : 0));
}

static int socket_changed(CURL *easy, curl_socket_t fd, int what, void *data, void *socket_data)
{
	struct net *net = data;
	struct loop_io *io = socket_data;
	uint32_t events = (what & CURL_POLL_IN ? EPOLLIN : 0U) | (what & CURL_POLL_OUT ? EPOLLOUT : 0U);

	(void)easy;
	if (what == CURL_POLL_REMOVE) {
		loop_io_free(io);
		(void)curl_multi_assign(net->multi, fd, NULL);
	} else if (io) {
		(void)loop_io_set(io, events);
	} else {
		(void)curl_multi_assign(net->multi, fd, loop_io_new(net->loop, fd, events, on_socket, net));
	}
	return 0;
}

static int timer_changed(CURLM *multi, long timeout_ms, void *data)
{
	struct net *net = data;

	(void)multi;
	loop_timer_arm(net->timer, timeout_ms < 0 ? USEC_NEVER : loop_now(net->loop) + (usec_t)timeout_ms * USEC_PER_MSEC);
	return 0;
}

static void on_timer(struct loop_timer *timer, void *data)
{
	(void)timer;
	act(data, CURL_SOCKET_TIMEOUT, 0);
}

struct net *net_new(struct loop *loop, net_done_fn fn)
{
	struct net *net = calloc(1, sizeof(*net));

	if (!net)
		return NULL;
	net->loop = loop;
	net->fn = fn;
	net->multi = curl_multi_init();
	net->timer = loop_timer_new(loop, on_timer, net);
	net->reaper = loop_timer_new(loop, on_reap, net);
	if (!net->multi || !net->timer || !net->reaper) {
		net_free(net);
		return NULL;
	}
	(void)curl_multi_setopt(net->multi, CURLMOPT_SOCKETFUNCTION, socket_changed);
	(void)curl_multi_setopt(net->multi, CURLMOPT_SOCKETDATA, net);
	(void)curl_multi_setopt(net->multi, CURLMOPT_TIMERFUNCTION, timer_changed);
	(void)curl_multi_setopt(net->multi, CURLMOPT_TIMERDATA, net);
	return net;
}

void net_free(struct net *net)
{
	if (!net)
		return;
	(void)curl_multi_cleanup(net->multi);
	loop_timer_free(net->timer);
	loop_timer_free(net->reaper);
	free(net);
}

int net_add(struct net *net, CURL *easy)
{
	return curl_multi_add_handle(net->multi, easy) == CURLM_OK ? 0 : -ENOMEM;
}

void net_remove(struct net *net, CURL *easy)
{
	(void)curl_multi_remove_handle(net->multi, easy);
}
