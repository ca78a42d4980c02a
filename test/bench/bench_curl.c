/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The yardstick of bench_health.py: the least that libcurl needs for the same questions. A bare loop without results,
 * time-outs or verdicts: every URL (or, with `tcp`, every port) once a second, spread over it, each on a connection of its own.
 *
 * Usage: bench_curl http|tcp PORT...     Runs until it is killed.
 */
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BEAT 1000000000LL

static long long now(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static size_t ignore(char *data, size_t size, size_t n, void *user)
{
	(void)data;
	(void)user;
	return size * n;
}

static CURL *question(const char *port, int tcp)
{
	CURL *easy = curl_easy_init();
	char url[64];

	(void)snprintf(url, sizeof(url), "http://127.0.0.1:%s/", port);
	(void)curl_easy_setopt(easy, CURLOPT_URL, url);
	(void)curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, ignore);
	(void)curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L);
	(void)curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
	(void)curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	(void)curl_easy_setopt(easy, CURLOPT_CONNECT_ONLY, tcp ? 1L : 0L);
	return easy;
}

static void finish(CURLM *multi)
{
	CURLMsg *msg;
	int left;

	while ((msg = curl_multi_info_read(multi, &left))) {
		CURL *easy = msg->easy_handle;

		(void)curl_multi_remove_handle(multi, easy);
		curl_easy_cleanup(easy);
	}
}

static int loop(int n, char **ports, int tcp)
{
	CURLM *multi = curl_multi_init();
	long long begun = now();
	long long asked = 0;

	for (;;) {
		long long due = begun + asked * BEAT / n;
		long long wait = (due - now()) / 1000000;
		int running;

		while (due <= now()) {
			(void)curl_multi_add_handle(multi, question(ports[asked % n], tcp));
			due = begun + ++asked * BEAT / n;
		}
		(void)curl_multi_perform(multi, &running);
		finish(multi);
		if (curl_multi_poll(multi, NULL, 0, wait > 0 ? (int)wait : 1, NULL) != CURLM_OK)
			return 1;
	}
}

int main(int argc, char **argv)
{
	if (argc < 3) {
		(void)fprintf(stderr, "usage: bench_curl http|tcp PORT...\n");
		return 2;
	}
	(void)curl_global_init(CURL_GLOBAL_DEFAULT);
	return loop(argc - 2, argv + 2, strcmp(argv[1], "tcp") == 0);
}
