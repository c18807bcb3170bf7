# SPDX-License-Identifier: Apache-2.0
# What the end-to-end scripts about bad input share, beside e2e.sh. Pipelines run in $SHM; a run that hangs is
# killed after 20 s and fails its case.
. "$(dirname "${BASH_SOURCE[0]}")/e2e.sh"
export MILLRACE_SHM=$SHM

# run ARGUMENT...: `millrace run`; sets status. Its object stands in $WORK/final, its words in $WORK/log.
run() {
    timeout -k 3 20 "$MILLRACE" run "$@" --json >"$WORK/final" 2>"$WORK/log"
    status=$?
}
# The same from the last run's object: count STAGE.KIND, and whether it balances.
count() { jq ".stages.$1" "$WORK/final"; }
letters() { "$MILLRACE" cat "$1" --format ndjson --fields sequence,reason,detail 2>"$WORK/letters"; }

# refused NAME STATUS WORDS ARGUMENT...: a run ends so, with these words (a regular expression), has accepted no
# record, and leaves no segment behind.
refused() {
    local name=$1 expected=$2 words=$3 segments
    shift 3
    run "$@"
    segments=$(find "$MILLRACE_SHM" \( -name '*.ring*' -o -name '*.stage*' \) 2>/dev/null | wc -l)
    if [ "$status" != "$expected" ]; then
        not_ok "$name" "exit $status, expected $expected: $(tail -n 3 "$WORK/log")"
    elif ! grep -qE -- "$words" "$WORK/log"; then
        not_ok "$name" "said '$(tail -n 3 "$WORK/log")', expected a match of '$words'"
    elif [ "$segments" != 0 ]; then
        not_ok "$name" "left $segments segments in shared memory"
    else
        ok "$name"
    fi
}
# finished NAME IN OUT REJECTED: the last run ended well, balanced, with these counts of its producer.
finished() {
    check_equal "$1" "$status $(jq -c '[.balance, .stages.producer.in, .stages.producer.out,
        .stages.producer.rejected]' "$WORK/final" 2>&1)" "0 [true,$2,$3,$4]"
}
# small_disk DIRECTORY SIZE: a file system of that size there; false (and a skip) where it cannot be mounted.
small_disk() {
    mkdir -p "$1"
    if mount -t tmpfs -o "size=$2" none "$1" 2>/dev/null; then
        mounts="${mounts:-} $1"
        return 0
    fi
    skip "a file system of $2" "no right to mount one"
    return 1
}
leave_mounts() {
    for directory in ${mounts:-}; do umount -l "$directory"; done
    leave
}
trap leave_mounts EXIT
