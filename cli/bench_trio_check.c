// SPDX-License-Identifier: Apache-2.0
#include "cli/bench_trio_check.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/bench_scratch.h"
#include "core/journal.h"
#include "producers/field_map.h"
#include "producers/generator.h"

#define EPOCH_NS 1577836800000000000LL // 2020-01-01T00:00:00Z, of the first source
#define LOOK_RECORDS (1u << 20)        // between two looks whether a signal came

struct check {
    struct mr_journal journal;
    struct mr_generator generators[MR_PRODUCERS_MAX];
    uint64_t next[MR_PRODUCERS_MAX]; // number of the record that comes next, from 0, of each source
    struct mr_record *expected;
    const struct mr_trio_stream *stream;
};

static uint32_t record_bytes(const struct check *check)
{
    return check->generators[0].record_bytes;
}

static int refuse(const struct check *check, const struct mr_record *found, uint64_t n,
                  struct mr_error *err)
{
    uint32_t at = 8, length = record_bytes(check);
    const uint8_t *is = (const void *)found, *should = (const void *)check->expected;
    if (found->length != length)
        return mr_fail(err, MR_ERR_CORRUPT,
                       "record %" PRIu64 " at position %" PRIu64 ": found %u bytes, expected %u", n,
                       check->journal.record_position, found->length, length);
    while (at < length && is[at] == should[at])
        at++;
    return mr_fail(err, MR_ERR_CORRUPT,
                   "record %" PRIu64 " at position %" PRIu64
                   ", byte %u: found %u, expected %u (sequence %" PRIu64 ")",
                   n, check->journal.record_position, at, is[at], should[at], found->sequence);
}

// When record n of the first source is from.
static int64_t time_of(const struct check *check, uint64_t n)
{
    return EPOCH_NS + (int64_t)((double)n * check->stream->period_ns);
}

// Whose it is by what it says of itself, the first one's where it says nothing that can be: the comparison decides.
static unsigned source_of(const struct check *check, const struct mr_record *record)
{
    uint64_t later_ns =
        (uint64_t)record->event_time_ns - (uint64_t)time_of(check, record->sequence - 1);
    return later_ns < check->stream->sources ? (unsigned)later_ns : 0;
}

static void make_expected(struct check *check, unsigned source)
{
    uint64_t n = check->next[source];
    int64_t event_time_ns = time_of(check, n) + source;
    struct mr_record *expected = check->expected;
    mr_generator_blank(&check->generators[source], expected);
    expected->sequence = n + 1;
    expected->event_time_ns = event_time_ns;
    expected->ingest_time_ns = event_time_ns;
    mr_generator_fill(&check->generators[source], n, 1, expected);
}

static int compare_all(struct check *check, uint64_t *verified, struct mr_error *err)
{
    const struct mr_record *record;
    for (uint64_t n = 0; (record = mr_journal_next(&check->journal)) != NULL; n++) {
        unsigned source = source_of(check, record);
        make_expected(check, source);
        if (record->length != record_bytes(check) ||
            memcmp((const uint8_t *)record + 8, (const uint8_t *)check->expected + 8,
                   record->length - 8) != 0)
            return refuse(check, record, n, err);
        check->next[source]++;
        *verified = n + 1;
        if (n % LOOK_RECORDS == 0 && mr_bench_interrupted())
            return mr_fail(err, MR_ERR_STAGE, "ended by a signal");
    }
    if (check->journal.stop != MR_JOURNAL_END)
        return mr_fail(err, MR_ERR_CORRUPT, "%s", check->journal.problem.text);
    for (unsigned i = 0; i < check->stream->sources; i++)
        if (check->next[i] != check->stream->records[i])
            return mr_fail(err, MR_ERR_CORRUPT,
                           "found %" PRIu64
                           " records of source %u in the journal, expected %" PRIu64,
                           check->next[i], i + 1, check->stream->records[i]);
    return MR_OK;
}

static int open_generators(struct check *check, const struct mr_pipeline *pipeline,
                           struct mr_error *err)
{
    const struct mr_schema *schema =
        mr_schema_set_by_name(&pipeline->declared, check->stream->schema);
    const struct mr_node *node = mr_schema_node(pipeline, schema->name);
    int code = MR_OK;
    for (unsigned i = 0; i < check->stream->sources && code == MR_OK; i++)
        code = mr_generator_open(&check->generators[i], schema, node, MR_TRIO_SEED(i), err);
    if (code != MR_OK)
        return code;
    check->expected = calloc(1, mr_record_stride(record_bytes(check)));
    return check->expected ? MR_OK : mr_fail(err, MR_ERR_MEMORY, "no memory for a record");
}

int mr_trio_check(const char *journal_path, const struct mr_pipeline *pipeline,
                  const struct mr_trio_stream *stream, uint64_t *verified, struct mr_error *err)
{
    struct check check = {.stream = stream};
    *verified = 0;
    int code = mr_journal_open(&check.journal, journal_path, err);
    if (code != MR_OK)
        return code;
    code = open_generators(&check, pipeline, err);
    if (code == MR_OK)
        code = compare_all(&check, verified, err);
    for (unsigned i = 0; i < MR_PRODUCERS_MAX; i++)
        mr_generator_close(&check.generators[i]);
    mr_journal_close(&check.journal);
    free(check.expected);
    return code;
}
