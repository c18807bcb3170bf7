#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Some of the tests as an ordinary user with 8 MiB of lockable memory; `make test-user` runs all of them so.
# any-build: no
. "$(dirname "$0")/../support/e2e.sh"
if [ "$(id -u)" != 0 ]; then
    skip user "this is an ordinary user"
    finish
fi
scripts/places.sh "$BUILD" user unit/loader unit/pipeline/memory e2e/mock e2e/examples >"$WORK/log" 2>&1
check_match "an ordinary user" "$?:$(tail -n 40 "$WORK/log")" \
    '^0:.*ordinary user with 8 MiB of lockable memory: [1-9][0-9]+ passed, 0 failed$'
finish
