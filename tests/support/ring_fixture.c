// SPDX-License-Identifier: Apache-2.0
#include "tests/support/ring_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void ring_fixture_open(struct ring_fixture *fixture, struct mr_ring_options options)
{
    struct mr_error err;
    mr_clock_setup();
    scratch_open(&fixture->scratch);
    scratch_path(&fixture->scratch, "ring", fixture->path, sizeof fixture->path);
    if (options.capacity == 0)
        options.capacity = MR_RING_CAPACITY_MIN;
    if (mr_ring_create(&fixture->ring, fixture->path, "test", &options, &err) != MR_OK) {
        fprintf(stderr, "%s\n", err.text);
        abort();
    }
    mr_writer_open(&fixture->writer, &fixture->ring);
    mr_reader_open(&fixture->reader, &fixture->ring);
}

void ring_fixture_close(struct ring_fixture *fixture)
{
    mr_ring_detach(&fixture->ring);
    scratch_close(&fixture->scratch);
}

bool ring_fixture_put(struct ring_fixture *fixture, uint64_t sequence, uint32_t length)
{
    struct mr_record *record = mr_claim(&fixture->writer, length);
    if (!record)
        return false;
    memset((uint8_t *)record + sizeof record->length, 0, MR_ENVELOPE_BYTES - sizeof record->length);
    memset((uint8_t *)record + MR_ENVELOPE_BYTES, (uint8_t)sequence, length - MR_ENVELOPE_BYTES);
    record->sequence = sequence;
    record->schema_id = MR_SCHEMA_ID_DECLARED;
    mr_commit(&fixture->writer);
    return true;
}
