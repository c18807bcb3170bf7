// SPDX-License-Identifier: Apache-2.0
// A pair of Unix domain stream sockets each way.
#include <sys/socket.h>

#include "bench/peers/byte_stream.h"

MR_STREAM_LOOPS(8)
MR_PAIR_EACH_SIZE(MR_STREAM_LOOPS)
static const struct mr_pair_loops loops[] = {MR_STREAM_ROW(8) MR_PAIR_EACH_SIZE(MR_STREAM_ROW)};

static int socket_open(void **state, uint32_t record_bytes, struct mr_error *err)
{
    (void)record_bytes;
    int wanted = MR_PAIR_CHANNEL_BYTES; // the system gives what it allows
    struct byte_stream *stream = byte_stream_new(err);
    if (!stream)
        return MR_ERR_MEMORY;
    for (int i = 0; i < 2; i++)
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, stream->fds[i]) <
                0 ||
            setsockopt(stream->fds[i][1], SOL_SOCKET, SO_SNDBUF, &wanted, sizeof wanted) < 0) {
            mr_fail_errno(err, MR_ERR_LIMIT, "cannot make a pair of sockets");
            byte_stream_close(stream);
            return MR_ERR_LIMIT;
        }
    *state = stream;
    return MR_OK;
}

const struct mr_pair_transport mr_peer_unix_socket = {
    .name = "unix socket",
    .how = "stream, non-blocking, a write a record or batch, reads of all that is there",
    .open = socket_open,
    .join = byte_stream_join,
    .close = byte_stream_close,
    .loops = loops,
    .loops_count = MR_COUNT_OF(loops),
};
