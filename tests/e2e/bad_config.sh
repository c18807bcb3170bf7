#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A pipeline file that is wrong: `check` and `run` say where and what was expected, exit with the documented code,
# and start nothing.
. "$(dirname "$0")/../support/bad_input.sh"
cd "$WORK" || exit 1
source='source: {type: mock, count: 10}'
sink='sink: {type: ndjson, path: out}'
s8='schemas: [{name: s, fields: [{name: a, type: u8}]}]'

# wrong NAME STATUS WORDS LINE...: the file p.yaml consists of these lines.
wrong() {
    local name=$1 expected=$2 words=$3 found
    shift 3
    printf '%s\n' "$@" >p.yaml
    timeout -k 3 20 "$MILLRACE" check p.yaml >check.out 2>&1
    found=$?
    if [ $found = "$expected" ] && grep -qE -- "$words" check.out; then ok "check: $name"; else
        not_ok "check: $name" "exit $found: $(tail -n 3 check.out), expected $expected and '$words'"
    fi
    refused "run: $name" "$expected" "$words" p.yaml
    [ -e out ] && not_ok "$name: wrote a file" && rm -rf out
}

wrong "an unknown key" 3 'p.yaml:2: snik: unknown key, did you mean sink' "$source" 'snik: {}' "$sink"
wrong "an unknown option" 3 'p.yaml:1: source.cuont: unknown key, did you mean count' 'source: {type: mock, cuont: 1}' "$sink"
wrong "a wrong type" 3 'p.yaml:1: source.count: found "ten", expected an integer' 'source: {type: mock, count: ten}' "$sink"
wrong "a list for a mapping" 3 'p.yaml:2: sink: expected keys and values' "$source" 'sink: [1]'
wrong "a number for a source" 3 'p.yaml:1: source\[0\]: expected keys and values' 'source: [1]' "$sink"
wrong "a list of no sources" 3 'p.yaml:1: source: found a list of 0 sources, expected 1 to 4' 'source: []' "$sink"
wrong "an unknown option of the second source" 3 'p.yaml:1: source\[1\].cuont: unknown key' 'source: [{type: mock}, {type: mock, cuont: 1}]' "$sink"
wrong "an unknown second source" 3 'p.yaml:1: source\[1\].type: found "mok", expected one of' 'source: [{type: mock}, {type: mok}]' "$sink"
wrong "a missing file of the second source" 4 'p.yaml:1: source\[1\].path: .*20200130.itch.*No such file' 'source: [{type: mock}, {type: itch_file, path: 20200130.itch}]' "$sink"
wrong "a way to merge that is none" 3 'p.yaml:2: merge: found "tmie", expected arrival or time' 'source: [{type: mock}, {type: mock}]' 'merge: tmie' "$sink"
wrong "a ring that is no power of two" 3 'p.yaml:3: ring.size: found 1000, expected a power of two' "$source" "$sink" 'ring: {size: 1000}'
wrong "a ring larger than any" 3 'ring.size: found 64TiB, expected .* to 64GiB' "$source" "$sink" 'ring: {size: 64TiB}'
wrong "a negative size" 3 'ring.size: found "-1", expected a size' "$source" "$sink" 'ring: {size: -1}'
wrong "a ring of nothing" 3 'ring.size: found 0, expected' "$source" "$sink" 'ring: {size: 0}'
wrong "a port that is none" 3 'metrics.port: found 70000' "$source" "$sink" 'metrics: {port: 70000}'
wrong "no source" 3 'p.yaml:1: key source is missing' "$sink"
wrong "no sink" 3 'p.yaml:1: key sink is missing' "$source"
wrong "a sink without its path" 3 'p.yaml:2: sink: key path is missing' "$source" 'sink: {type: csv}'
wrong "an unknown source" 3 'p.yaml:1: source.type: found "mok", expected one of .*mock' 'source: {type: mok}' "$sink"
wrong "an unknown sink" 3 'p.yaml:2: sink.type: found "jornal", expected one of .*journal' "$source" 'sink: {type: jornal, path: x}'
wrong "an unknown operator" 3 'p.yaml:4: transform\[0\].fliter: .*expected one of filter' "$source" "$sink" 'transform:' ' - fliter: value > 1'
wrong "a field that no schema has" 3 'p.yaml:4: transform\[0\].filter: .*"valeu".*"value"' "$source" "$sink" 'transform:' ' - filter: valeu > 1'
wrong "an expression that does not parse" 3 'p.yaml:4: .*character 9: found ">", expected a value' "$source" "$sink" 'transform:' " - filter: 'value > > 1'"
wrong "two operators in one item" 3 'p.yaml:4: transform\[0\]: .*several keys, expected one operator' "$source" "$sink" 'transform:' ' - filter: value > 1' '   set: {x: value}'
wrong "a sink field that no schema has" 3 'p.yaml:2: sink.fields: no schema has a field "colour"' "$source" 'sink: {type: csv, path: out, fields: "id,colour"}'
wrong "a schema that is not declared" 3 'p.yaml:1: source.schema: found "nope"' 'source: {type: lines, path: /dev/null, format: csv, schema: nope}' "$sink"
wrong "a type that is none" 3 'p.yaml:1: schemas\[0\].fields\[0\]: .*found type "u65"' 'schemas: [{name: s, fields: [{name: a, type: u65}]}]' "$source" "$sink"
wrong "a script that is not there" 3 'script.path: found none.lua, which cannot be read' "$source" "$sink" 'transform:' ' - script: {path: none.lua}'
wrong "an object that is not there" 3 'shared_object.path: found what cannot be loaded' "$source" "$sink" 'transform:' ' - shared_object: {path: ./none.so}'
wrong "a missing ITCH file" 4 'p.yaml:1: source.path: .*20200130.itch.*No such file' 'source: {type: itch_file, path: 20200130.itch}' "$sink"
wrong "a missing capture" 4 'p.yaml:1: source.path: .*none.pcap.*No such file' 'source: {type: pcap, path: none.pcap}' "$sink"
wrong "a missing file of lines" 4 'p.yaml:2: source.path: none.csv: .*No such file' "$s8" 'source: {type: lines, path: none.csv, format: csv, schema: s}' "$sink"
wrong "a missing journal" 4 'p.yaml:1: source.path: none: .*No such file' 'source: {type: journal, path: none}' "$sink"
wrong "not YAML" 3 "p.yaml:2: did not find expected" 'name: [a' '{{{{'
wrong "a tab" 3 'p.yaml:2: found a tab' 'name: a' $'\tsource: b'
wrong "a key twice" 3 'p.yaml:2: found key name a second time, the first is on line 1' 'name: a' 'name: b' "$source" "$sink"
wrong "a name with a slash" 3 'p.yaml:1: name: found the name "a/b"' 'name: a/b' "$source" "$sink"
wrong "an endless alias" 3 'p.yaml:1: .*nesting' 'source: &x {type: mock, a: *x}' "$sink"
wrong "one word" 3 'p.yaml:1: found a single value, expected keys' hello
wrong "a list" 3 'p.yaml:1: found a list, expected keys' '- a'
wrong "nothing but a comment" 3 'found nothing, expected keys' '# nothing'

: >p.yaml
refused "an empty file" 3 'p.yaml: found nothing, expected keys' p.yaml
head -c 3000 /dev/urandom >p.yaml
refused "random bytes" 3 'p.yaml' p.yaml
refused "no file" 3 'none.yaml: cannot open: No such file' none.yaml
refused "a directory" 3 'cannot read: Is a directory' "$WORK"
printf '%s\n' "$source" "$sink" >p.yaml
refused "an override without a value" 2 'expected KEY=VALUE' p.yaml --set source.count
refused "an override of an unknown key" 3 '--set.*source.cuont' p.yaml --set source.cuont=1
finish
