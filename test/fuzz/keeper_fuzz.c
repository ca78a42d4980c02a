/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a server says on the keeper's socket, however mad: the keeper stands, holds what it was told to hold and nothing else,
 * and loses no descriptor.
 *
 * The input is a sequence of messages: a byte (bits 0–2: how many descriptors come with it, bit 3: the message is cut, bit 4: an
 * end of server comes after it), then the bytes of a struct wire_message as far as there are any.
 */
#include <assert.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/diag.h"
#include "base/mem.h"
#include "fuzz.h"
#include "keeper/internal.h"

static void silent(enum diag_level level, const char *line, size_t len)
{
	(void)level;
	(void)line;
	(void)len;
}

static int count_open(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int n = 0;

	while (dir && readdir(dir))
		n++;
	if (dir)
		(void)closedir(dir);
	return n;
}

static int count_held(const struct keeper *k)
{
	const int own[] = { k->program.fd, k->candidate.fd, k->previous.fd };
	int n = 0;

	for (size_t i = 0; i < ARRAY_LEN(own); i++)
		n += own[i] >= 0;
	for (size_t i = 0; i < k->slots_end; i++) {
		for (size_t j = 0; k->slots[i].used && j < FD_MESSAGE_MAX; j++)
			n += k->slots[i].fds[j] >= 0;
	}
	return n;
}

static void send_one(int sock, uint8_t head, const uint8_t *data, size_t len)
{
	unsigned char message[sizeof(struct wire_message)] = { 0 };
	int fds[8];
	size_t n = head & 7;

	memcpy(message, data, len);
	for (size_t i = 0; i < n; i++)
		fds[i] = STDERR_FILENO;
	/* an empty message can't be told from the end of the stream */
	(void)fd_send_message(sock, message, head & 8 ? MAX(len, (size_t)1) : sizeof(message), MSG_DONTWAIT, fds, n);
}

/* What life_ended() does about programs when a server has ended. */
static void end_server(struct keeper *k, uint8_t head)
{
	siginfo_t info = { .si_code = head & 32 ? CLD_EXITED : CLD_KILLED, .si_status = head & 64 ? SIGKILL : SIGSEGV };

	(void)(programs_switch(k) || programs_put_back(k, &info));
	k->ready = false;
}

static void check(const struct keeper *k)
{
	assert(k->slots_end <= SLOTS_MAX);
	assert(k->outcome < WIRE_OUTCOME_N);
	assert(k->trial_ms >= 0 && k->trial_ms <= WIRE_TRIAL_MAX_MS);
	for (size_t i = 0; i < k->slots_end; i++)
		assert(!k->slots[i].used || memchr(k->slots[i].key, '\0', sizeof(k->slots[i].key)));
	assert(memchr(k->program.path, '\0', sizeof(k->program.path)));
}

static void play(struct keeper *k, int sock, const uint8_t *data, size_t size)
{
	for (size_t i = 0; i < size;) {
		uint8_t head = data[i++];
		size_t len = MIN(size - i, sizeof(struct wire_message));

		send_one(sock, head, data + i, len);
		i += len;
		assert(keeper_read(k));
		if (head & 16)
			end_server(k, head);
		check(k);
	}
}

static void release(struct keeper *k)
{
	for (uint32_t i = 0; i < k->slots_end; i++)
		slots_forget(k, i);
	auto_close(&k->program.fd);
	auto_close(&k->candidate.fd);
	auto_close(&k->previous.fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct keeper k;
	static struct slot *slots;
	char *const argv[] = { (char[]){ "/proc/self/exe" }, NULL };
	int before;
	int pair[2];

	diag_set_sink(silent);
	if (!slots)
		slots = mmap(NULL, SLOTS_MAX * sizeof(*slots), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	assert(slots != MAP_FAILED);
	k = (struct keeper){ .slots = slots, .argv = argv, .server = getpid(), .next_self = -1, .program.fd = -1 };
	before = count_open();
	programs_init(&k);
	assert(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0);
	k.sock = pair[0];
	play(&k, pair[1], data, size);
	assert(count_open() == before + 2 + count_held(&k));
	release(&k);
	(void)close(pair[0]);
	(void)close(pair[1]);
	assert(count_open() == before);
	return 0;
}
