// SPDX-License-Identifier: Apache-2.0
// A pipe each way, as large as an ordinary user may make it.
#include <fcntl.h>

#include "bench/peers/byte_stream.h"

#define PIPE_BYTES (1 << 20) // the system's default of fs.pipe-max-size

MR_STREAM_LOOPS(8)
MR_PAIR_EACH_SIZE(MR_STREAM_LOOPS)
static const struct mr_pair_loops loops[] = {MR_STREAM_ROW(8) MR_PAIR_EACH_SIZE(MR_STREAM_ROW)};

static int pipe_open(void **state, uint32_t record_bytes, struct mr_error *err)
{
    (void)record_bytes;
    struct byte_stream *stream = byte_stream_new(err);
    if (!stream)
        return MR_ERR_MEMORY;
    for (int i = 0; i < 2; i++)
        if (pipe2(stream->fds[i], O_NONBLOCK | O_CLOEXEC) < 0 ||
            fcntl(stream->fds[i][1], F_SETPIPE_SZ, PIPE_BYTES) < 0) {
            mr_fail_errno(err, MR_ERR_LIMIT, "cannot make a pipe of %d bytes", PIPE_BYTES);
            byte_stream_close(stream);
            return MR_ERR_LIMIT;
        }
    *state = stream;
    return MR_OK;
}

const struct mr_pair_transport mr_peer_pipe = {
    .name = "pipe",
    .how = "1 MiB, non-blocking, a write a record or batch, reads of all that is there",
    .open = pipe_open,
    .join = byte_stream_join,
    .close = byte_stream_close,
    .loops = loops,
    .loops_count = MR_COUNT_OF(loops),
};
