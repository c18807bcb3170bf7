#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# As a service: what `run` and each stage tell the notification socket, and that the unit files are good.
. "$(dirname "$0")/../support/e2e.sh"
export MILLRACE_SHM=$SHM
notified() { # SECONDS COMMAND...
    "${PYTHON:-python3}" tests/support/notify_socket.py "$@" 2>"$WORK/log"
}
times() { # WORD: how often it was told by the process that was started
    awk -v word="$1" '$1 == word && $NF == "main" { print $(NF - 1) }' "$WORK/told"
}
cat >"$WORK/service.yaml" <<END
name: service
source: {type: mock, interval: 1ms}
sink: {type: journal, path: $WORK/journal}
END
expect_service() { # NAME STATUS
    check_equal "$1: it drains at SIGTERM" "$2" 0
    check_equal "$1: ready once" "$(times READY=1)" 1
    check "$1: the watchdog hears of it, $(times WATCHDOG=1) times" test "$(times WATCHDOG=1)" -ge 4
    check "$1: it says that it stops" test "$(times STOPPING=1)" -ge 1
    check_equal "$1: ready comes before stopping" "$(grep -oE '^(READY|STOPPING)' "$WORK/told" | head -n 2 | xargs)" "READY STOPPING"
    check_equal "$1: nobody else speaks for it" "$(grep -c other "$WORK/told")" 0
}
notified 2 "$MILLRACE" run "$WORK/service.yaml" --json >"$WORK/told"
expect_service run $?
check "run: its state in words" grep -q '^STATUS=running' "$WORK/told"

# Each stage by itself, hardened: what it is allowed still holds its notices.
harden=true
export ASAN_OPTIONS="${ASAN_OPTIONS:-}:detect_leaks=0" # which stops the process from another one: refused
emulated "each stage, hardened" "does not filter system calls" && harden=false
sed -i "s/name: service/name: stages/; s/journal}/alone}/; \$ a harden: $harden" "$WORK/service.yaml"
declare -A pids
for stage in load transform produce; do
    notified 2 "$MILLRACE" $stage "$WORK/service.yaml" >"$WORK/told.$stage" &
    pids[$stage]=$!
done
for stage in produce transform load; do
    wait ${pids[$stage]}
    status=$?
    cp "$WORK/told.$stage" "$WORK/told"
    expect_service $stage $status
done

# A run that is over before it was looked at was ready all the same; one that is refused never was.
cat >"$WORK/short.yaml" <<END
name: short
source: {type: mock, count: 10}
sink: {type: journal, path: $WORK/short}
END
notified 20 "$MILLRACE" run "$WORK/short.yaml" --json >"$WORK/told"
check_equal "a short run: its end is no failure to start" "$? $(times READY=1)" "0 1"
notified 20 "$MILLRACE" run "$WORK/short.yaml" --json --set sink.existing=refuse >"$WORK/told"
check_equal "a run that is refused" "$? $(times READY=1)" "5 "
check_status "and nothing is said where nobody listens" 0 env NOTIFY_SOCKET=/nowhere "$MILLRACE" run "$WORK/short.yaml"

# The units, as they are installed.
mkdir -p "$WORK/usr/bin"
cp "$MILLRACE" "$WORK/usr/bin/"
for unit in systemd/*@.*; do
    sed "s|@PREFIX@|$WORK/usr|" "$unit" >"$WORK/$(basename "$unit")"
done
if command -v systemd-analyze >/dev/null; then
    for unit in "$WORK"/*@.service "$WORK"/*@.target; do
        name=$(basename "$unit")
        cp "$unit" "$WORK/${name/@/@x}"
        check_equal "$name is good" "$(SYSTEMD_UNIT_PATH="$WORK:" systemd-analyze verify --man=no "$WORK/${name/@/@x}" 2>&1 |
            grep -F "$WORK" )" ""
    done
else
    skip "the units" "no program systemd-analyze"
fi
for command in produce transform load; do
    check "a unit for $command" grep -lq "millrace $command /etc" systemd/*.service
done
finish
