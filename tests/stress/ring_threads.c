// SPDX-License-Identifier: Apache-2.0
// The same stream between two threads of one process, which is what ThreadSanitizer can see.
// Without a tap: a tap reads bytes that may be overwritten under it, by design, and throws such a
// copy away. Ends with `ok`.
//
// `ring_threads --records N`: N records, most of them short, so that as many as can be cross between the
// threads; a quarter under each wait strategy (`make tsan-long`).
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/ring_stream.h"
#include "tests/support/scratch.h"

#define LONG_SMALL_BYTES_MAX 24
#define LONG_SWEEP_EVERY 65536

struct side {
    struct ring_stream stream;
    struct ring_stream_result result;
};

static void *write_side(void *side)
{
    ring_stream_write(&((struct side *)side)->stream, &((struct side *)side)->result);
    return NULL;
}

static bool run(const struct scratch *scratch, struct ring_stream stream,
                enum mr_full_policy policy)
{
    struct mr_ring_options options = {.capacity = MR_RING_CAPACITY_MIN, .full_policy = policy};
    struct mr_ring ring;
    struct mr_error err;
    char path[256];
    pthread_t thread;
    scratch_path(scratch, "stream", path, sizeof path);
    if (mr_ring_create(&ring, path, "stream", &options, &err) != MR_OK) {
        printf("%s\n", err.text);
        return false;
    }
    stream.ring = &ring;
    struct side writer = {.stream = stream}, reader = {.stream = stream};
    pthread_create(&thread, NULL, write_side, &writer);
    ring_stream_read(&reader.stream, &reader.result);
    pthread_join(thread, NULL);
    bool good = !writer.result.failure[0] && !reader.result.failure[0] &&
                writer.result.records == reader.result.records &&
                writer.result.bytes == reader.result.bytes &&
                writer.result.records + writer.result.dropped == stream.records;
    printf("wait %d, policy %d: %" PRIu64 " written, %" PRIu64 " read, %" PRIu64 " dropped %s%s\n",
           stream.wait, policy, writer.result.records, reader.result.records, writer.result.dropped,
           writer.result.failure, reader.result.failure);
    mr_ring_detach(&ring);
    mr_segment_unlink(path, &err);
    return good;
}

static uint64_t records_asked(int argc, char **argv)
{
    return argc == 3 && strcmp(argv[1], "--records") == 0 ? strtoull(argv[2], NULL, 0) : 0;
}

int main(int argc, char **argv)
{
    struct scratch scratch;
    uint64_t asked = records_asked(argc, argv);
    struct ring_stream stream = {.records = ring_stream_records(500000), .processes = 2};
    if (asked > 0)
        stream = (struct ring_stream){.records = asked / 4,
                                      .processes = 2,
                                      .small_bytes_max = LONG_SMALL_BYTES_MAX,
                                      .sweep_every = LONG_SWEEP_EVERY};
    bool good = argc == 1 || asked >= 4;
    int64_t begun_ns = mr_mono_ns();
    mr_clock_setup();
    scratch_open(&scratch);
    for (int wait = MR_WAIT_SPIN; wait <= MR_WAIT_AUTO && good; wait++) {
        stream.wait = (enum mr_wait_strategy)wait;
        good = run(&scratch, stream, MR_FULL_BLOCK);
        if (asked == 0) // most of these are dropped: no use where the point is how many cross
            good = good && run(&scratch, stream, MR_FULL_DROP_NEWEST);
    }
    scratch_close(&scratch);
    if (good && asked > 0)
        printf("tsan: %" PRIu64 " records between two threads, 0 races, in %" PRId64 " s\n",
               stream.records * 4, (mr_mono_ns() - begun_ns) / 1000000000);
    else
        printf(good ? "ok\n" : "failed\n");
    return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
