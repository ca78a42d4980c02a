#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Install what a group of tasks needs, on Debian 12. Does nothing where all is there already.
# Usage: tools/install-deps.sh GROUP...     groups: build demo test
set -eu

build="gcc g++ meson ninja-build pkg-config libc6-dev libjansson-dev libtomlplusplus-dev libzstd-dev zlib1g-dev libcurl4-openssl-dev libpcre2-dev"
demo="redis-server redis-tools nginx-light curl procps"
test="$build $demo clang libclang-rt-14-dev llvm libcmocka-dev python3 python3-pytest python3-pytest-xdist python3-jsonschema
	python3-pytest-timeout python3-prometheus-client postgresql procps psmisc strace util-linux socat shellcheck codespell mypy
	scdoc mandoc openssl rsyslog haproxy clickhouse-server"

# The virtual machine of test/vm.
if [ "$(uname -m)" = x86_64 ]; then
	test="$test qemu-system-x86 linux-image-cloud-amd64 busybox-static"
fi

policy=/usr/sbin/policy-rc.d
made_policy=

# The packages' own services (redis, nginx, postgresql) must not start: they would take the machine's ports.
forbid_service_starts() {
	[ ! -e "$policy" ] || return 0
	printf '#!/bin/sh\nexit 101\n' > "$policy"
	chmod 755 "$policy"
	made_policy=yes
}

clean_up() {
	[ -z "$made_policy" ] || rm -f "$policy"
}

missing_of() {
	local package
	for package; do
		case $(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null) in
		installed) ;;
		*) echo "$package" ;;
		esac
	done
}

main() {
	local group wanted="" missing
	for group; do
		case $group in
		build) wanted="$wanted $build" ;;
		demo) wanted="$wanted $demo" ;;
		test) wanted="$wanted $test" ;;
		*) echo "install-deps.sh: no group '$group' (build, demo, test)" >&2; exit 2 ;;
		esac
	done

	if ! command -v dpkg-query > /dev/null; then
		echo "install-deps.sh: this is not Debian; please see to it that these are there:" >&2
		echo "$wanted" | fmt >&2
		return 0
	fi

	# shellcheck disable=SC2086 # a list of words
	missing=$(missing_of $wanted | sort -u | tr "\n" " ")
	[ -n "$missing" ] || return 0
	if [ "$(id -u)" != 0 ]; then
		echo "install-deps.sh: run as root, or install these first: $missing" >&2
		exit 1
	fi

	echo "installing: $missing"
	trap clean_up EXIT
	forbid_service_starts
	export DEBIAN_FRONTEND=noninteractive
	apt-get update -q
	# shellcheck disable=SC2086
	apt-get install -q -y --no-install-recommends $missing
}

main "$@" < /dev/null
