#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What README.md and the pipelines' own comments tell one to type is typed: every `millrace` command, in
# their order, in an empty directory with small stand-ins for the files they name; every pipeline shown,
# the C program, and the tables of sources, operators and sinks.
. "$(dirname "$0")/../support/e2e.sh"
export MILLRACE_SHM=$SHM
readme=$PWD/README.md
root=$PWD
place=$WORK/place
mkdir -p "$place" "$WORK/bin"
ln -s "$MILLRACE" "$WORK/bin/millrace"
PATH=$WORK/bin:$PATH

# ---- stand-ins -------------------------------------------------------------------------------------
cp -r pipelines "$place"
mkdir -p "$place/examples" "$place/build/release/examples" "$place/days" "$place/out"
cp -r examples/operators "$place/examples"
cp -r "$BUILD/examples/operators" "$place/build/release/examples"
# A made session lasts all day, a real excerpt 22 seconds: paced commands then end by themselves.
cp --no-preserve=mode "$SAMPLES/itch/20200130-0400-premarket.itch" "$place/20200130.itch" 2>/dev/null ||
    millrace gen itch --messages 5000 --date 2020-01-30 --out "$place/20200130.itch" >/dev/null 2>&1
cat >"$place/days/2011-01-04.csv" <<'END'
InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country
539993,22386,JUMBO BAG PINK POLKADOT,10,2011-01-04 10:00:00,1.95,13313.0,United Kingdom
C539994,21499,"BLUE, ""SPOTTED"" WRAP",-25,2011-01-04 10:05:00,0.42,,France
END
printf '%s %s\n' 1723161255088176367 '{"stream":"btcusdt@trade","data":{"e":"trade","T":1723161256322,"s":"BTCUSDT","p":"61800.30","q":"0.006","m":false}}' \
    1723161255088169167 '{"stream":"btcusdt@bookTicker","data":{"e":"bookTicker","u":5123107839020,"s":"BTCUSDT"}}' |
    gzip >"$place/btcusdt.ndjson.gz"
cat >"$place/other.yaml" <<'END'
name: other
source: {type: itch_file, path: any.itch}
transform: [{filter: "symbol != ''"}]
sink: {type: ndjson, path: out/other.ndjson}
END

# Runs a line as it stands, in the place of the stand-ins. A feed that would pace for hours is told to end.
type_in() { (cd "$place" && timeout -k 5 -s INT --preserve-status 14 bash -c "$1"); }
# typed WHERE: the commands on standard input, one a line.
typed() {
    local line count=0
    while IFS= read -r line; do
        count=$((count + 1))
        check "$1: $line" type_in "$line"
    done
    check "$1: there are commands" test $count -gt 0
}
commands() { sed -nE 's/^ {4}(millrace .*)$/\1/p' "$1" | sed -E 's/ {2,}#.*//'; }

# ---- the pipelines shown -------------------------------------------------------------------------
awk -v to="$place" '/^```yaml/ { inside = 1; block = ""; name = ""; next }
    /^```/ && inside { inside = 0; if (name != "") printf "%s", block >(to "/" name ".yaml"); next }
    inside { block = block $0 "\n"; if ($1 == "name:" && name == "") name = $2 }' "$readme"
check_equal "README: as many pipelines as it shows" "$(ls "$place"/mock.yaml "$place"/itch.yaml | wc -l)" "$(grep -c '^```yaml' "$readme")"
plain() { sed -E 's/ *#.*//; /^$/d' "$1"; }
check_equal "README: the first pipeline is pipelines/mock.yaml" "$(plain "$place/mock.yaml")" "$(plain pipelines/mock.yaml)"
for name in mock itch; do
    check "README: the pipeline $name is valid" type_in "millrace check $name.yaml"
done

# ---- the commands ----------------------------------------------------------------------------------
commands "$readme" >"$WORK/commands"
typed README <"$WORK/commands"
check_equal "README: the journal has what the commands look for" \
    "$(type_in "millrace verify out/itch --json" | jq -r .state)" whole
grep -oE '`millrace [^`]*`' "$readme" | tr -d '`' | grep -E '^millrace help ' | typed "README, inline"
for target in $(sed -nE 's/^ {4}make ([a-z]+).*/\1/p' "$readme"); do
    check "README: make $target is a target" grep -qE "^$target:" Makefile
done
for name in $(sed -n '/^## The command/,/^## How/p' "$readme" | grep -oE '`[a-z]+[ `]' | tr -d '` ' | sort -u); do
    check "README: millrace $name is a command" millrace help "$name"
done
for file in "$place"/pipelines/*.yaml; do
    sed -nE 's/^# {5}(millrace .*)$/\1/p' "$file" >"$WORK/commands"
    [ -s "$WORK/commands" ] || echo "millrace check pipelines/${file##*/}" >"$WORK/commands"
    # Two million messages are for demonstrations.
    [ -e "$place/session.itch" ] || cp "$place/20200130.itch" "$place/session.itch"
    sed -i -E 's/--messages [0-9]+/--messages 20000/' "$WORK/commands"
    typed "pipelines/${file##*/}" <"$WORK/commands"
done

# ---- the tables --------------------------------------------------------------------------------------
table() { # HEADING: the names in the first column of the table so headed
    awk -v heading="$1" '$0 ~ "^\\| " heading " \\|" { inside = 1; next } inside && !/^\|/ { exit }
        inside && /`/ { split($0, cells, "|"); gsub(/[` ]/, "", cells[2]); gsub(/,/, "\n", cells[2]); print cells[2] }' "$readme" | sort
}
for kind in source operator sink; do
    check_equal "README: the table of every $kind" "$(table $kind)" "$(millrace help $kind | awk '{ print $1 }' | sort)"
done
for option in --set --json; do
    check "README: run has $option" bash -c "millrace run --help | grep -q -- '$option'"
done
check_equal "README: the columns of the counts" "$(sed -nE 's/^ +(in +out +filtered.*)/\1/p' "$readme" | xargs)" \
    "$(type_in 'millrace run itch.yaml --set sink.existing=replace' | sed -nE 's/^ +(in +out +filtered.*)/\1/p' | xargs)"

# ---- the C program -------------------------------------------------------------------------------
{
    echo '#include <millrace.h>'
    echo 'void use(const struct mr_record *record, uint32_t length);'
    echo 'int main(void) { struct mr_error err;'
    sed -n '/^```c$/,/^```$/p' "$readme" | grep -vE '^```|^#include' | sed 's/\.\.\.;/return 1;/'
    echo 'return 0; }'
} >"$WORK/program.c"
check "README: the C program compiles" ${CC:-cc} -std=c17 -Wall -Wextra -Werror -fsyntax-only -I"$root" "$WORK/program.c"

# ---- files it points to ------------------------------------------------------------------------------
for file in $(grep -oE '`(docs|examples|pipelines|core|ringbuf|build)/[A-Za-z_./]*`|`[A-Z]+\.md`' "$readme" | tr -d '`' | grep -v '^build/release/millrace$'); do
    check "README: $file is there" test -e "$file"
done
finish
