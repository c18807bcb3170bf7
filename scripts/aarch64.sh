#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The tests of a build for aarch64 on another machine, under qemu's user emulation:
# `aarch64.sh BUILD_DIR ROOT [WORD...]`, words as in test.sh; ROOT is where aarch64-root.sh unpacked the libraries.
#
# The kernel is told to run such programs through qemu (binfmt_misc), where it is not yet: for the time of
# the tests, and with root's rights. Emulated, everything takes some ten times as long: the counts of what
# is long for its own sake are smaller.
set -uo pipefail
cd "$(dirname "$0")/.."
build=${1:?usage: aarch64.sh BUILD_DIR ROOT [WORD...]}
root=${2:?usage: aarch64.sh BUILD_DIR ROOT [WORD...]}
shift 2
formats=/proc/sys/fs/binfmt_misc
name=qemu-aarch64
registered= mounted=

leave() {
    [ -n "$registered" ] && echo -1 >"$formats/$name"
    [ -n "$mounted" ] && umount "$formats"
}
trap leave EXIT

teach_kernel() {
    [ -e "$formats/$name" ] && return
    if [ ! -e "$formats/register" ]; then
        mount -t binfmt_misc binfmt_misc "$formats" && mounted=1
    fi
    cat "/usr/lib/binfmt.d/$name.conf" >"$formats/register" && registered=1
}

export QEMU_LD_PREFIX=$PWD/$root MILLRACE_EMULATED=aarch64
export MILLRACE_STRESS_RECORDS=${MILLRACE_STRESS_RECORDS:-300000} MILLRACE_TEST_SECONDS_MAX=900
if [ "$(uname -m)" != aarch64 ] && ! teach_kernel; then
    echo "aarch64: the kernel cannot be told to run programs for aarch64 (binfmt_misc); root can tell it:" \
        "systemd-binfmt, or update-binfmts --enable $name" >&2
    exit 1
fi
SECONDS=0
if "$build/millrace" version >/dev/null; then
    last=$(scripts/test.sh "$build" "$@" | tee /dev/stderr | tail -n 1)
else
    last="$build/millrace does not run"
fi
echo "aarch64 under $(qemu-aarch64-static --version | sed -n '1s/ (.*//p'): $last in $((SECONDS / 60)) min"
[[ $last == *" 0 failed" ]]
