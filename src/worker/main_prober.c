/* SPDX-License-Identifier: Apache-2.0 */
/*
 * zinit-prober: asks by HTTP(S) and looks up names for the server (base/probe_wire.h), with libcurl on our loop. One
 * question is one transfer; its time-out is libcurl's own. It ends when the server closes the socket.
 */
#include <curl/curl.h>
#include <errno.h>
#include <regex.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/list.h"
#include "base/mem.h"
#include "base/probe_wire.h"
#include "base/str.h"
#include "loop/loop.h"
#include "worker/net.h"
#include "worker/turns.h"

struct worker {
	struct loop *loop;
	struct net *net;
	struct list transfers;
};

struct transfer {
	struct list node;
	struct worker *worker;
	struct prober_question question;
	CURL *easy;
	struct turns *turns;
	usec_t deadline;
	bool last_round; /* every address had its turn; what is left of the time is for one that is slow */
	struct curl_slist *headers;
	struct strbuf body; /* kept only for the regex */
	size_t body_bytes, header_bytes;
	bool too_large;
	bool has_regex;
	regex_t regex;
	char text[CURL_ERROR_SIZE]; /* libcurl's own words */
};

/* Look-ups are asked again after this time: a name that moved must not be found healthy at its old address for long. */
#define DNS_CACHE_S 10L
#define REDIRECTS_MAX 5L
/* Each address of a name is waited for so long, as a part of the time-out. */
#define TURNS 4
/* Questions taken in one go before answers are looked at. */
#define QUESTIONS_MAX 64

enum text { TEXT_URL, TEXT_METHOD, TEXT_HEADERS, TEXT_BODY, TEXT_SOCKET };

/* --- answers ---------------------------------------------------------------------------------- */

static void send_answer(const struct prober_question *q, const struct probe_result *result)
{
	struct prober_answer answer = { .id = q->id, .result = *result };

	(void)fd_send_message(PROBER_FD, &answer, sizeof(answer), 0, NULL, 0);
}

static void transfer_free(struct transfer *t)
{
	list_remove(&t->node);
	if (t->easy) {
		net_remove(t->worker->net, t->easy);
		curl_easy_cleanup(t->easy);
	}
	turns_free(t->turns); /* its callbacks are used by the clean-up */
	curl_slist_free_all(t->headers);
	strbuf_fini(&t->body);
	if (t->has_regex)
		regfree(&t->regex);
	free(t);
}

static bool is_expected(const struct prober_question *q, long status)
{
	if (q->ranges_n == 0)
		return status >= 200 && status <= 299;
	for (uint32_t i = 0; i < q->ranges_n; i++) {
		if (status >= q->ranges[i].low && status <= q->ranges[i].high)
			return true;
	}
	return false;
}

static void judge_http(const struct transfer *t, struct probe_result *out)
{
	long status = 0;

	(void)curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
	if (!is_expected(&t->question, status))
		probe_result_set(out, PROBE_STATUS, (int)status, "HTTP status %ld", status);
	else if (t->has_regex && regexec(&t->regex, strbuf_str(&t->body), 0, NULL, 0) != 0)
		probe_result_set(out, PROBE_BODY, 0, "the body does not match");
	else
		*out = (struct probe_result){ .error = PROBE_OK };
}

/* What libcurl says, in the interface's words. What is not listed is an answer that is none: PROBE_MALFORMED. */
static const struct {
	CURLcode code;
	enum probe_error error;
	int value; /* errno where libcurl does not tell it; 0: this kind has none */
} codes[] = {
	{ CURLE_OPERATION_TIMEDOUT, PROBE_TIMEOUT, 0 },
	{ CURLE_COULDNT_CONNECT, PROBE_CONNECT, ECONNREFUSED },
	{ CURLE_RECV_ERROR, PROBE_CONNECT, ECONNRESET },
	{ CURLE_SEND_ERROR, PROBE_CONNECT, ECONNRESET },
	{ CURLE_COULDNT_RESOLVE_HOST, PROBE_NAME, 0 },
	{ CURLE_SSL_CONNECT_ERROR, PROBE_TLS, 0 },
	{ CURLE_PEER_FAILED_VERIFICATION, PROBE_TLS, 0 },
	{ CURLE_SSL_CERTPROBLEM, PROBE_TLS, 0 },
	{ CURLE_SSL_CACERT_BADFILE, PROBE_TLS, 0 },
	{ CURLE_SSL_CIPHER, PROBE_TLS, 0 },
	{ CURLE_SSL_ISSUER_ERROR, PROBE_TLS, 0 },
	{ CURLE_URL_MALFORMAT, PROBE_UNAVAILABLE, EINVAL },
	{ CURLE_OUT_OF_MEMORY, PROBE_UNAVAILABLE, ENOMEM },
};

