// SPDX-License-Identifier: Apache-2.0
// A ring as a process holds it: the attached segment and pointers to its parts (ringbuf/layout.h).
// Open a writer (ringbuf/writer.h), a reader (ringbuf/reader.h) or a tap (ringbuf/tap.h) on it.
#ifndef MR_RINGBUF_RING_H
#define MR_RINGBUF_RING_H

#include "core/schema.h"
#include "ringbuf/layout.h"

struct mr_ring {
    struct mr_segment segment;
    // Private copies: the shared ones are checked once, at attach.
    char name[MR_NAME_BYTES];
    uint64_t start_pos;
    uint64_t capacity;
    uint64_t mask;
    bool checksummed;
    enum mr_full_policy full_policy;
    struct mr_ring_writer_line *writer_line;
    struct mr_ring_reader_line *reader_line;
    struct mr_ring_reader_sleep *reader_sleep;
    struct mr_ring_writer_sleep *writer_sleep;
    struct mr_ring_writer_news *news;
    struct mr_ring_note *lane;
    void *schema_table;
    uint8_t *data;
};

struct mr_ring_options {
    uint64_t capacity;  // a power of two, MR_RING_CAPACITY_MIN to _MAX
    uint64_t start_pos; // 0 for a new stream, else a multiple of 8: where it goes on
    enum mr_full_policy full_policy;
    bool checksummed;
};

int mr_ring_create(struct mr_ring *ring, const char *path, const char *name,
                   const struct mr_ring_options *options, struct mr_error *err);
int mr_ring_attach(struct mr_ring *ring, const char *path, enum mr_attach mode,
                   struct mr_error *err);
void mr_ring_detach(struct mr_ring *ring);

// Writer's side: says what will come. Once, before the first record.
int mr_ring_describe(struct mr_ring *ring, const struct mr_schema_set *schemas,
                     struct mr_error *err);
// Anyone: reads the table. MR_ERR_BUSY while the writer has not described the ring yet.
int mr_ring_schemas(const struct mr_ring *ring, struct mr_schema_set *out, struct mr_error *err);
// Attach and schemas in one, for a program that may be started before the ring's writer: waits up
// to timeout_ns for the ring to be made and described.
int mr_ring_await(struct mr_ring *ring, const char *path, enum mr_attach mode, int64_t timeout_ns,
                  struct mr_schema_set *schemas, struct mr_error *err);

static inline const char *mr_ring_name(const struct mr_ring *ring)
{
    return ring->name;
}
// Closed by its writer and read to the end.
bool mr_ring_is_finished(const struct mr_ring *ring);
// Bytes written and not yet released, as someone sees them who looks on. A reader may be ahead of
// write_pos for the moment between the publishing store and the cursor's.
static inline uint64_t mr_ring_used_bytes(uint64_t write_pos, uint64_t read_pos)
{
    return write_pos > read_pos ? write_pos - read_pos : 0;
}

#endif
