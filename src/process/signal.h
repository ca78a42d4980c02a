/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sending signals such that no stranger is hit.
 *
 * Sending goes by pidfd: a pid may have been recycled, a pidfd never. Groups are signalled through their leader's pidfd
 * where the kernel can (Linux 6.9); before that by number, which is safe only as long as the leader has not been
 * reaped: the caller sees to that.
 */
#ifndef PROCESS_SIGNAL_H
#define PROCESS_SIGNAL_H

#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>

/** pidfd_open(2). Returns the descriptor (close-on-exec) or negative errno (-ENOSYS before 5.3). */
int signal_open(pid_t pid);
/** Signal the process of `pidfd`; `pid` is used instead where the kernel has no pidfds (pidfd -1). Returns 0, -ESRCH, -EPERM … */
int signal_process(int pidfd, pid_t pid, int signo);
/** Signal the group led by the process of `pidfd`. -ESRCH: empty; a zombie that is not reaped counts as a member. */
int signal_group(int pidfd, pid_t pgid, int signo);
/** Has the process (all its threads) ended, reaped or not? Needs a pidfd. */
bool signal_has_ended(int pidfd);

#endif
