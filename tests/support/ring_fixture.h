// SPDX-License-Identifier: Apache-2.0
// A ring in a directory of its own, with both sides open, for tests within one process.
#ifndef MR_TESTS_SUPPORT_RING_FIXTURE_H
#define MR_TESTS_SUPPORT_RING_FIXTURE_H

#include "ringbuf/reader.h"
#include "ringbuf/writer.h"
#include "tests/support/scratch.h"

struct ring_fixture {
    struct scratch scratch;
    char path[256];
    struct mr_ring ring;
    struct mr_writer writer;
    struct mr_reader reader;
};

// Options as given, capacity MR_RING_CAPACITY_MIN where 0. Aborts with the error where it cannot be
// made.
void ring_fixture_open(struct ring_fixture *fixture, struct mr_ring_options options);
void ring_fixture_close(struct ring_fixture *fixture);
// Commits one record of `length` bytes whose bytes behind the envelope all are (uint8_t)sequence;
// false where there is no room.
bool ring_fixture_put(struct ring_fixture *fixture, uint64_t sequence, uint32_t length);

#endif
