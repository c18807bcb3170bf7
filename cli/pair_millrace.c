// SPDX-License-Identifier: Apache-2.0
// Millrace's ring in the harness (cli/pair.h): records made in place and looked at in place, published and released
// lazily. One at a time by claim and commit, and by next; batches as runs, by the ring's calls for many records. The
// segment is a file in shared memory like any other.
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli/pair_loops.h"
#include "ringbuf/reader.h"
#include "ringbuf/writer.h"

struct millrace {
    struct mr_ring rings[2]; // there, back
    struct mr_writer writer;
    struct mr_reader reader;
};

// One record; false: the other side has given up.
MR_PAIR_INLINE bool send_one(struct mr_writer *writer, uint32_t bytes, uint64_t sequence,
                             struct mr_pair_side *side)
{
    struct mr_record *record;
    while (!(record = mr_claim(writer, mr_pair_length(bytes)))) {
        mr_publish(writer, 0);
        if (writer->corrupt || !mr_pair_wait_for_space(side))
            return false;
    }
    mr_pair_fill_body(record, bytes, sequence); // length and checksum are the ring's
    mr_commit(writer);
    return true;
}

// As many of them as there is room for without a gap, made end to end.
MR_PAIR_INLINE unsigned send_run(struct mr_writer *writer, uint32_t bytes, uint64_t sequence,
                                 unsigned count)
{
    unsigned made = (unsigned)(mr_claim_run(writer, (uint64_t)count * bytes) / bytes);
    if (made == 0)
        return 0;
    mr_pair_fill_run((uint8_t *)mr_claimed(writer), bytes, sequence, made);
    mr_commit_run(writer, (uint64_t)made * bytes, made, mr_pair_length(bytes));
    return made;
}

MR_PAIR_INLINE bool millrace_send(void *out, uint32_t bytes, uint64_t sequence, unsigned count,
                                  struct mr_pair_side *side)
{
    struct mr_writer *writer = out;
    for (unsigned sent = 0; sent < count;) {
        unsigned made = count == 1 ? 0 : send_run(writer, bytes, sequence + sent, count - sent);
        if (made == 0 && !send_one(writer, bytes, sequence + sent, side))
            return false;
        sent += made ? made : 1;
    }
    mr_publish_lazily(writer, 0);
    return true;
}

MR_PAIR_INLINE unsigned receive_one(struct mr_reader *reader, uint32_t bytes, uint64_t sequence,
                                    struct mr_pair_side *side)
{
    uint32_t length;
    const struct mr_record *record = mr_next(reader, &length);
    if (!record)
        return 0;
    if (MR_UNLIKELY(length != mr_pair_length(bytes) ||
                    mr_pair_wrong_bits(record, bytes, sequence))) {
        mr_pair_refuse(side, record, bytes, sequence);
        return 0;
    }
    return 1;
}

// As many as are there without a gap: at the end of the ring there are none, but the padding that mr_next skips.
MR_PAIR_INLINE unsigned receive_run(struct mr_reader *reader, uint32_t bytes, uint64_t sequence,
                                    unsigned count_max, struct mr_pair_side *side)
{
    unsigned count = (unsigned)mr_min_u64(mr_peek_bytes(reader) / bytes, count_max);
    const uint8_t *at = mr_peek_at(reader, reader->position);
    unsigned good = mr_pair_good_run(at, bytes, sequence, count);
    if (MR_UNLIKELY(good < count))
        mr_pair_refuse(side, at + (size_t)good * bytes, bytes, sequence + good);
    reader->position += (uint64_t)good * bytes;
    return good;
}

MR_PAIR_INLINE unsigned millrace_receive(void *in, uint32_t bytes, uint64_t sequence,
                                         unsigned count_max, struct mr_pair_side *side)
{
    unsigned count = count_max == 1 ? 0 : receive_run(in, bytes, sequence, count_max, side);
    if (count == 0)
        count = receive_one(in, bytes, sequence, side);
    if (count > 0)
        mr_release_lazily(in, NULL);
    return count;
}

static inline void millrace_idle(void *out)
{
    mr_publish(out, 0);
}

#define LOOPS(bytes) MR_PAIR_LOOPS(bytes, millrace, millrace_send, millrace_receive, millrace_idle)
MR_PAIR_EACH_SIZE(LOOPS)
#define ROW(bytes) MR_PAIR_LOOPS_ROW(bytes, millrace)
static const struct mr_pair_loops loops[] = {MR_PAIR_EACH_SIZE(ROW)};

static void millrace_close(void *state)
{
    struct millrace *millrace = state;
    for (int i = 0; i < 2; i++)
        mr_ring_detach(&millrace->rings[i]);
    free(millrace);
}

static int make_rings(struct millrace *millrace, struct mr_error *err)
{
    struct mr_ring_options options = {.capacity = MR_PAIR_CHANNEL_BYTES};
    char directory[] = "/dev/shm/millrace-bench.XXXXXX", path[64];
    int code = MR_OK;
    if (!mkdtemp(directory))
        return mr_fail_errno(err, MR_ERR_SHM, "%s: cannot create the directory", directory);
    for (int i = 0; i < 2 && code == MR_OK; i++) {
        snprintf(path, sizeof path, "%s/%s", directory, i == 0 ? "there" : "back");
        code = mr_ring_create(&millrace->rings[i], path, "bench", &options, err);
        unlink(path); // the mapping stays, and both processes inherit it
    }
    rmdir(directory);
    return code;
}

static int millrace_open(void **state, uint32_t record_bytes, struct mr_error *err)
{
    (void)record_bytes; // records of any length
    struct millrace *millrace = calloc(1, sizeof *millrace);
    if (!millrace)
        return mr_fail(err, MR_ERR_MEMORY, "no memory for two rings");
    int code = make_rings(millrace, err);
    if (code != MR_OK)
        millrace_close(millrace);
    else
        *state = millrace;
    return code;
}

static int millrace_join(void *state, int side, void **out, void **in, struct mr_error *err)
{
    (void)err;
    struct millrace *millrace = state;
    mr_writer_open(&millrace->writer, &millrace->rings[side]);
    mr_reader_open(&millrace->reader, &millrace->rings[1 - side]);
    *out = &millrace->writer;
    *in = &millrace->reader;
    return MR_OK;
}

const struct mr_pair_transport mr_pair_millrace = {
    .name = "millrace",
    .how = "made and looked at in place, batches as runs; publish and release lazily, publish when "
           "idle",
    .open = millrace_open,
    .join = millrace_join,
    .close = millrace_close,
    .loops = loops,
    .loops_count = MR_COUNT_OF(loops),
};
