#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The journal's recovery: the loader killed at each call with which it opens its sink; on real devices a dead loader's
# last writes are waited for, errors of the device are told, and the journal is exact in the end.
. "$(dirname "$0")/../support/e2e.sh"
export MILLRACE_SHM=$SHM
feed=$WORK/20200130-feed.itch
"$MILLRACE" gen itch --messages 20000 --out "$feed" >/dev/null 2>&1
long=$WORK/20200131-feed.itch
"$MILLRACE" gen itch --messages 200000 --out "$long" >/dev/null 2>&1

pipeline() { # NAME SINK: writes $WORK/NAME.yaml
    cat >"$WORK/$1.yaml" <<END
name: recovery-$1
source: {type: itch_file, path: $feed}
ring: {size: 1MiB}
sink: {$2}
END
}
same() { diff -rq -x .session -x lost+found "$1" "$2"; }
# The first two stages; the loader is the caller's.
begin() { # NAME
    "$MILLRACE" produce "$WORK/$1.yaml" >/dev/null 2>>"$WORK/$1.err" &
    others=($!)
    "$MILLRACE" transform "$WORK/$1.yaml" >/dev/null 2>>"$WORK/$1.err" &
    others+=($!)
}
end() { # NAME: they have ended well, and nothing is left
    local code=0
    wait "${others[0]}" || code=1
    wait "${others[1]}" || code=1
    "$MILLRACE" clean "recovery-$1" >/dev/null 2>&1
    return $code
}

# ---- killed while it opens -------------------------------------------------------------------------------
# At the k-th of each of the calls that change anything: what is left must not be refused.
killed_at_open() { # NAME EXPECTED
    local call k status kills=0
    for call in mkdir fallocate pwrite64 rename ftruncate fsync fdatasync unlink; do
        for k in 1 2 3; do
            rm -rf "$WORK/result"
            [ "$1" = append ] && cp -r "$WORK/whole" "$WORK/result"
            begin "$1"
            { strace -qq -o /dev/null -e inject=$call:signal=KILL:when=$k "$MILLRACE" load "$WORK/$1.yaml"; } >/dev/null 2>&1
            status=$?
            if [ $status != 0 ]; then
                kills=$((kills + 1))
                "$MILLRACE" load "$WORK/$1.yaml" >/dev/null 2>>"$WORK/$1.err" ||
                    { echo "$call $k: $(tail -n 3 "$WORK/$1.err")"; kill "${others[@]}"; end "$1"; return 1; }
            fi
            end "$1" || { echo "$call $k: $(tail -n 3 "$WORK/$1.err")"; return 1; }
            same "$2" "$WORK/result" || return 1
            [ $status = 0 ] && break
        done
    done
    [ $kills -gt 3 ]
}
pipeline refuse "type: journal, path: $WORK/result, segment_size: 4MiB, existing: refuse"
"$MILLRACE" run "$WORK/refuse.yaml" >/dev/null 2>&1
mv "$WORK/result" "$WORK/whole"
pipeline append "type: journal, path: $WORK/result, segment_size: 4MiB"
cp -r "$WORK/whole" "$WORK/result"
"$MILLRACE" run "$WORK/append.yaml" >/dev/null 2>&1
mv "$WORK/result" "$WORK/appended"
pipeline text "type: ndjson, path: $WORK/result/out.ndjson, existing: refuse"
"$MILLRACE" run "$WORK/text.yaml" >/dev/null 2>&1
mv "$WORK/result" "$WORK/text"
if strace -qq -o /dev/null true 2>/dev/null; then
    check "existing: refuse, killed at every call of the open" killed_at_open refuse "$WORK/whole"
    check "existing: append, killed at every call of the open" killed_at_open append "$WORK/appended"
    check "a text file, existing: refuse, killed at every call of the open" killed_at_open text "$WORK/text"
else
    skip "killed while it opens" "strace cannot trace here"
