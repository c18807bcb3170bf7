// SPDX-License-Identifier: Apache-2.0
// Any bytes in the pages of a run that somebody looks at: stage pages and rings, headers and all. The input is a
// byte whose bits say which stages are alive, and a list of {segment, byte offset (3 bytes), length, bytes}. What
// stands there is read, and what the report then holds is printable and in range. To show it costs more than all
// else: one report in so many is shown in each of the three forms, and one in more is read through the files, as
// by a process that comes from outside. Which, the input's bytes decide, so that each input does the same again.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/pipeline/metrics.h"
#include "core/pipeline/waits.h"
#include "tests/support/run_pages.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

#define STAGES (MR_ROLE_LOADER + 1)
#define RINGS (MR_RING_DEAD_TRANSFORM + 1)
#define SEGMENTS (STAGES + RINGS)
#define PATCH_HEAD_BYTES 5
#define PATCHES_MAX 64
#define LOOKS_PER_FORM 64
#define LOOKS_PER_ATTACH 256

enum form { FORM_TEXT, FORM_JSON, FORM_METRICS };

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
    setvbuf(nowhere, NULL, _IOFBF, 1 << 16);
    atexit(close_at_exit);
}

static void apply(struct patch *patch, const uint8_t *head, const uint8_t *bytes, size_t length)
{
    unsigned index = head[0] % SEGMENTS;
    const struct mr_segment *segment =
        index < STAGES ? &run.segments[index] : &run.rings[index - STAGES].segment;
    size_t offset = (head[1] | head[2] << 8 | head[3] << 16) % segment->bytes;
    patch->at = (uint8_t *)segment->base + offset;
    patch->bytes = mr_min_u64(length, segment->bytes - offset);
    memcpy(patch->before, patch->at, patch->bytes);
    memcpy(patch->at, bytes, patch->bytes);
}

static void must_be_printable(const char *text, size_t room)
{
    size_t length = strnlen(text, room);
    if (length == room)
        abort();
    for (size_t i = 0; i < length; i++)
        if (((unsigned char)text[i] < 0x20 && text[i] != '\n') || text[i] == 0x7f)
            abort();
}

static void look_at_stage(const struct mr_stage_report *stage)
{
    const struct mr_stage_gauges *gauges = &stage->gauges;
    if (stage->plugin_count > MR_STAGE_PLUGIN_COUNTS || stage->in_schema_count > MR_SCHEMAS_MAX ||
        stage->out_schema_count > MR_SCHEMAS_MAX || gauges->started_ns < 0 ||
        gauges->heartbeat_ns < 0)
        abort();
    for (unsigned i = 0; i < stage->plugin_count; i++)
        must_be_printable(stage->plugin_name[i], sizeof stage->plugin_name[i]);
    for (unsigned i = 0; i < stage->out_schema_count; i++)
        must_be_printable(stage->out_schema_name[i], sizeof stage->out_schema_name[i]);
    must_be_printable(gauges->failure, sizeof gauges->failure);
    must_be_printable(gauges->files, sizeof gauges->files);
}

static void show(unsigned form)
{
    struct mr_json json;
    char chain[MR_WAITS_TEXT_BYTES];
    mr_waits_chain(report, chain, sizeof chain);
    must_be_printable(chain, sizeof chain);
    for (unsigned role = 0; role < STAGES; role++)
        look_at_stage(&report->stages[role]);
    if (form == FORM_TEXT)
        mr_report_text(report, nowhere);
    if (form == FORM_METRICS)
        mr_metrics_write(report, nowhere);
    if (form == FORM_JSON) {
        mr_json_init(&json, 2);
        mr_report_json(report, &json);
        mr_json_finish(&json);
        mr_json_free(&json);
    }
}

// The segments are attached once; what a header says of a ring is read when it is.
static void look(unsigned locked, bool attach)
{
    if (attach) {
        mr_report_read(report, &run.pipeline, NULL);
        mr_stage_leftovers(&run.pipeline);
        return;
    }
    mr_report_blank(report, &run.pipeline);
    for (unsigned role = 0; role < STAGES; role++)
        mr_report_take_stage(report, role, run.pages[role], locked >> role & 1);
    for (unsigned ring = 0; ring < RINGS; ring++)
        mr_report_take_ring(report, ring, &run.rings[ring]);
    mr_report_conclude(report);
}

static uint64_t hash(const uint8_t *bytes, size_t size)
{
    uint64_t hash = 0xcbf29ce484222325ULL; // FNV-1a
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ bytes[i]) * 0x100000001b3ULL;
    return hash ^ hash >> 32;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    unsigned count = 0;
    if (!report)
        start();
    if (size == 0)
        return 0;
    uint64_t chance = hash(bytes, size);
    unsigned locked = *bytes++;
    size--;
    while (size > PATCH_HEAD_BYTES && count < PATCHES_MAX) {
        size_t length = mr_min_u64(bytes[4], size - PATCH_HEAD_BYTES);
        apply(&patches[count++], bytes, bytes + PATCH_HEAD_BYTES, length);
        bytes += PATCH_HEAD_BYTES + length;
        size -= PATCH_HEAD_BYTES + length;
    }
    look(locked, chance / LOOKS_PER_FORM % LOOKS_PER_ATTACH == 0);
    show(chance % LOOKS_PER_FORM);
    while (count-- > 0)
        memcpy(patches[count].at, patches[count].before, patches[count].bytes);
    return 0;
}
