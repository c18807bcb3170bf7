#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Who may see a run: its user alone; with `share:` a group, which may look and no more. And who may reach it: nothing
# listens beyond this host unless it is told to.
. "$(dirname "$0")/../support/e2e.sh"
cd "$WORK" || exit 1
chmod 755 "$WORK"
chmod 1777 "$SHM"
export MILLRACE_SHM=$SHM
seq 1 2000 | awk 'BEGIN { print "id,value" } { print $1 "," $1 / 7 }' >lines.csv
chmod 644 lines.csv
cat >p.yaml <<END
name: private
schemas: [{name: reading, fields: [{name: id, type: u32}, {name: value, type: f64}]}]
source: {type: lines, path: $WORK/lines.csv, format: csv, schema: reading, follow: true}
sink: {type: journal, path: $WORK/journal, existing: replace}
END
parent=$SHM/millrace-$(id -u) directory=$SHM/millrace-$(id -u)/private

start() { # SETS...: until all lines are through
    rm -rf journal
    "$MILLRACE" run p.yaml "$@" --json >final 2>log &
    run=$!
    for i in $(seq 200); do
        [ "$("$MILLRACE" stat private --json 2>/dev/null | jq '.stages.loader | select(.alive) | .out')" = 2000 ] && return
        sleep 0.05
    done
    not_ok "a run" "$(cat log)"
}
stop() {
    kill -TERM $run
    wait $run
}
modes() { (cd "$1" && stat -c '%a %n' "${@:2}" | sort -u | tr '\n' ' '); }

# ---- its user's alone ----------------------------------------------------------------------------
start
check_equal "directories" "$(modes "$SHM" . "$(basename "$parent")" "$(basename "$parent")/private" | sed 's/1777 \. //')" \
    "700 $(basename "$parent") 700 $(basename "$parent")/private "
check_equal "segments and locks" "$(cd "$directory" && stat -c %a ./*.ring ./*.stage ./*.state ./*.lock | sort -u)" 600
listening() { # PID: the addresses its process listens on, in hex as the kernel says them
    local inode
    for fd in /proc/"$1"/fd/*; do readlink "$fd"; done 2>/dev/null | sed -n 's/socket:\[\(.*\)\]/\1/p' | while read -r inode; do
        awk -v inode="$inode" '$4 == "0A" && $10 == inode { print $2 }' /proc/net/tcp /proc/net/tcp6
    done
}
all_listening() { for pid in $run $(pgrep -P $run); do listening "$pid"; done; }
check_equal "nothing listens" "$(all_listening)" ""
stop

# ---- what others have put in its place -------------------------------------------------------------
rm -rf "$parent"
mkdir elsewhere
ln -s "$WORK/elsewhere" "$parent"
check_status "a link in the place of the directory" 6 "$MILLRACE" run p.yaml
check_equal "nothing was put where it leads" "$(ls elsewhere)" ""
check_status "nor is it followed to look" 6 "$MILLRACE" stat private
rm "$parent"
start
kill -9 $run $(pgrep -P $run)
wait $run 2>/dev/null
mv "$directory/egress.ring" real.ring
ln -s "$WORK/real.ring" "$directory/egress.ring"
check_status "a link in the place of a ring" 6 timeout 20 "$MILLRACE" run p.yaml
"$MILLRACE" clean private >/dev/null 2>&1
chmod 777 "$parent"
start
check_equal "a directory that was open is closed" "$(stat -c %a "$parent")" 700
stop

# ---- what listens --------------------------------------------------------------------------------
port=$((20000 + RANDOM % 20000))
start --set metrics.port=$port
check_match "metrics: on 127.0.0.1 alone" "$(all_listening | tr '\n' ' ')" '^0100007F:[0-9A-F]+ $'
stop
start --set metrics.port=$port --set metrics.address=0.0.0.0
check_match "metrics: where it is told to" "$(all_listening | tr '\n' ' ')" '^00000000:[0-9A-F]+ $'
stop
check_status "metrics: no address" 3 "$MILLRACE" check p.yaml --set metrics.port=1 --set metrics.address=localhost

# ---- another user --------------------------------------------------------------------------------
check_status "share: a group that is not there" 3 "$MILLRACE" check p.yaml --set 'share={group: no-such-group}'
[ "$(id -u)" = 0 ] || { skip "another user" "needs root to become one"; finish; }
command -v setpriv >/dev/null || { skip "another user" "package util-linux not installed (setpriv)"; finish; }
group=$(getent group 65534 | cut -d: -f1)
[ -n "$group" ] || { skip "another user" "this system has no group 65534"; finish; }
other=(setpriv --reuid 12345 --clear-groups)
"${other[@]}" --regid 12345 "$MILLRACE" version >/dev/null 2>&1 ||
    { skip "another user" "the program cannot be run by another user"; finish; }
member=("${other[@]}" --regid 65534 env "MILLRACE_SHM=$SHM" "$MILLRACE")
stranger=("${other[@]}" --regid 12345 env "MILLRACE_SHM=$SHM" "$MILLRACE")

start
check_fails "not shared: a member of the group cannot look" "${member[@]}" tap ingress private --user "$(id -u)" --oldest --limit 1
stop
start --set "share={group: $group}"
check_equal "shared: directories" "$(modes "$SHM" "$(basename "$parent")" "$(basename "$parent")/private")" \
    "711 $(basename "$parent") 750 $(basename "$parent")/private "
check_equal "shared: what can be looked at" "$(cd "$directory" && stat -c '%a %G' ./*.ring ./*.stage | sort -u)" "640 $group"
check_equal "shared: state and locks are not" "$(cd "$directory" && stat -c %a ./*.state ./*.lock | sort -u)" 600
"${member[@]}" stat private --user "$(id -un)" --json >stat 2>err
check_equal "shared: a member sees the counts" "$(jq .stages.loader.out stat)" 2000
tail -n 5 lines.csv >>more && ( "${member[@]}" tap ingress private --user "$(id -un)" --limit 3 >tapped 2>err & echo $! >pid
    sleep 0.5; cat more >>lines.csv; wait )
check_equal "shared: a member's tap" "$(wc -l <tapped)" 3
for file in ingress.ring loader.stage loader.stage.lock setup.lock; do
    check_fails "shared: a member cannot write $file" "${other[@]}" --regid 65534 sh -c ": >>'$directory/$file'"
done
check_fails "shared: a member cannot hold the lock" "${other[@]}" --regid 65534 flock -n "$directory/loader.stage.lock" true
check_fails "shared: nor can it add or remove" "${other[@]}" --regid 65534 touch "$directory/mine"
check_fails "shared: a stranger cannot look" "${stranger[@]}" stat private --user "$(id -un)"
check_status "there is no such user" 2 "$MILLRACE" stat private --user no-such-user
stop
check_equal "and it ends as any other" "$? $(jq .balance final)" "0 true"
finish