fi
rm -rf "$WORK/result"
mkdir "$WORK/result" && cp -r "$WORK/whole"/* "$WORK/result"
check_status "existing: refuse, a journal with records" 5 "$MILLRACE" run "$WORK/refuse.yaml"
check "... is untouched" same "$WORK/whole" "$WORK/result"
"$MILLRACE" clean recovery-refuse >/dev/null 2>&1

# ---- a torn tail -------------------------------------------------------------------------------------------
segment=$(ls "$WORK/result"/*.mrj | tail -n 1)
printf '\x40\0\0\0torn' >>"$segment"
check_equal "a torn tail: verify" "$("$MILLRACE" verify "$WORK/result" --json | jq -r '.state + " " + (.fault.below_durable_mark | tostring)')" \
    "torn false"
check "a torn tail: a run appends" "$MILLRACE" run "$WORK/append.yaml"
check "a torn tail: the bytes are those of a run behind a whole one" same "$WORK/appended" "$WORK/result"

# ---- devices -----------------------------------------------------------------------------------------------
need_device() {
    [ "$(id -u)" = 0 ] || { echo "takes root"; return 1; }
    [ -e /dev/fuse ] && [ -e /dev/loop-control ] || { echo "no /dev/fuse or /dev/loop-control here"; return 1; }
    local tool
    for tool in nbdkit nbdfuse mkfs.ext4 losetup; do
        command -v $tool >/dev/null || { echo "package of $tool not installed"; return 1; }
    done
}
if ! reason=$(need_device); then
    skip "devices" "$reason"
    finish
fi
disk=$WORK/disk
# attach FILTER...: a file system on a device behind these filters of nbdkit, at $disk. Without journal: a device error
# must not turn it off.
attach() {
    mkdir -p "$WORK/nbd" "$disk"
    nbdfuse "$WORK/nbd" [ nbdkit "$@" ] >"$WORK/nbd.log" 2>&1 &
    nbd=$!
    for _ in $(seq 100); do
        [ -e "$WORK/nbd/nbd" ] && break
        sleep 0.05
    done
    loop=$(losetup --find --show "$WORK/nbd/nbd" 2>>"$WORK/nbd.log") && mount "$loop" "$disk" 2>>"$WORK/nbd.log"
}
detach() {
    umount "$disk" 2>/dev/null || umount -l "$disk" 2>/dev/null
    [ -n "${loop:-}" ] && losetup -d "$loop" 2>/dev/null
    fusermount3 -u "$WORK/nbd" 2>/dev/null || fusermount -u "$WORK/nbd" 2>/dev/null || umount "$WORK/nbd" 2>/dev/null
    [ -n "${nbd:-}" ] && kill "$nbd" 2>/dev/null && wait "$nbd" 2>/dev/null
    loop='' nbd=''
}
trap 'detach; leave' EXIT
fresh() { # an empty file system in back.img
    rm -f "$WORK/back.img"
    truncate -s 64M "$WORK/back.img"
    mkfs.ext4 -q -F -O ^has_journal "$WORK/back.img"
}
# What is on the disk, not in a cache: the image read once more.
on_disk() { # EXPECTED [DIRECTORY]
    detach
    mkdir -p "$WORK/again"
    mount -o loop,ro "$WORK/back.img" "$WORK/again" || return 1
    same "$1" "$WORK/again/${2-journal}"
    local code=$?
    umount "$WORK/again"
    return $code
}

fresh
if ! attach --filter=delay file "$WORK/back.img" delay-write=700ms; then
    skip "devices" "no device behind nbdfuse here: $(tail -n 1 "$WORK/nbd.log")"
    finish
fi
direct=true
emulated "slow device: direct" "hides what the kernel says of direct writes" && direct=false
# The dead one's writes are on their way for as long as the device likes. Whoever comes next makes the session durable first,
# which waits for them already; that it waits at the lock, too, and says so, is shown in tests/unit/core/file_lock.c.
pipeline slow "type: journal, path: $disk, segment_size: 4MiB, direct: $direct"
begin slow
"$MILLRACE" load "$WORK/slow.yaml" >/dev/null 2>"$WORK/slow.log" &
loader=$!
for _ in $(seq 400); do # until it writes
    [ "$("$MILLRACE" stat recovery-slow --json 2>/dev/null | jq -r .stages.loader.phase)" = running ] && break
    sleep 0.05
done
sleep 0.3
{ kill -9 $loader; wait $loader; } 2>/dev/null
check_status "slow device: the loader after the dead one ends well" 0 "$MILLRACE" load "$WORK/slow.yaml"
check "slow device: so do the others" end slow
check "slow device: the journal on the disk is that of an undisturbed run" on_disk "$WORK/whole" ""

sed -i "s|path: $feed|path: $long|" "$WORK/append.yaml"
rm -rf "$WORK/result"
"$MILLRACE" run "$WORK/append.yaml" >/dev/null 2>&1
mv "$WORK/result" "$WORK/long"
for direct in false true; do
    what="device error, direct: $direct"
    [ $direct = true ] && emulated "$what" "hides what the kernel says of direct writes" && continue
    fresh
    rm -f "$WORK/inject"
    attach --filter=error file "$WORK/back.img" error-pwrite=EIO error-pwrite-rate=100% error-file="$WORK/inject"
    pipeline fails "type: journal, path: $disk/journal, segment_size: 4MiB, io: ${MILLRACE_IO:-auto}, direct: $direct, sync_interval: 1ms, sync_bytes: 64KiB"
    sed -i "s|path: $feed|path: $long|" "$WORK/fails.yaml"
    begin fails
    # In the second segment the device begins to say no.
    "$MILLRACE" load "$WORK/fails.yaml" >/dev/null 2>"$WORK/fails.log" &
    loader=$!
    for _ in $(seq 2000); do
        [ "$(ls "$disk/journal" 2>/dev/null | wc -l)" -gt 1 ] && break
        sleep 0.002
    done
    touch "$WORK/inject"
    wait $loader
    check_equal "$what: exit code" "$?" 5
    check_match "$what: the file, what failed, why" "$(cat "$WORK/fails.log")" "$disk/journal(/[0-9]{20}.mrj|/.next)?:.*[Ii]nput/output error"
    rm -f "$WORK/inject"
    check_status "$what: the next loader ends well" 0 "$MILLRACE" load "$WORK/fails.yaml"
    check "$what: so do the others" end fails
    check "$what: the journal on the disk is exact" on_disk "$WORK/long"
done
finish
