// SPDX-License-Identifier: Apache-2.0
// One writer and one reader process on a small ring, and a third process that taps it: 10 million
// records of every size, then a million more for each wait strategy under each policy. Order,
// content and checksum of every record are checked, and that what was sent is what was received and
// dropped. Ends with `ok`.
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/ring_stream.h"
#include "tests/support/scratch.h"

typedef void stream_side(const struct ring_stream *stream, struct ring_stream_result *result);

// The side in a process of its own, attached by path as a stranger would be.
static pid_t start(stream_side *side, struct ring_stream stream, const char *path,
                   enum mr_attach mode, struct ring_stream_result *result)
{
    fflush(stdout);
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    struct mr_ring ring;
    struct mr_error err;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    mr_clock_setup();
    if (mr_ring_attach(&ring, path, mode, &err) != MR_OK) {
        snprintf(result->failure, sizeof result->failure, "%.200s", err.text);
        _exit(1);
    }
    stream.ring = &ring;
    side(&stream, result);
    fflush(stdout);
    _exit(0);
}

static bool ended_well(const char *who, pid_t pid, const struct ring_stream_result *result)
{
    int status = 0;
    waitpid(pid, &status, 0);
    if (result->failure[0])
        printf("%s: %s\n", who, result->failure);
    else if (status != 0)
        printf("%s: died, wait status 0x%x\n", who, status);
    return status == 0 && !result->failure[0];
}

static uint64_t tapped; // records that taps got, over all runs

static bool agree(const struct ring_stream *stream, const struct ring_stream_result *results)
{
    const struct ring_stream_result *writer = &results[0], *reader = &results[1],
                                    *tap = &results[2];
    bool dropping = stream->ring->full_policy == MR_FULL_DROP_NEWEST;
    bool good = writer->records + writer->dropped == stream->records &&
                reader->records == writer->records && reader->bytes == writer->bytes &&
                reader->dropped == writer->dropped && (writer->dropped > 0) == dropping &&
                tap->records <= writer->records;
    printf("%s %" PRIu64 " records, %" PRIu64 " MB: %" PRIu64 " read, %" PRIu64
           " dropped; tap saw %" PRIu64 "\n",
           good ? "  good:" : "  WRONG:", writer->records, writer->bytes / 1000000, reader->records,
           writer->dropped, tap->records);
    tapped += tap->records;
    return good;
}

static bool run(const struct scratch *scratch, struct ring_stream stream,
                enum mr_full_policy policy, bool checksummed, struct ring_stream_result *results)
{
    static const char *const waits[] = {"spin", "yield", "park", "auto"};
    struct mr_ring_options options = {
        .capacity = MR_RING_CAPACITY_MIN, .full_policy = policy, .checksummed = checksummed};
    struct mr_ring ring;
    struct mr_error err;
    char path[256];
    printf("wait %s, full %s%s\n", waits[stream.wait],
           policy == MR_FULL_BLOCK ? "block" : "drop_newest", checksummed ? ", checksummed" : "");
    if (mr_ring_create(&ring, scratch_path(scratch, "stream", path, sizeof path), "stream",
                       &options, &err) != MR_OK) {
        printf("%s\n", err.text);
        return false;
    }
    stream.ring = &ring;
    pid_t tap = start(ring_stream_tap, stream, path, MR_ATTACH_READ_ONLY, &results[2]);
    pid_t reader = start(ring_stream_read, stream, path, MR_ATTACH_READ_WRITE, &results[1]);
    pid_t writer = start(ring_stream_write, stream, path, MR_ATTACH_READ_WRITE, &results[0]);
    bool good = ended_well("writer", writer, &results[0]);
    if (!good) { // nothing more will come: the others would wait for it
        kill(reader, SIGKILL);
        kill(tap, SIGKILL);
    }
    good &= ended_well("reader", reader, &results[1]);
    good &= ended_well("tap", tap, &results[2]);
    good = good && agree(&stream, results);
    mr_ring_detach(&ring);
    mr_segment_unlink(path, &err);
    return good;
}

int main(void)
{
    struct scratch scratch;
    size_t bytes = 3 * sizeof(struct ring_stream_result);
    struct ring_stream_result *results =
        mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (results == MAP_FAILED)
        return 1;
    mr_clock_setup();
    scratch_open(&scratch);
    struct ring_stream stream = {.records = ring_stream_records(10000000),
                                 .wait = MR_WAIT_AUTO,
                                 .processes = 3,
                                 .progress = true};
    bool good = run(&scratch, stream, MR_FULL_BLOCK, true, results);
    stream.records = ring_stream_records(1000000);
    stream.progress = false;
    for (int wait = MR_WAIT_SPIN; wait <= MR_WAIT_AUTO && good; wait++) {
        stream.wait = (enum mr_wait_strategy)wait;
        good = run(&scratch, stream, MR_FULL_BLOCK, false, results) &&
               run(&scratch, stream, MR_FULL_DROP_NEWEST, true, results);
    }
    scratch_close(&scratch);
    if (good && tapped == 0) {
        printf("the taps never got a record\n");
        good = false;
    }
    printf(good ? "ok\n" : "failed\n");
    return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