static void judge_failure(const struct transfer *t, CURLcode code, struct probe_result *out)
{
	const char *text = t->text[0] ? t->text : curl_easy_strerror(code);
	enum probe_error error = PROBE_MALFORMED;
	long value = 0;
	long os_error = 0;

	(void)curl_easy_getinfo(t->easy, CURLINFO_OS_ERRNO, &os_error);
	for (size_t i = 0; i < ARRAY_LEN(codes); i++) {
		if (codes[i].code != code)
			continue;
		error = codes[i].error;
		value = codes[i].value && os_error ? os_error : codes[i].value;
	}
	if (error == PROBE_CONNECT)
		probe_result_set(out, error, (int)value, "connect: %s", strerror((int)value));
	else
		probe_result_set(out, error, (int)value, "%s", text);
}

static void judge(struct transfer *t, CURLcode code, struct probe_result *out)
{
	long status = 0;

	if (t->too_large) {
		probe_result_set(out, PROBE_TOO_LARGE, 0, "the answer is longer than %u bytes", PROBER_BODY_MAX);
	} else if (code == CURLE_OK && t->question.kind == PROBER_HTTP) {
		judge_http(t, out);
	} else if (code == CURLE_OK) {
		*out = (struct probe_result){ .error = PROBE_OK };
	} else if (code == CURLE_TOO_MANY_REDIRECTS) {
		(void)curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
		probe_result_set(out, PROBE_STATUS, (int)status, "HTTP status %ld after %ld redirects", status,
				 REDIRECTS_MAX);
	} else {
		judge_failure(t, code, out);
	}
}

static void set_time(struct transfer *t, usec_t left)
{
	long ms = (long)MAX(left / USEC_PER_MSEC, 1);

	(void)curl_easy_setopt(t->easy, CURLOPT_TIMEOUT_MS, ms);
	(void)curl_easy_setopt(t->easy, CURLOPT_CONNECTTIMEOUT_MS, ms);
}

/* No address let us in, and to one of them it may have been for want of time: the rest of it is for that. */
static bool again(struct transfer *t, CURLcode code)
{
	usec_t now = loop_now(t->worker->loop);

	if (code != CURLE_COULDNT_CONNECT || t->last_round || !turns_stop(t->turns) || now >= t->deadline)
		return false;
	t->last_round = true;
	net_remove(t->worker->net, t->easy);
	set_time(t, t->deadline - now);
	return net_add(t->worker->net, t->easy) == 0;
}

static void on_done(CURL *easy, CURLcode code, void *data)
{
	struct transfer *t = data;
	struct probe_result result;

	(void)easy;
	if (again(t, code))
		return;
	judge(t, code, &result);
	send_answer(&t->question, &result);
	transfer_free(t);
}

/* --- questions -------------------------------------------------------------------------------- */

static size_t on_body(char *data, size_t size, size_t n, void *user)
{
	struct transfer *t = user;

	t->body_bytes += size * n;
	if (t->body_bytes <= PROBER_BODY_MAX && (!t->has_regex || strbuf_add(&t->body, data, size * n) == 0))
		return size * n;
	t->too_large = true;
	return 0;
}

static size_t on_header(char *data, size_t size, size_t n, void *user)
{
	struct transfer *t = user;

	(void)data;
	t->header_bytes += size * n;
	if (t->header_bytes <= PROBER_HEADERS_MAX)
		return size * n;
	t->too_large = true;
	return 0;
}

