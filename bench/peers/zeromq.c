// SPDX-License-Identifier: Apache-2.0
// ZeroMQ over ipc: PUSH to PULL, the pattern for one-way streams, one each way. A record is a message; a batch
// is one message of all its records, as the guide advises where throughput counts. Messages are filled and looked
// at in place. Its input and output thread may run on either core, so that it need not share the spinning side's.
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <zmq.h>

#include "bench/peers/peers.h"
#include "cli/pair_loops.h"

struct zeromq {
    char endpoints[2][80]; // there, back
    cpu_set_t cores;       // that this program may use: in the two processes it is one each
    void *context, *out, *in;
};

MR_PAIR_INLINE bool zeromq_send(void *out, uint32_t bytes, uint64_t sequence, unsigned count,
                                struct mr_pair_side *side)
{
    zmq_msg_t message;
    if (zmq_msg_init_size(&message, (size_t)count * bytes) < 0)
        return false;
    uint8_t *records = zmq_msg_data(&message);
    for (unsigned i = 0; i < count; i++)
        mr_pair_fill(records + (size_t)i * bytes, bytes, sequence + i);
    while (zmq_msg_send(&message, out, ZMQ_DONTWAIT) < 0)
        if (!mr_pair_wait_for_space(side)) {
            zmq_msg_close(&message);
            return false;
        }
    return true;
}

MR_PAIR_INLINE unsigned zeromq_receive(void *in, uint32_t bytes, uint64_t sequence,
                                       unsigned count_max, struct mr_pair_side *side)
{
    (void)count_max; // a message is taken whole
    zmq_msg_t message;
    zmq_msg_init(&message);
    if (zmq_msg_recv(&message, in, ZMQ_DONTWAIT) < 0)
        return 0;
    const uint8_t *records = zmq_msg_data(&message);
    unsigned count = (unsigned)(zmq_msg_size(&message) / bytes), good = 0;
    while (good < count && mr_pair_is_good(records + (size_t)good * bytes, bytes, sequence + good))
        good++;
    if (good < count)
        mr_pair_refuse(side, records + (size_t)good * bytes, bytes, sequence + good);
    zmq_msg_close(&message);
    return good;
}

static inline void zeromq_idle(void *out)
{
    (void)out;
}

#define LOOPS(bytes) MR_PAIR_LOOPS(bytes, zeromq, zeromq_send, zeromq_receive, zeromq_idle)
LOOPS(8)
MR_PAIR_EACH_SIZE(LOOPS)
#define ROW(bytes) MR_PAIR_LOOPS_ROW(bytes, zeromq)
static const struct mr_pair_loops loops[] = {ROW(8) MR_PAIR_EACH_SIZE(ROW)};

static int zeromq_open(void **state, uint32_t record_bytes, struct mr_error *err)
{
    (void)record_bytes;
    static unsigned number;
    struct zeromq *zeromq = calloc(1, sizeof *zeromq);
    if (!zeromq)
        return mr_fail(err, MR_ERR_MEMORY, "no memory for two endpoints");
    number++;
    sched_getaffinity(0, sizeof zeromq->cores, &zeromq->cores);
    for (int i = 0; i < 2; i++) // abstract names: nothing to remove
        snprintf(zeromq->endpoints[i], sizeof zeromq->endpoints[i], "ipc://@millrace-%d-%u-%d",
                 (int)getpid(), number, i);
    *state = zeromq;
    return MR_OK;
}

static void allow_all_cores(struct zeromq *zeromq)
{
    for (int core = 0; core < CPU_SETSIZE; core++)
        if (CPU_ISSET(core, &zeromq->cores))
            zmq_ctx_set(zeromq->context, ZMQ_THREAD_AFFINITY_CPU_ADD, core);
}

static int zeromq_join(void *state, int side, void **out, void **in, struct mr_error *err)
{
    struct zeromq *zeromq = state;
    int unlimited = 0, at_once = 0;
    zeromq->context = zmq_ctx_new();
    if (!zeromq->context)
        return mr_fail_errno(err, MR_ERR_LIMIT, "no ZeroMQ context");
    allow_all_cores(zeromq);
    zeromq->out = zmq_socket(zeromq->context, ZMQ_PUSH);
    zeromq->in = zmq_socket(zeromq->context, ZMQ_PULL);
    if (!zeromq->out || !zeromq->in ||
        zmq_setsockopt(zeromq->out, ZMQ_LINGER, &at_once, sizeof at_once) < 0 ||
        zmq_setsockopt(zeromq->in, ZMQ_RCVHWM, &unlimited, sizeof unlimited) < 0 ||
        zmq_bind(zeromq->in, zeromq->endpoints[1 - side]) < 0 ||
        zmq_connect(zeromq->out, zeromq->endpoints[side]) < 0)
        return mr_fail(err, MR_ERR_LIMIT, "%s: %s", zeromq->endpoints[side],
                       zmq_strerror(zmq_errno()));
    *out = zeromq->out;
    *in = zeromq->in;
    return MR_OK;
}

static void zeromq_leave(void *state, int side)
{
    (void)side;
    struct zeromq *zeromq = state;
    zmq_close(zeromq->out);
    zmq_close(zeromq->in);
    zmq_ctx_term(zeromq->context);
}

const struct mr_pair_transport mr_peer_zeromq = {
    .name = "zeromq ipc",
    .how = "PUSH to PULL, messages filled and read in place, a batch is one message",
    .open = zeromq_open,
    .join = zeromq_join,
    .leave = zeromq_leave,
    .close = free,
    .loops = loops,
    .loops_count = MR_COUNT_OF(loops),
};
