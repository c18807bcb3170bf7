# SPDX-License-Identifier: Apache-2.0
# What the scripts about the loader share, beside e2e.sh: a synthetic session as $feed, one pipeline a sink, a run
# of it, and one in which the loader is killed again and again.
. "$(dirname "${BASH_SOURCE[0]}")/e2e.sh"

messages=${messages:-400000}
feed=$WORK/20200130-feed.itch
"$MILLRACE" gen itch --messages "$messages" --out "$feed" >/dev/null 2>&1

pipeline() { # NAME SINK...: writes $WORK/NAME.yaml
    cat >"$WORK/$1.yaml" <<YAML
name: $1
shm: $SHM
source: {type: itch_file, path: $feed}
ring: {size: 1MiB}
sink: {$2}
YAML
}

run() { # NAME [SET...]
    local name=$1 sets=()
    shift
    for set in "$@"; do sets+=(--set "$set"); done
    "$MILLRACE" run "$WORK/$name.yaml" --json "${sets[@]}" >"$WORK/$name.json" 2>"$WORK/$name.err"
}

# The trio by hand; the loader is killed after each of the given times (hundredths of a second), until
# one comes to its end.
run_killing() { # NAME TIME...
    local name=$1 pid status=137
    shift
    "$MILLRACE" produce "$WORK/$name.yaml" 2>"$WORK/$name.produce" &
    local producer=$!
    "$MILLRACE" transform "$WORK/$name.yaml" 2>"$WORK/$name.transform" &
    local transform=$!
    for time in "$@" 6000; do
        "$MILLRACE" load "$WORK/$name.yaml" 2>>"$WORK/$name.load" &
        pid=$!
        for ((i = 0; i < time; i++)); do
            sleep 0.01
            kill -0 $pid 2>/dev/null || break
        done
        kill -9 $pid 2>/dev/null
        wait $pid 2>/dev/null
        status=$?
        [ $status != 137 ] && break
        # It may have died behind its last act: then the run is over.
        "$MILLRACE" stat "$WORK/$name.yaml" 2>/dev/null | grep -q ": done" && status=0 && break
    done
    wait $producer && wait $transform || status=99
    [ $status = 0 ] || tail -n 5 "$WORK/$name".{produce,transform,load}
    return $status
}

same() { diff -rq "$1" "$2"; }
