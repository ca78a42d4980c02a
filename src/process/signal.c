/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: sending signals by pidfd. */
#include "process/signal.h"

#include <errno.h>
#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

/* linux/pidfd.h of Linux 6.9 */
#define SIGNAL_PIDFD_GROUP (1U << 2)

int signal_open(pid_t pid)
{
	long fd = syscall(SYS_pidfd_open, pid, 0);

	return fd < 0 ? -errno : (int)fd;
}

static int send_by_pidfd(int pidfd, int signo, unsigned int flags)
{
	return syscall(SYS_pidfd_send_signal, pidfd, signo, NULL, flags) < 0 ? -errno : 0;
}

int signal_process(int pidfd, pid_t pid, int signo)
{
	int r = pidfd >= 0 ? send_by_pidfd(pidfd, signo, 0) : -ENOSYS;

	if (r != -ENOSYS)
		return r;
	if (pid <= 0)
		return -ESRCH;
	return kill(pid, signo) < 0 ? -errno : 0;
}

int signal_group(int pidfd, pid_t pgid, int signo)
{
	int r = pidfd >= 0 ? send_by_pidfd(pidfd, signo, SIGNAL_PIDFD_GROUP) : -ENOSYS;

	/* EINVAL: a kernel that does not know the flag */
	if (r != -ENOSYS && r != -EINVAL)
		return r;
	if (pgid <= 1)
		return -ESRCH;
	return kill(-pgid, signo) < 0 ? -errno : 0;
}

bool signal_has_ended(int pidfd)
{
	struct pollfd p = { .fd = pidfd, .events = POLLIN };

	return poll(&p, 1, 0) > 0;
}
