#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Sees to it that the Debian packages of scripts/packages.txt are there: `deps.sh build`, `deps.sh test` or
# `deps.sh peers` (both of these include build). Installs what is missing as root or through sudo; otherwise says which
# and stops. `deps.sh KIND only-ask` installs and says nothing: exit code 0 where all are there, else 1.
set -eu
here=$(dirname "$0")
kinds=build
[ "${1:-build}" != build ] && kinds="build|$1"
only_ask=${2:-}
wanted=$(grep -E "^($kinds) " "$here/packages.txt" | cut -d' ' -f2- | tr ' ' '\n')

if ! command -v dpkg-query >/dev/null 2>&1; then
    [ -z "$only_ask" ] || exit 1
    echo "deps: this is not Debian (no dpkg). Install the equivalents of these packages, then build with" >&2
    echo "      make DEPS=skip ... :" >&2
    echo "$wanted" | sed 's/^/        /' >&2
    exit 1
fi

missing=
for package in $wanted; do
    state=$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null || true)
    [ "$state" = installed ] || missing="$missing $package"
done
[ -z "$missing" ] && exit 0
[ -z "$only_ask" ] || exit 1

if [ "$(id -u)" = 0 ]; then
    root=
elif command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
    root='sudo -n'
else
    echo "deps: these Debian packages are missing, and this user may not install them (no root, no sudo):" >&2
    echo "       $missing" >&2
    exit 1
fi
echo "deps: installing$missing"
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
if ! { $root apt-get update -q && $root apt-get install -y -q --no-install-recommends $missing; } >"$log" 2>&1; then
    echo "deps: apt-get could not install:$missing" >&2
    tail -n 5 "$log" >&2
    rm -f "$log"
    exit 1
fi
rm -f "$log"
