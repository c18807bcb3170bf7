#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# `make install` gives a tree in which the examples compile through pkg-config, outside the source tree.
# any-build: no
. "$(dirname "$0")/../support/e2e.sh"
unset MAKEFLAGS MAKELEVEL MFLAGS
tree=$WORK/tree

check "make install" make -s DEPS=skip install DESTDIR="$tree" PREFIX=/opt/millrace
root=$tree/opt/millrace
for file in bin/millrace lib/libmillrace.a lib/pkgconfig/millrace.pc include/millrace/millrace.h \
    include/millrace/core/record.h include/millrace/ringbuf/ring.h; do
    check "$file is there" test -f "$root/$file"
done
check "no placeholder is left in millrace.pc" sh -c "! grep -q @ '$root/lib/pkgconfig/millrace.pc'"
check_match "the installed program runs" "$("$root/bin/millrace" version)" "$(pkg-config \
    --modversion "$root/lib/pkgconfig/millrace.pc")"
for n in 2 3 4; do
    check "a unit for the producer of source $n" test -f "$root/lib/systemd/system/millrace-producer-$n@.service"
done
check "a manual page for it" test -f "$root/share/man/man1/millrace.1"

export PKG_CONFIG_PATH=$root/lib/pkgconfig PKG_CONFIG_SYSROOT_DIR=$tree
mkdir -p "$WORK/elsewhere"
for name in producer transform consumer; do
    cp "examples/$name.c" "$WORK/elsewhere/"
    check "$name.c compiles through pkg-config" sh -c "cd '$WORK/elsewhere' &&
        cc -std=c17 -Wall -Wextra -Werror $name.c \$(pkg-config --cflags --libs millrace) -o $name"
done
# Every installed header stands on its own.
while IFS= read -r header; do
    echo "#include <$header>" >"$WORK/elsewhere/one.c"
    check "$header stands on its own" sh -c "cd '$WORK/elsewhere' &&
        cc -std=c17 -Wall -Wextra -Werror -c one.c \$(pkg-config --cflags millrace) -o one.o"
done < <(cd "$root/include/millrace" && find . -name '*.h' -printf '%P\n' | sort)

cd "$WORK/elsewhere"
./producer "$SHM/ring" 1000 >producer.out &
./consumer "$SHM/ring" >consumer.out
check_match "what was compiled there works" "$(cat consumer.out)" "received 1000 records"
finish
