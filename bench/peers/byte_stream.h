// SPDX-License-Identifier: Apache-2.0
// Records over a file descriptor that carries bytes: what a pipe and a stream socket have in common. Neither
// side sleeps: each has a core of its own, and waking up would cost more than anything else here. A write takes
// a record, or a whole batch, at once; a read takes as much as is there.
#ifndef MR_BENCH_PEERS_BYTE_STREAM_H
#define MR_BENCH_PEERS_BYTE_STREAM_H

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/peers/peers.h"
#include "cli/pair_loops.h"

#define MR_STREAM_BYTES (MR_PAIR_BATCH * 4096)

struct byte_stream {
    int fds[2][2];     // there, back: read end, write end; both ends of a channel do not block
    int in_fd, out_fd; // of this side
    size_t from, to;   // what was read and not yet looked at
    uint8_t out[MR_STREAM_BYTES] __attribute__((aligned(MR_CACHE_LINE)));
    uint8_t in[MR_STREAM_BYTES] __attribute__((aligned(MR_CACHE_LINE)));
};

MR_PAIR_INLINE bool byte_stream_send(void *out, uint32_t bytes, uint64_t sequence, unsigned count,
                                     struct mr_pair_side *side)
{
    struct byte_stream *stream = (struct byte_stream *)out;
    for (unsigned i = 0; i < count; i++)
        mr_pair_fill(stream->out + (size_t)i * bytes, bytes, sequence + i);
    for (size_t sent = 0, all = (size_t)count * bytes; sent < all;) {
        ssize_t more = write(stream->out_fd, stream->out + sent, all - sent);
        if (more > 0)
            sent += (size_t)more;
        else if (!mr_pair_wait_for_space(side))
            return false;
    }
    return true;
}

// Reads once if there is no whole record; moves what there is of one to the front.
static inline void byte_stream_read(struct byte_stream *stream, uint32_t bytes)
{
    if (stream->to - stream->from >= bytes)
        return;
    memmove(stream->in, stream->in + stream->from, stream->to - stream->from);
    stream->to -= stream->from;
    stream->from = 0;
    ssize_t more = read(stream->in_fd, stream->in + stream->to, sizeof stream->in - stream->to);
    if (more > 0)
        stream->to += (size_t)more;
}

MR_PAIR_INLINE unsigned byte_stream_receive(void *in, uint32_t bytes, uint64_t sequence,
                                            unsigned count_max, struct mr_pair_side *side)
{
    struct byte_stream *stream = (struct byte_stream *)in;
    unsigned count = 0;
    byte_stream_read(stream, bytes);
    while (count < count_max && stream->to - stream->from >= bytes) {
        const uint8_t *record = stream->in + stream->from;
        if (!mr_pair_is_good(record, bytes, sequence + count)) {
            mr_pair_refuse(side, record, bytes, sequence + count);
            return count;
        }
        stream->from += bytes;
        count++;
    }
    return count;
}

static inline void byte_stream_idle(void *out)
{
    (void)out;
}

static inline struct byte_stream *byte_stream_new(struct mr_error *err)
{
    struct byte_stream *stream = (struct byte_stream *)calloc(1, sizeof *stream);
    if (!stream) {
        mr_fail(err, MR_ERR_MEMORY, "no memory for a stream's buffers");
        return NULL;
    }
    memset(stream->fds, -1, sizeof stream->fds);
    return stream;
}

static inline int byte_stream_join(void *state, int side, void **out, void **in,
                                   struct mr_error *err)
{
    (void)err;
    struct byte_stream *stream = (struct byte_stream *)state;
    stream->out_fd = stream->fds[side][1];
    stream->in_fd = stream->fds[1 - side][0];
    *out = *in = stream;
    return MR_OK;
}

static inline void byte_stream_close(void *state)
{
    struct byte_stream *stream = (struct byte_stream *)state;
    for (int i = 0; i < 2; i++)
        for (int end = 0; end < 2; end++)
            if (stream->fds[i][end] >= 0)
                close(stream->fds[i][end]);
    free(stream);
}

// The loops and their table, for a file that holds one transport.
#define MR_STREAM_LOOPS(bytes)                                                                     \
    MR_PAIR_LOOPS(bytes, stream, byte_stream_send, byte_stream_receive, byte_stream_idle)
#define MR_STREAM_ROW(bytes) MR_PAIR_LOOPS_ROW(bytes, stream)

#endif
