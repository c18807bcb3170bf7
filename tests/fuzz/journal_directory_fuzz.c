// SPDX-License-Identifier: Apache-2.0
// A journal of three segments, whole, with any of its bytes changed, segments cut, gone or misnamed: read to where
// it stops and, past damage, to its end; its tail is found, what a power cut left of it is, and it is repaired. What is
// said of it agrees: a whole one needs no repair, and one that was repaired is whole.
//
// The input is a list of {segment and what to do, offset (2 bytes), length, bytes}: bytes changed there; the file
// cut there; the file gone; its name another; or the checksums of its records set right, so that what they let through
// is met, too.
#include <stdlib.h>
#include <string.h>

#include "consumers/loader/journal_repair.h"
#include "core/journal_file.h"
#include "tests/support/journal_bytes.h"
#include "tests/support/memory_disk.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

#define DIRECTORY "/journal"
#define SEGMENTS 3
#define STREAM_BYTES 1024 // of a full segment
#define RECORDS 6
#define NOTE_BYTES 40
#define PATCH_HEAD_BYTES 4
#define ROUNDS_MAX 20
enum act { CHANGE, CUT, REMOVE, RENAME, SET_RIGHT, ACTS };

static struct segment {
    char path[64];
    uint8_t *sound, *bytes; // as it was made; as it is now
    size_t sound_bytes, length, header_bytes;
    uint64_t base_pos;
    bool gone;
} segments[SEGMENTS];

// Records to the end of the segment, the last one filled up with padding; of the last segment not so many.
static size_t make_stream(const struct mr_schema_set *schemas, uint64_t base_pos, bool last,
                          uint8_t *stream)
{
    size_t used = 0;
    for (unsigned i = 0; i < RECORDS; i++)
        used += mr_test_record(schemas, base_pos + used, (uint32_t)base_pos + i, NOTE_BYTES + i % 5,
                               stream + used);
    return last ? used
                : used + mr_test_padding(base_pos + used, STREAM_BYTES - used, stream + used);
}

static void make_segment(unsigned index, const struct mr_schema_set *schemas)
{
    struct segment *segment = &segments[index];
    static uint8_t stream[STREAM_BYTES];
    struct mr_journal_mark mark;
    void *header;
    segment->base_pos = (uint64_t)index * STREAM_BYTES;
    if (mr_journal_header_make(segment->base_pos, segment->base_pos, STREAM_BYTES, "fuzz", schemas,
                               &header, &segment->header_bytes, NULL) != MR_OK)
        abort();
    size_t stream_bytes = make_stream(schemas, segment->base_pos, index == SEGMENTS - 1, stream);
    mr_journal_mark_make(segment->base_pos, segment->base_pos + stream_bytes, &mark);
    memcpy((uint8_t *)header + segment->header_bytes - sizeof mark, &mark, sizeof mark);
    segment->sound_bytes = segment->header_bytes + stream_bytes;
    segment->sound = malloc(segment->sound_bytes);
    segment->bytes = malloc(segment->sound_bytes);
    memcpy(segment->sound, header, segment->header_bytes);
    memcpy(segment->sound + segment->header_bytes, stream, stream_bytes);
    free(header);
}

static void start(void)
{
    struct mr_schema_set schemas = mr_test_schemas();
    for (unsigned i = 0; i < SEGMENTS; i++)
        make_segment(i, &schemas);
    mr_schema_set_clear(&schemas);
    memory_disk_use();
}

static void act(struct segment *segment, enum act what, size_t offset, const uint8_t *bytes,
                size_t length)
{
    offset = segment->length ? offset % segment->length : 0;
    switch (what) {
    case CHANGE:
        memcpy(segment->bytes + offset, bytes, mr_min_u64(length, segment->length - offset));
        break;
    case CUT:
        segment->length = offset;
        break;
    case REMOVE:
        segment->gone = true;
        break;
    case RENAME:
        mr_journal_segment_path(DIRECTORY, offset, segment->path, sizeof segment->path);
        break;
    case SET_RIGHT:
        if (segment->length > segment->header_bytes)
            mr_test_set_checksums(segment->bytes + segment->header_bytes,
                                  segment->length - segment->header_bytes, segment->base_pos);
        break;
    default:
        break;
    }
}

