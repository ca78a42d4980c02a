#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=dash disable=SC2015,SC2012,SC2013
# The first process of the virtual machine: runs each function test_NAME, and writes "ok NAME" or "not ok NAME" to the serial line.
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount -t tmpfs tmp /tmp
mount -t tmpfs run /run

conf=/tmp/conf
sock=/run/zinit.sock

z() {
	zinit -s $sock "$@"
}

# until SECONDS COMMAND...: again and again, until it succeeds.
until_true() {
	local left="$(($1 * 10))"
	shift
	while ! "$@" > /dev/null 2>&1; do
		left=$((left - 1))
		[ $left -gt 0 ] || { echo "# not in time: $*"; return 1; }
		sleep 0.1
	done
}

# service NAME EXEC [LINE...]: a service file; further lines as they are.
service() {
	local name="$1" exec="$2"
	shift 2
	{
		printf '[service]\nname = "%s"\nexec = "%s"\nstatus = "stop"\n' "$name" "$exec"
		[ $# = 0 ] || printf '%s\n' "$@"
	} > $conf/"$name".toml
	z reload > /dev/null
}

group() {
	echo /sys/fs/cgroup/zinit-*/"$1"
}

state_is() {
	z status "$1" | grep -q "$2"
}

says() {
	z why "$1" | grep -qi "$2"
}

start_server() {
	mkdir -p $conf
	zinit-server -c $conf -s $sock > /tmp/server.out 2>&1 &
	until_true 20 z list
}

test_controllers() {
	service quiet "sleep 1000"
	z start quiet && until_true 5 state_is quiet running || return 1
	for controller in memory pids cpu; do
		grep -qw $controller "$(group quiet)/cgroup.controllers" || { echo "# no $controller"; return 1; }
	done
	! grep -i "cgroup" /tmp/server.out
}

test_memory_max_is_set_and_changed_live() {
	service quiet "sleep 1000" '[limits]' 'memory_max = "32M"'
	until_true 5 grep -qx 33554432 "$(group quiet)/memory.max" || return 1
	service quiet "sleep 1000" '[limits]' 'memory_max = "48M"' 'pids_max = 7' 'cpu_max = "50%"'
	until_true 5 grep -qx 50331648 "$(group quiet)/memory.max" &&
		grep -qx 7 "$(group quiet)/pids.max" && grep -qx "50000 100000" "$(group quiet)/cpu.max"
}

test_oom_kill_is_recognised() {
	service hog "tail /dev/zero" '[limits]' 'memory_max = "16M"' '[lifecycle]' 'restart = "never"'
	z start hog
	until_true 30 state_is hog failed || { z status hog; return 1; }
	z status hog | grep -i memory && z events -n 50 | grep hog | grep -i "out of memory" || { z status hog; z why hog; z events -n 20; return 1; }
}

test_each_oom_kill_counts_once() {
	service again "tail /dev/zero" '[limits]' 'memory_max = "16M"' '[lifecycle]' 'restart = "on-failure"' 'max_restarts = 2' 'restart_delay_ms = 10'
	sed -i '/^status/d' $conf/again.toml # only what is to be up by itself is started again
	z reload
	until_true 60 sh -c "grep -c 'again: out of memory: the kernel killed 1 ' /tmp/server.out | grep -qx 3" ||
		{ z status again; z why again; z logs again; grep "" "$(group again)"/memory.events "$(group again)"/memory.max "$(group again)"/cgroup.procs; return 1; }
}

test_an_oom_kill_of_a_child_is_counted() {
	service parent "tail /dev/zero; echo child ended with \$?; exec sleep 1000" '[limits]' 'memory_max = "16M"'
	z start parent
	until_true 30 sh -c "zinit -s $sock logs parent | grep -q 'child ended with 137'" && state_is parent running
}

test_pids_max_bites() {
	service forker "for i in 1 2 3 4 5 6 7 8 9; do sleep 1000 & done; echo all; wait" '[limits]' 'pids_max = 5'
	z start forker
	until_true 10 sh -c "zinit -s $sock logs forker | grep -qi 'fork'" || { z logs forker; return 1; }
	z stop forker
}

test_cpu_max_bites() {
	local before after
	service busy "while :; do :; done" '[limits]' 'cpu_max = "20%"'
	z start busy && until_true 5 state_is busy running || return 1
	before=$(awk '/^usage_usec/ { print $2 }' "$(group busy)/cpu.stat")
	sleep 3 # what is measured is time
	after=$(awk '/^usage_usec/ { print $2 }' "$(group busy)/cpu.stat")
	echo "# $((after - before)) us in 3 s"
	grep -q "^nr_throttled [1-9]" "$(group busy)/cpu.stat" && z stop busy && [ $((after - before)) -lt 1200000 ]
}

test_stats_come_from_the_cgroup() {
	z stats quiet --json | grep -E '"memory[a-z_]*": ?[1-9]' > /dev/null || { z stats quiet --json; return 1; }
}

test_a_deaf_tree_is_killed_and_starts_again() {
	service deaf "trap '' TERM; setsid sh -c \\\"trap '' TERM; while :; do sleep 1; done\\\" & while :; do sleep 1; done" \
		'[lifecycle]' 'stop_timeout_ms = 300' 'kill_mode = \"cgroup\"'
	sed -i 's/\\"cgroup\\"/"cgroup"/' $conf/deaf.toml
	z reload > /dev/null
	for round in 1 2 3; do
		z start deaf && until_true 5 state_is deaf running || { z status deaf; return 1; }
		z stop deaf || true
		[ -z "$(cat "$(group deaf)/cgroup.procs" 2> /dev/null)" ] || { echo "# left in round $round"; return 1; }
	done
}

test_oom_after_the_server_was_killed() {
	service late "read x < /tmp/fifo; tail /dev/zero" '[limits]' 'memory_max = "16M"' '[lifecycle]' 'restart = "never"'
	mkfifo /tmp/fifo
	z start late && until_true 5 state_is late running || return 1
	kill -9 "$(grep -l -a -- --brain /proc/[0-9]*/cmdline | head -n 1 | tr -dc 0-9)"
	until_true 10 z list || return 1
	echo go > /tmp/fifo
	until_true 30 state_is late failed && until_true 5 grep -q "late: out of memory" /tmp/server.out || { z status late; return 1; }
}

test_shutdown_leaves_no_cgroup() {
	z shutdown
	until_true 20 sh -c "! ls -d /sys/fs/cgroup/zinit-*" || { ls -R /sys/fs/cgroup | head -n 40; return 1; }
}

# A plain user in a tree that was given to him.
test_delegated_to_a_user() {
	mkdir /sys/fs/cgroup/given
	for controller in memory pids cpu; do
		echo +$controller > /sys/fs/cgroup/cgroup.subtree_control
	done
	chown 1000:1000 /sys/fs/cgroup/given /sys/fs/cgroup/given/cgroup.procs /sys/fs/cgroup/given/cgroup.subtree_control
	rm -rf $conf
	mkdir -p $conf /tmp/user /tmp/user/log
	printf '[service]\nname = "hog"\nexec = "tail /dev/zero"\n[limits]\nmemory_max = "16M"\n[lifecycle]\nrestart = "never"\n' > $conf/hog.toml
	printf '[log]\ndir = "/tmp/user/log"\n' > /tmp/user/zinit.toml
	chown -R 1000:1000 /tmp/user $conf
	sock=/tmp/user/sock
	sh -c "echo \$\$ > /sys/fs/cgroup/given/cgroup.procs
		exec start-stop-daemon -S -c user -x /bin/zinit-server -- -c $conf -s $sock --settings /tmp/user/zinit.toml" > /tmp/server.out 2>&1 &
	until_true 20 z list && until_true 30 state_is hog failed && until_true 5 grep -q "hog: out of memory" /tmp/server.out ||
		{ cat /tmp/server.out; z status hog; return 1; }
	# the next server begins in the leaf of the first, and finds the same place
	kill -9 "$(grep -l -a -- --brain /proc/[0-9]*/cmdline | head -n 1 | tr -dc 0-9)"
	until_true 10 z list && z start hog
	until_true 30 sh -c "grep -c 'hog: out of memory' /tmp/server.out | grep -qx 2" || { cat /tmp/server.out; return 1; }
	z shutdown
	until_true 10 sh -c "! ls -d /sys/fs/cgroup/given/zinit-[0-9]*"
}

echo
start_server || cat /tmp/server.out
for name in $(sed -n 's/^test_\([a-z_]*\)().*/\1/p' /init); do
	if test_"$name" > /tmp/result 2>&1; then
		echo "ok $name"
	else
		echo "not ok $name"
		sed 's/^/# /' /tmp/result
		tail -n 15 /tmp/server.out | sed 's/^/# server: /'
	fi
done
sync
reboot -f