static void set_headers(struct transfer *t, const char *lines)
{
	while (*lines) {
		size_t n = strcspn(lines, "\n");
		AUTO(auto_free) char *line = strndup(lines, n);
		struct curl_slist *list = line ? curl_slist_append(t->headers, line) : NULL;

		if (list)
			t->headers = list;
		lines += n + (lines[n] == '\n');
	}
	if (t->headers)
		(void)curl_easy_setopt(t->easy, CURLOPT_HTTPHEADER, t->headers);
}

static void set_http(struct transfer *t, char *const *texts)
{
	const struct prober_question *q = &t->question;

	(void)curl_easy_setopt(t->easy, CURLOPT_PROTOCOLS_STR, "http,https");
	(void)curl_easy_setopt(t->easy, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
	(void)curl_easy_setopt(t->easy, CURLOPT_FOLLOWLOCATION, q->flags & PROBER_FOLLOW ? 1L : 0L);
	(void)curl_easy_setopt(t->easy, CURLOPT_MAXREDIRS, REDIRECTS_MAX);
	(void)curl_easy_setopt(t->easy, CURLOPT_SSL_VERIFYPEER, q->flags & PROBER_TLS_VERIFY ? 1L : 0L);
	(void)curl_easy_setopt(t->easy, CURLOPT_SSL_VERIFYHOST, q->flags & PROBER_TLS_VERIFY ? 2L : 0L);
	(void)curl_easy_setopt(t->easy, CURLOPT_USERAGENT, "zinit-prober/" ZINIT_VERSION);
	(void)curl_easy_setopt(t->easy, CURLOPT_FRESH_CONNECT, 1L); /* a check must see that one can still connect */
	(void)curl_easy_setopt(t->easy, CURLOPT_FORBID_REUSE, 1L);
	(void)curl_easy_setopt(t->easy, CURLOPT_HEADERFUNCTION, on_header);
	(void)curl_easy_setopt(t->easy, CURLOPT_HEADERDATA, t);
	if (strcmp(texts[TEXT_METHOD], "HEAD") == 0)
		(void)curl_easy_setopt(t->easy, CURLOPT_NOBODY, 1L);
	else if (*texts[TEXT_METHOD] && strcmp(texts[TEXT_METHOD], "GET") != 0)
		(void)curl_easy_setopt(t->easy, CURLOPT_CUSTOMREQUEST, texts[TEXT_METHOD]);
	if (*texts[TEXT_SOCKET])
		(void)curl_easy_setopt(t->easy, CURLOPT_UNIX_SOCKET_PATH, texts[TEXT_SOCKET]);
	set_headers(t, texts[TEXT_HEADERS]);
}

static int compile(struct transfer *t, const char *pattern, struct probe_result *out)
{
	char why[80];
	int r;

	if (!*pattern)
		return 0;
	r = regcomp(&t->regex, pattern, REG_EXTENDED | REG_NOSUB);
	if (r == 0) {
		t->has_regex = true;
		return 0;
	}
	(void)regerror(r, &t->regex, why, sizeof(why));
	probe_result_set(out, PROBE_BODY, 0, "the regex for the body: %s", why);
	return -1;
}

static int begin(struct transfer *t, char *const *texts, struct probe_result *out)
{
	const struct prober_question *q = &t->question;

	probe_result_set(out, PROBE_UNAVAILABLE, 0, "no memory for the probe");
	t->easy = curl_easy_init();
	if (!t->easy || (q->kind == PROBER_HTTP && compile(t, texts[TEXT_BODY], out) < 0))
		return -1;
	(void)curl_easy_setopt(t->easy, CURLOPT_PRIVATE, t);
	(void)curl_easy_setopt(t->easy, CURLOPT_URL, texts[TEXT_URL]);
	(void)curl_easy_setopt(t->easy, CURLOPT_DEFAULT_PROTOCOL, "http"); /* not guessed from the host's name */
	(void)curl_easy_setopt(t->easy, CURLOPT_ERRORBUFFER, t->text);
	(void)curl_easy_setopt(t->easy, CURLOPT_NOSIGNAL, 1L);
	/* a look-up that hangs is left to its thread: the end of a transfer must not wait for it */
	(void)curl_easy_setopt(t->easy, CURLOPT_QUICK_EXIT, 1L);
	(void)curl_easy_setopt(t->easy, CURLOPT_DNS_CACHE_TIMEOUT, DNS_CACHE_S);
	(void)curl_easy_setopt(t->easy, CURLOPT_NOPROXY, "*");
	t->deadline = time_add(loop_now(t->worker->loop), q->timeout_ms * USEC_PER_MSEC);
	t->turns = turns_new(t->worker->loop, t->easy, q->timeout_ms * USEC_PER_MSEC / TURNS);
	if (!t->turns)
		return -1;
	set_time(t, q->timeout_ms * USEC_PER_MSEC);
	(void)curl_easy_setopt(t->easy, CURLOPT_WRITEFUNCTION, on_body);
	(void)curl_easy_setopt(t->easy, CURLOPT_WRITEDATA, t);
	if (q->kind == PROBER_HTTP)
		set_http(t, texts);
	else
		(void)curl_easy_setopt(t->easy, CURLOPT_CONNECT_ONLY, 1L);
	return net_add(t->worker->net, t->easy);
}

static void cancel(struct worker *w, uint64_t id)
{
	struct transfer *t;

	LIST_FOREACH (t, &w->transfers, node) {
		if (t->question.id == id)
			transfer_free(t);
	}
}

/* The five texts behind the head; false if one of them has no end. */
static bool split_texts(char *data, size_t len, char *texts[PROBER_TEXTS])
{
	char *end = data + len;

	for (int i = 0; i < PROBER_TEXTS; i++) {
		char *nul = data < end ? memchr(data, '\0', (size_t)(end - data)) : NULL;

		if (!nul)
			return false;
		texts[i] = data;
		data = nul + 1;
	}
	return true;
}

static void on_question(struct worker *w, char *message, size_t len)
{
	struct probe_result result;
	struct prober_question q;
	char *texts[PROBER_TEXTS];
	struct transfer *t;

	if (len < sizeof(q))
		return;
	memcpy(&q, message, sizeof(q));
	if (q.kind == PROBER_CANCEL) {
		cancel(w, q.id);
		return;
	}
	q.ranges_n = MIN(q.ranges_n, (uint32_t)PROBER_RANGES_MAX);
	if (!split_texts(message + sizeof(q), len - sizeof(q), texts))
		return;
	t = calloc(1, sizeof(*t));
	if (!t)
		return; /* the server's own time-out ends the probe */
	t->worker = w;
	t->question = q;
	t->body = STRBUF(PROBER_BODY_MAX);
	list_append(&w->transfers, &t->node);
	if (begin(t, texts, &result) < 0) {
		send_answer(&q, &result);
		transfer_free(t);
	}
}

/* Returns false when there is no more for now. */
static bool take_question(struct worker *w, int sock)
{
	char message[PROBER_QUESTION_MAX];
	int fds[FD_MESSAGE_MAX];
	ssize_t n = fd_receive_message(sock, message, sizeof(message), MSG_DONTWAIT, fds);

	if (n == -EAGAIN)
		return false;
	if (n == 0 || (n < 0 && n != -EMSGSIZE)) {
		loop_quit(w->loop, 0); /* the server is gone, or has no use for us */
		return false;
	}
	if (n > 0)
		on_question(w, message, (size_t)n);
	return true;
}

static void on_readable(struct loop_io *io, uint32_t events, void *data)
{
	(void)events;
	for (int i = 0; i < QUESTIONS_MAX && take_question(data, loop_io_fd(io)); i++)
		;
}

static int open_worker(struct worker *w)
{
	list_init(&w->transfers);
	w->loop = loop_new();
	w->net = w->loop ? net_new(w->loop, on_done) : NULL;
	if (!w->net)
		return -1;
	return loop_io_new(w->loop, PROBER_FD, EPOLLIN, on_readable, w) ? 0 : -1;
}

static void close_worker(struct worker *w)
{
	struct transfer *t;

	LIST_FOREACH (t, &w->transfers, node)
		transfer_free(t);
	net_free(w->net);
	loop_free(w->loop);
	curl_global_cleanup();
}

int main(void)
{
	struct worker w = { 0 };
	int r;

	(void)signal(SIGPIPE, SIG_IGN);
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != 0)
		return 1;
	r = open_worker(&w);
	if (r == 0)
		r = loop_run(w.loop);
	close_worker(&w);
	return r == 0 ? 0 : 1;
}
