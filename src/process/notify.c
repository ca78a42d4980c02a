/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the sd_notify protocol: the socket, the datagrams, their words. */
#include "process/notify.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/parse.h"
#include "base/str.h"

/* The kernel passes at most 253 descriptors (SCM_MAX_FD). */
#define DESCRIPTORS_MAX 253
#define MICROSECONDS_MAX (INT64_C(86400) * 365 * 1000000)

int notify_open(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	const int on = 1;
	AUTO(auto_close) int fd = -1;

	if (!str_copy(address.sun_path, sizeof(address.sun_path), path))
		return -ENAMETOOLONG;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (unlink(path) < 0 && errno != ENOENT)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) < 0 ||
	    bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 || chmod(path, 0666) < 0)
		return -errno;
	return fd_steal(&fd);
}

/* --- words ------------------------------------------------------------------------------------ */

static void word_status(const char *value, struct notify_message *out)
{
	out->has_status = true;
	(void)str_copy(out->status, sizeof(out->status), value);
	for (char *p = out->status; *p; p++) {
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			*p = ' ';
	}
}

static void word_ready(const char *value, struct notify_message *out)
{
	out->ready |= str_equal(value, "1");
}

static void word_reloading(const char *value, struct notify_message *out)
{
	out->reloading |= str_equal(value, "1");
}

static void word_stopping(const char *value, struct notify_message *out)
{
	out->stopping |= str_equal(value, "1");
}

static void word_watchdog(const char *value, struct notify_message *out)
{
	out->watchdog |= str_equal(value, "1");
	out->watchdog_trigger |= str_equal(value, "trigger");
}

static void word_main_pid(const char *value, struct notify_message *out)
{
	int64_t pid;

	if (parse_int(value, 1, INT32_MAX, &pid) == 0)
		out->main_pid = (pid_t)pid;
}

static void word_watchdog_usec(const char *value, struct notify_message *out)
{
	int64_t usec;

	if (parse_int(value, 1, MICROSECONDS_MAX, &usec) == 0)
		out->watchdog_usec = (usec_t)usec;
}

static void word_extend(const char *value, struct notify_message *out)
{
	int64_t usec;

	if (parse_int(value, 1, MICROSECONDS_MAX, &usec) == 0)
		out->extend_usec = (usec_t)usec;
}

static const struct {
	const char *key;
	void (*fn)(const char *value, struct notify_message *out);
} words[] = {
	{ "READY", word_ready },
	{ "STATUS", word_status },
	{ "RELOADING", word_reloading },
	{ "STOPPING", word_stopping },
	{ "WATCHDOG", word_watchdog },
	{ "WATCHDOG_USEC", word_watchdog_usec },
	{ "EXTEND_TIMEOUT_USEC", word_extend },
	{ "MAINPID", word_main_pid },
};

static void parse_line(char *line, struct notify_message *out)
{
	char *equals = strchr(line, '=');

	if (!equals)
		return;
	*equals = '\0';
	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		if (strcmp(line, words[i].key) == 0)
			words[i].fn(equals + 1, out);
	}
}

void notify_parse(const char *text, size_t len, struct notify_message *out)
{
	char copy[NOTIFY_MESSAGE_MAX + 1];
	char *rest = copy;
	char *line;

	len = MIN(len, (size_t)NOTIFY_MESSAGE_MAX);
	memcpy(copy, text, len);
	copy[len] = '\0'; /* a NUL byte within ends the text */
	*out = (struct notify_message){ .pid = out->pid, .uid = out->uid };
	while ((line = strsep(&rest, "\n")))
		parse_line(line, out);
}

/* --- datagrams -------------------------------------------------------------------------------- */

union control {
	struct cmsghdr align;
	char bytes[CMSG_SPACE(sizeof(struct ucred)) + CMSG_SPACE(DESCRIPTORS_MAX * sizeof(int))];
};

static void close_all(const struct cmsghdr *c)
{
	size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

	for (size_t i = 0; i < n; i++) {
		int fd;

		memcpy(&fd, CMSG_DATA(c) + i * sizeof(fd), sizeof(fd));
		(void)close(fd);
	}
}

static void take_control(struct msghdr *msg, struct notify_message *out)
{
	struct ucred who;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level != SOL_SOCKET)
			continue;
		if (c->cmsg_type == SCM_RIGHTS) {
			close_all(c);
		} else if (c->cmsg_type == SCM_CREDENTIALS && c->cmsg_len == CMSG_LEN(sizeof(who))) {
			memcpy(&who, CMSG_DATA(c), sizeof(who));
			out->pid = who.pid;
			out->uid = who.uid;
		}
	}
}

int notify_receive(int fd, struct notify_message *out)
{
	char text[NOTIFY_MESSAGE_MAX];
	union control control;
	struct iovec iov = { .iov_base = text, .iov_len = sizeof(text) };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes),
	};
	struct notify_message message = { .uid = (uid_t)-1 };
	ssize_t n;

	do {
		n = recvmsg(fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EAGAIN ? 0 : -errno;
	take_control(&msg, &message);
	if (msg.msg_flags & MSG_TRUNC)
		return -EMSGSIZE;
	notify_parse(text, (size_t)n, &message);
	*out = message;
	return 1;
}
