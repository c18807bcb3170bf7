#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# `aarch64-root.sh DIRECTORY`: unpacks Debian's libraries and headers for aarch64 there: those that the
# lists `build` and `test` of packages.txt name, and what they need. Nothing of the host's own packages changes,
# no right is needed. Does nothing where they stand there already.
set -euo pipefail
root=$(realpath -m "${1:?usage: aarch64-root.sh DIRECTORY}")
cd "$(dirname "$0")"
suite=bookworm

# Libraries only: compilers and tools are the host's. The C++ library comes with a compiler otherwise.
packages=$(sed -nE 's/^(build|test) //p' packages.txt | tr ' ' '\n' | grep -E '^(lib.*|.*[0-9]g)-dev$' |
    grep -v '^libclang' | sort | paste -sd,),libstdc++-12-dev
[ -f "$root/.packages" ] && [ "$(cat "$root/.packages")" = "$suite $packages" ] && exit 0

echo "aarch64-root: unpacking Debian's libraries for aarch64 in $root"
rm -rf "$root"
mkdir -p "$(dirname "$root")"
log=$(mktemp)
# Whatever the host was told of getting packages (a proxy, say) holds here, too.
if ! mmdebstrap --quiet --variant=extract --architectures=arm64 --include="$packages" \
    --aptopt="$(apt-config dump Acquire | grep -v '""' | tr '\n' ' ')" "$suite" "$root" >"$log" 2>&1; then
    echo "aarch64-root: mmdebstrap could not unpack them:" >&2
    tail -n 5 "$log" >&2
    rm -rf "$root" "$log"
    exit 1
fi
rm -f "$log"
cd "$root"
# /lib is /usr/lib, as everywhere since Debian 12; links lead inside; what is no library would hide the host's
# files from the emulator, which looks for every path in here first.
cp -a lib/. usr/lib/
find . -mindepth 1 -maxdepth 1 ! -name usr -exec rm -rf {} +
find usr -mindepth 1 -maxdepth 1 ! -name lib ! -name include -exec rm -rf {} +
ln -s usr/lib lib
find usr -type l -lname '/*' -printf '%p %l\n' | while read -r link target; do
    ln -sfnr ".${target/#\/lib\//\/usr\/lib\/}" "$link"
done
echo "$suite $packages" >.packages
