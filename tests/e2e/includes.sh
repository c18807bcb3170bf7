#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The include check passes on this tree, and fails on each kind of violation planted in a copy of it.
# any-build: no
. "$(dirname "$0")/../support/e2e.sh"

check "the tree keeps its walls" .ci/check-includes

tree=$WORK/tree
mkdir -p "$tree"/{core/formats,core/pipeline,ringbuf,producers,consumers/transform,consumers/loader,cli,scripts}
spdx='// SPDX-License-Identifier: Apache-2.0'
printf '%s\n#include "core/segment.h"\n' "$spdx" >"$tree/ringbuf/ring.h"
check "a tree without violations passes" .ci/check-includes "$tree"

planted() { # FILE LINE EXPECTED-WORDS
    mkdir -p "$(dirname "$tree/$1")"
    printf '%s\n%s\n' "$spdx" "$2" >"$tree/$1"
    local output
    output=$(.ci/check-includes "$tree" 2>&1)
    if [ $? = 1 ] && [[ $output == *"$1:2: "*"$3"* ]]; then
        ok "found: $1 with $2"
    else
        not_ok "found: $1 with $2" "$output"
    fi
    rm "$tree/$1"
}
planted core/record.c '#include "ringbuf/ring.h"' 'may not depend on ringbuf'
planted core/formats/csv.c '#include "core/pipeline/stage.h"' 'may not depend on pipeline'
planted ringbuf/writer.c '#include "core/pipeline/stage.h"' 'may not depend on pipeline'
planted core/pipeline/run.c '#include "producers/source.h"' 'may not depend on producers'
planted producers/mock.c '#include "consumers/loader/sink.h"' 'may not depend on loader'
planted producers/mock.c '#include "consumers/transform/operator.h"' 'may not depend on transform'
planted consumers/transform/set.c '  #  include "producers/source.h"' 'may not depend on producers'
planted consumers/loader/csv.c '#include "consumers/transform/operator.h"' 'may not depend on transform'
planted consumers/loader/csv.c '#include "cli/cli.h"' 'may not depend on cli'
planted examples/consumer.c '#include "core/record.h"' 'may not depend on core'
planted consumers/loader/journal.c '#include <liburing.h>' 'belongs to consumers/loader/io_uring.c'
planted ringbuf/reader.c '#include <ck_pr.h>' 'belongs to core/atomic.h'
planted core/formats/csv.cpp '#include <simdjson.h>' 'belongs to core/formats/json.cpp'
planted producers/lines.c '#include <pcap/pcap.h>' 'belongs to producers/pcap.c'
planted cli/stat.c '#include <ncurses.h>' 'belongs to cli/top.c'
planted misc/thing.c '#include <stdio.h>' 'in no area'

echo 'int x;' >"$tree/core/bare.c"
check_fails "a file without licence line" .ci/check-includes "$tree"
rm "$tree/core/bare.c"
echo 'echo' >"$tree/scripts/bare.sh"
check_fails "a script without licence line" .ci/check-includes "$tree"
finish
