#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# One object of several static libraries, in which only zinit_* is visible, as an archive of its own: a program that links it
# statically meets no name of ours but those of the header.
# Usage: make_static.sh OUTPUT LIBRARY...   ($LD, $OBJCOPY, $AR)
set -eu
out=$1
shift
object=${out%.a}.o
"${LD:-ld}" -r -o "$object" --whole-archive "$@"
"${OBJCOPY:-objcopy}" --wildcard --keep-global-symbol='zinit_*' "$object"
rm -f "$out"
"${AR:-ar}" rcs "$out" "$object"