static void put_journal(const uint8_t *bytes, size_t size)
{
    for (unsigned i = 0; i < SEGMENTS; i++) {
        segments[i].length = segments[i].sound_bytes;
        segments[i].gone = false;
        memcpy(segments[i].bytes, segments[i].sound, segments[i].sound_bytes);
        mr_journal_segment_path(DIRECTORY, segments[i].base_pos, segments[i].path,
                                sizeof segments[i].path);
    }
    while (size >= PATCH_HEAD_BYTES) {
        size_t length = mr_min_u64(bytes[3], size - PATCH_HEAD_BYTES);
        act(&segments[bytes[0] % SEGMENTS], bytes[0] / SEGMENTS % ACTS,
            (size_t)(bytes[1] | bytes[2] << 8), bytes + PATCH_HEAD_BYTES, length);
        bytes += PATCH_HEAD_BYTES + length;
        size -= PATCH_HEAD_BYTES + length;
    }
    for (unsigned i = 0; i < SEGMENTS; i++)
        if (!segments[i].gone)
            memory_disk_put(segments[i].path, segments[i].bytes, segments[i].length);
}

static uint64_t read_on(struct mr_journal *journal, uint64_t last)
{
    while (mr_journal_next(journal) != NULL) {
        if (last != UINT64_MAX && journal->record_position <= last)
            abort();
        last = journal->record_position;
    }
    if (journal->stop != MR_JOURNAL_END && journal->problem.text[0] == '\0')
        abort();
    return last;
}

// To its end, past what is damaged. True where nothing is.
static bool read_journal(void)
{
    struct mr_journal journal;
    struct mr_error err = {0};
    if (mr_journal_open(&journal, DIRECTORY, &err) != MR_OK) {
        if (err.text[0] == '\0')
            abort();
        return false;
    }
    uint64_t last = read_on(&journal, UINT64_MAX);
    bool whole = journal.stop == MR_JOURNAL_END;
    while (journal.stop != MR_JOURNAL_END && mr_journal_resync(&journal, NULL, NULL))
        last = read_on(&journal, last);
    mr_journal_close(&journal);
    return whole;
}

static void find_ends(void)
{
    struct mr_journal_tail tail;
    uint64_t end_pos;
    struct mr_error err = {0};
    if (mr_journal_find_tail(DIRECTORY, &tail, &err) != MR_OK && err.text[0] == '\0')
        abort();
    err.text[0] = '\0';
    if (mr_journal_whole_end(DIRECTORY, 0, &end_pos, &err) != MR_OK && err.text[0] == '\0')
        abort();
}

static void repair(bool whole)
{
    struct mr_repair repair;
    struct mr_error err = {0};
    unsigned rounds = 0;
    int code = mr_repair_open(&repair, DIRECTORY, &err);
    while (code == MR_OK && (code = mr_repair_plan(&repair, &err)) == MR_OK && repair.count > 0) {
        code = mr_repair_do(&repair, &err);
        if (whole || rounds++ == ROUNDS_MAX)
            abort();
    }
    if (code != MR_OK && err.text[0] == '\0')
        abort();
    bool none = repair.records == 0;
    mr_repair_close(&repair);
    if (rounds > 0) // else nothing was changed: it would be read as before
        whole = read_journal();
    if (code == MR_OK && !whole && !none)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    if (!segments[0].sound)
        start();
    put_journal(bytes, size);
    bool whole = read_journal();
    find_ends();
    repair(whole);
    memory_disk_clear();
    return 0;
}
