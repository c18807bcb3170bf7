// SPDX-License-Identifier: Apache-2.0
// A source that is given a file of any bytes, again and again: the producer's stage is made once, and what opens the
// file finds it in memory. Each record that comes out is of a schema that was declared
// and as long as that says, each one that does not come out is counted, and a source that gives up says why; else the
// process is aborted.
//
//     static struct fuzzed_source source;
//     if (!source.fixture.stage) fuzzed_source_open(&source, "{type: itch_file, path: %s}");   // %s: the file
//     fuzzed_source_read(&source, bytes, size);
//
// Sources of lines are opened once and begin anew with each file; the others are opened for each. What those hold
// is large: tests/support/kept_source.h keeps it.
#ifndef MR_TESTS_SUPPORT_FUZZED_SOURCE_H
#define MR_TESTS_SUPPORT_FUZZED_SOURCE_H

#include "tests/support/source_fixture.h"

struct fuzzed_source {
    struct source_fixture fixture;
    struct mr_reader main, dead;
};

// Gone with the process; its directory is removed when that exits. One per process.
void fuzzed_source_open(struct fuzzed_source *source, const char *yaml);
void fuzzed_source_read(struct fuzzed_source *source, const uint8_t *bytes, size_t size);
// For a source of another file than that, which the caller has put in its place.
void fuzzed_source_read_again(struct fuzzed_source *source);
// The file, for who opens it; written to the path that the source was given, for who lets another open it.
const uint8_t *fuzzed_source_bytes(size_t *size);
void fuzzed_source_write(void);

#endif
