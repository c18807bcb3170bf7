// SPDX-License-Identifier: Apache-2.0
// The state of a transport whose two channels are two objects in memory that both processes share.
#ifndef MR_BENCH_PEERS_SHARED_PAIR_H
#define MR_BENCH_PEERS_SHARED_PAIR_H

#include <stdlib.h>

#include "cli/pair.h"

struct shared_pair {
    void *channels[2]; // there, back
    size_t bytes;      // of each
    uint32_t record_bytes;
};

static inline void shared_pair_close(void *state)
{
    struct shared_pair *pair = (struct shared_pair *)state;
    for (int i = 0; i < 2; i++)
        mr_pair_unmap(pair->channels[i], pair->bytes);
    free(pair);
}

static inline int shared_pair_open(void **state, size_t bytes, uint32_t record_bytes,
                                   struct mr_error *err)
{
    struct shared_pair *pair = (struct shared_pair *)calloc(1, sizeof *pair);
    if (!pair)
        return mr_fail(err, MR_ERR_MEMORY, "no memory for two channels");
    pair->bytes = bytes;
    pair->record_bytes = record_bytes;
    for (int i = 0; i < 2; i++)
        if (!(pair->channels[i] = mr_pair_map(bytes))) {
            mr_fail_errno(err, MR_ERR_MEMORY, "cannot map %zu bytes", bytes);
            shared_pair_close(pair);
            return MR_ERR_MEMORY;
        }
    *state = pair;
    return MR_OK;
}

static inline int shared_pair_join(void *state, int side, void **out, void **in,
                                   struct mr_error *err)
{
    (void)err;
    struct shared_pair *pair = (struct shared_pair *)state;
    *out = pair->channels[side];
    *in = pair->channels[1 - side];
    return MR_OK;
}

static inline void shared_pair_idle(void *out)
{
    (void)out; // what is sent is seen at once
}

#endif
