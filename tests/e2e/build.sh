#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The library, its headers and the examples compile without a warning under gcc and clang; every file is
# formatted.
# any-build: no
. "$(dirname "$0")/../support/e2e.sh"
unset MAKEFLAGS MAKELEVEL MFLAGS CC CXX

for compiler in gcc clang; do
    check "$compiler builds library and examples without a warning" env CFLAGS=-O1 make -s -j2 \
        DEPS=skip CC=$compiler B="$WORK/$compiler" "$WORK/$compiler/release/libmillrace.a" examples
done
BUILD=$WORK/clang/release
producer=$WORK/clang/release/examples/producer
check "what clang built works" "$producer" "$SHM/ring" 100
check "every file is formatted (make format)" make -s DEPS=skip format-check
finish
