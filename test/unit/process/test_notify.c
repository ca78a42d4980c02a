/* SPDX-License-Identifier: Apache-2.0 */
/* Tests: the words of sd_notify, and datagrams with who sent them. */
#include "../testing.h"

#include "helpers.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "process/notify.h"

static struct notify_message parse(const char *text)
{
	struct notify_message m = { .pid = 7, .uid = 8 };

	notify_parse(text, strlen(text), &m);
	assert_int_equal(m.pid, 7);
	assert_int_equal(m.uid, 8);
	return m;
}

static void test_words(void **state)
{
	struct notify_message m = parse("READY=1\nSTATUS=at your service\nMAINPID=42\nWATCHDOG_USEC=3000\n");

	(void)state;
	assert_true(m.ready && m.has_status);
	assert_string_equal(m.status, "at your service");
	assert_int_equal(m.main_pid, 42);
	assert_int_equal(m.watchdog_usec, 3000);
	assert_false(m.watchdog || m.stopping || m.reloading);
	m = parse("STOPPING=1\nRELOADING=1\nWATCHDOG=1\nEXTEND_TIMEOUT_USEC=5000000");
	assert_true(m.stopping && m.reloading && m.watchdog && !m.watchdog_trigger && !m.ready);
	assert_int_equal(m.extend_usec, 5000000);
	assert_true(parse("WATCHDOG=trigger").watchdog_trigger);
}

static void test_nonsense(void **state)
{
	static const char *const texts[] = { "", "\n\n\n", "=", "READY", "READY=", "READY=0", "READY=11", "ready=1", "READY=1 ",
					     " READY=1", "X_READY=1", "MAINPID=-1", "MAINPID=0", "MAINPID=99999999999999999999",
					     "WATCHDOG_USEC=0", "WATCHDOG_USEC=1e9", "EXTEND_TIMEOUT_USEC=-5",
					     "EXTEND_TIMEOUT_USEC=9223372036854775807" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		struct notify_message m = parse(texts[i]);

		assert_false(m.ready || m.reloading || m.stopping || m.watchdog || m.watchdog_trigger || m.has_status);
		assert_int_equal(m.main_pid, 0);
		assert_int_equal(m.watchdog_usec, 0);
		assert_int_equal(m.extend_usec, 0);
	}
}

static void test_status_is_tamed(void **state)
{
	char text[NOTIFY_MESSAGE_MAX] = "STATUS=a\tb\x1b[31mc";
	struct notify_message m = parse(text);

	(void)state;
	assert_string_equal(m.status, "a b [31mc");
	memset(text + 7, 'x', sizeof(text) - 7);
	notify_parse(text, sizeof(text), &m);
	assert_int_equal(strlen(m.status), NOTIFY_STATUS_SIZE - 1);
}

static void test_nul_ends_the_text(void **state)
{
	static const char text[] = "STATUS=x\0READY=1";
	struct notify_message m = { 0 };

	(void)state;
	notify_parse(text, sizeof(text) - 1, &m);
	assert_false(m.ready);
	assert_string_equal(m.status, "x");
}

static const char *socket_path(void)
{
	static char path[100];

	(void)snprintf(path, sizeof(path), "%s/notify", temp_dir());
	return path;
}

static int client(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	(void)snprintf(a.sun_path, sizeof(a.sun_path), "%s", socket_path());
	assert_int_equal(connect(fd, (const struct sockaddr *)&a, sizeof(a)), 0);
	return fd;
}

static void test_socket(void **state)
{
	AUTO(auto_close) int fd = notify_open(socket_path());
	AUTO(auto_close) int c = -1;
	struct notify_message m;
	struct stat st;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(stat(socket_path(), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0666);
	assert_int_equal(notify_receive(fd, &m), 0);
	c = client();
	assert_int_equal(send(c, "READY=1", 7, 0), 7);
	assert_int_equal(notify_receive(fd, &m), 1);
	assert_true(m.ready);
	assert_int_equal(m.pid, getpid());
	assert_int_equal(m.uid, getuid());
	assert_int_equal(notify_receive(fd, &m), 0);
}

static void test_sender_is_who_sent(void **state)
{
	AUTO(auto_close) int fd = notify_open(socket_path());
	struct notify_message m;
	pid_t pid = fork();
	int status;

	(void)state;
	if (pid == 0)
		_exit(send(client(), "STATUS=child", 12, 0) == 12 ? 0 : 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(notify_receive(fd, &m), 1);
	assert_int_equal(m.pid, pid);
}

static void test_too_long(void **state)
{
	AUTO(auto_close) int fd = notify_open(socket_path());
	AUTO(auto_close) int c = client();
	char text[NOTIFY_MESSAGE_MAX + 1];
	struct notify_message m;

	(void)state;
	memset(text, 'x', sizeof(text));
	memcpy(text, "READY=1\n", 8);
	assert_int_equal(send(c, text, sizeof(text), 0), sizeof(text));
	assert_int_equal(notify_receive(fd, &m), -EMSGSIZE);
	assert_int_equal(send(c, text, sizeof(text) - 1, 0), sizeof(text) - 1);
	assert_int_equal(notify_receive(fd, &m), 1);
	assert_true(m.ready);
}

/* BARRIER=1: the sender waits until its end of a pipe is closed everywhere. */
static void test_descriptors_are_closed(void **state)
{
	AUTO(auto_close) int fd = notify_open(socket_path());
	AUTO(auto_close) int c = client();
	size_t before = count_fds();
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(3 * sizeof(int))];
	} control = { 0 };
	struct iovec iov = { .iov_base = (char[]){ "BARRIER=1" }, .iov_len = 9 };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control.bytes,
			      .msg_controllen = sizeof(control.bytes) };
	struct cmsghdr *h = CMSG_FIRSTHDR(&msg);
	const int pass[3] = { 0, 1, 2 };
	struct notify_message m;

	(void)state;
	h->cmsg_level = SOL_SOCKET;
	h->cmsg_type = SCM_RIGHTS;
	h->cmsg_len = CMSG_LEN(sizeof(pass));
	memcpy(CMSG_DATA(h), pass, sizeof(pass));
	assert_int_equal(sendmsg(c, &msg, 0), 9);
	assert_int_equal(notify_receive(fd, &m), 1);
	assert_int_equal(count_fds(), before);
}

static void test_open_fails_in_order(void **state)
{
	char path[200];

	(void)state;
	memset(path, 'x', sizeof(path) - 1);
	path[0] = '/';
	path[sizeof(path) - 1] = '\0';
	assert_int_equal(notify_open(path), -ENAMETOOLONG);
	assert_int_equal(notify_open("/no/such/directory/socket"), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_nonsense),
		cmocka_unit_test(test_status_is_tamed),
		cmocka_unit_test(test_nul_ends_the_text),
		cmocka_unit_test(test_socket),
		cmocka_unit_test(test_sender_is_who_sent),
		cmocka_unit_test(test_too_long),
		cmocka_unit_test(test_descriptors_are_closed),
		cmocka_unit_test(test_open_fails_in_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
