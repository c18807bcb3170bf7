// SPDX-License-Identifier: Apache-2.0
// Any bytes in the pages of a run that somebody looks at: stage pages and rings, headers and all. The input is a
// list of {segment, byte offset (3 bytes), length, bytes}. What is attached is read and shown in every form, or
// left out; a look does no harm.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/pipeline/metrics.h"
#include "tests/support/run_pages.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

#define SEGMENTS (MR_ROLE_COUNT + MR_RING_COUNT)
#define PATCH_HEAD_BYTES 5
#define PATCHES_MAX 64

static struct run_pages run;
static struct mr_report *report;
static FILE *nowhere;
static struct patch {
    uint8_t *at, before[UINT8_MAX];
    size_t bytes;
} patches[PATCHES_MAX];

static void close_at_exit(void)
{
    mr_report_free(report);
    fclose(nowhere);
    run_pages_close(&run);
}

static void start(void)
{
    run_pages_open(&run, "fuzz");
    run_pages_finish(&run, 12932);
    report = mr_report_new();
    nowhere = fopen("/dev/null", "w");
    atexit(close_at_exit);
}

static void apply(struct patch *patch, const uint8_t *head, const uint8_t *bytes, size_t length)
{
    unsigned index = head[0] % SEGMENTS;
    const struct mr_segment *segment =
        index < MR_ROLE_COUNT ? &run.segments[index] : &run.rings[index - MR_ROLE_COUNT].segment;
    size_t offset = (head[1] | head[2] << 8 | head[3] << 16) % segment->bytes;
    patch->at = (uint8_t *)segment->base + offset;
    patch->bytes = mr_min_u64(length, segment->bytes - offset);
    memcpy(patch->before, patch->at, patch->bytes);
    memcpy(patch->at, bytes, patch->bytes);
}

static void show(void)
{
    struct mr_json json;
    mr_report_read(report, &run.pipeline, NULL);
    mr_report_text(report, nowhere);
    mr_metrics_write(report, nowhere);
    mr_json_init(&json, 2);
    mr_report_json(report, &json);
    mr_json_finish(&json);
    mr_json_free(&json);
    mr_stage_leftovers(&run.pipeline);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    unsigned count = 0;
    if (!report)
        start();
    while (size > PATCH_HEAD_BYTES && count < PATCHES_MAX) {
        size_t length = mr_min_u64(bytes[4], size - PATCH_HEAD_BYTES);
        apply(&patches[count++], bytes, bytes + PATCH_HEAD_BYTES, length);
        bytes += PATCH_HEAD_BYTES + length;
        size -= PATCH_HEAD_BYTES + length;
    }
    show();
    while (count-- > 0)
        memcpy(patches[count].at, patches[count].before, patches[count].bytes);
    return 0;
}
