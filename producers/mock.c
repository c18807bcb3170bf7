// SPDX-License-Identifier: Apache-2.0
// The generator: seeded records at a given rate or flat out. Without `schema` it makes the textbook
// record {id 1-1000, value 0-100} (core/market.h); with it, any declared schema by the hints in its
// fields (producers/generator.h).
//
// Open loop: record n is due at start + n * interval, whatever happened before. A generator that
// was held up sends what is overdue in one burst and is on time again; it never drifts. The latency
// of a record counts from the moment it was due.
//
// Times: `clock: wall` gives a record the time it was due as event time and the time it was made as
// ingest time; `clock: steps` gives both as the epoch + n * interval, so that two runs are
// identical to the byte. Without the option, a paced generator uses the wall clock and a flat-out
// one steps of 1 us.
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/formats/number.h"
#include "core/market.h"
#include "producers/field_map.h"
#include "producers/generator.h"
#include "producers/source.h"

#define SECOND_NS 1000000000.0
#define FLAT_OUT_STEP_NS 1000
#define OVERDUE_NS 1000000LL // later than this is counted
// Made field by field while it is in the nearest cache.
#define RUN_BYTES_MAX (16u << 10)

enum { CLOCK_AUTO, CLOCK_WALL, CLOCK_STEPS };
enum { COUNT_OVERDUE };

struct mock_options {
    const char *schema;
    int64_t seed;
    double rate;
    int64_t interval_ns;
    int64_t run_time_ns;
    int64_t count;
    int clock;
    const char *epoch;
};

static const struct mr_option mock_option_table[] = {
    {"schema", MR_OPTION_STRING, offsetof(struct mock_options, schema), NULL,
     "a declared schema; without it the built-in mock {id, value}", NULL},
    {"seed", MR_OPTION_INT, offsetof(struct mock_options, seed), "1", "same seed, same records",
     NULL},
    {"rate", MR_OPTION_REAL, offsetof(struct mock_options, rate), "0",
     "records per second; 0: flat out", NULL},
    {"interval", MR_OPTION_DURATION, offsetof(struct mock_options, interval_ns), "0",
     "time between records, instead of rate", NULL},
    {"run_time", MR_OPTION_DURATION, offsetof(struct mock_options, run_time_ns), "0",
     "how long; 0: until stopped or count is reached", NULL},
    {"count", MR_OPTION_INT, offsetof(struct mock_options, count), "0",
     "how many records; 0: no limit", NULL},
    {"clock", MR_OPTION_ENUM, offsetof(struct mock_options, clock), "auto",
     "times of the records: wall clock or steps from the epoch (reproducible); auto: wall if paced",
     "auto,wall,steps"},
    {"epoch", MR_OPTION_STRING, offsetof(struct mock_options, epoch), "2020-01-01T00:00:00Z",
     "clock steps: time of the first record", NULL},
    {0},
};

// Resume mark: a restarted generator goes on with record n at its due time.
struct mock_mark {
    uint64_t n;
    int64_t start_mono_ns, start_wall_ns;
};
_Static_assert(sizeof(struct mock_mark) <= MR_STAGE_MARK_BYTES, "mark fits");

struct mock {
    const struct mock_options *options;
    const struct mr_schema *schema;
    struct mr_generator generator;
    struct mock_mark at;
    uint64_t end;     // n of the first record that is not made; UINT64_MAX: none
    int64_t first_ns; // event time of record 0
    double period_ns;
    bool paced, steps, builtin;
};

static int check_options(const struct mock_options *options, const struct mr_node *node,
                         struct mr_error *err)
{
    const struct mr_node *interval = mr_config_child(node, "interval");
    if (!(options->rate >= 0 && options->rate <= SECOND_NS))
        return mr_config_fail(mr_config_child(node, "rate"), err,
                              "found %g, expected 0 (flat out) to 1e9 records per second",
                              options->rate);
    if (options->rate > 0 && options->interval_ns > 0)
        return mr_config_fail(interval, err, "found interval beside rate, expected one of the two");
    if (options->interval_ns < 0 || options->run_time_ns < 0 || options->count < 0)
        return mr_config_fail(node, err, "found a negative interval, run_time or count");
    return MR_OK;
}

static int parse_epoch(const struct mock_options *options, const struct mr_node *node,
                       int64_t *epoch_ns, struct mr_error *err)
{
    if (mr_parse_timestamp(options->epoch, strlen(options->epoch), epoch_ns) == MR_NUMBER_OK)
        return MR_OK;
    return mr_config_fail(mr_config_child(node, "epoch"), err,
                          "found \"%s\", expected an ISO 8601 time", options->epoch);
}

static const struct mr_schema *find_schema(const struct mock_options *options,
                                           const struct mr_pipeline *pipeline, struct mr_error *err)
{
    if (!options->schema)
        return mr_market_schema(MR_SCHEMA_MOCK);
    const struct mr_schema *schema = mr_schema_set_by_name(&pipeline->declared, options->schema);
    if (!schema)
        mr_config_fail(mr_config_child(pipeline->source_node, "schema"), err,
                       "found \"%s\", expected the name of a schema declared under schemas",
                       options->schema);
    return schema;
}

static int declare(const void *bound, const struct mr_pipeline *pipeline, struct mr_schema_set *out,
                   struct mr_error *err)
{
    const struct mock_options *options = bound;
    struct mr_generator generator;
    int64_t epoch_ns;
    const struct mr_schema *schema = find_schema(options, pipeline, err);
    if (!schema)
        return err->code;
    int code = check_options(options, pipeline->source_node, err);
    if (code == MR_OK)
        code = parse_epoch(options, pipeline->source_node, &epoch_ns, err);
    if (code == MR_OK && options->schema) {
        code =
            mr_generator_open(&generator, schema, mr_schema_node(pipeline, schema->name), 0, err);
        mr_generator_close(&generator);
    }
    return code == MR_OK ? mr_schema_set_add(out, mr_schema_copy(schema), err) : code;
}

// How many records there are: the run time holds those that are due before its end.
static uint64_t find_end(const struct mock *mock)
{
    const struct mock_options *options = mock->options;
    uint64_t end = options->count > 0 ? (uint64_t)options->count : UINT64_MAX;
    if (!mock->paced || options->run_time_ns == 0)
        return end;
    double due = (double)options->run_time_ns / mock->period_ns;
    uint64_t whole = (uint64_t)due;
    return mr_min_u64(end, whole + ((double)whole < due));
}

static void set_pace(struct mock *mock)
{
    const struct mock_options *options = mock->options;
    mock->paced = options->rate > 0 || options->interval_ns > 0;
    mock->period_ns = FLAT_OUT_STEP_NS;
    if (mock->paced)
        mock->period_ns =
            options->rate > 0 ? SECOND_NS / options->rate : (double)options->interval_ns;
    mock->steps = options->clock == CLOCK_STEPS || (options->clock == CLOCK_AUTO && !mock->paced);
    mock->end = find_end(mock);
}

static enum mr_again again_of(const void *options)
{
    struct mock mock = {.options = options};
    set_pace(&mock);
    return mock.steps ? MR_AGAIN_SAME : MR_AGAIN_NEVER;
}

static int set_up(struct mr_source_run *run, struct mock *mock, struct mr_error *err)
{
    const struct mr_pipeline *pipeline = run->stage->pipeline;
    mock->options = run->options;
    mock->schema = find_schema(mock->options, pipeline, err);
    if (!mock->schema)
        return err->code;
    mock->builtin = !mock->options->schema;
    set_pace(mock);
    memcpy(&mock->at, run->mark, sizeof mock->at);
    if (!run->resumed)
        mock->at = (struct mock_mark){0};
    int code = parse_epoch(mock->options, pipeline->source_node, &mock->first_ns, err);
    if (!mock->steps)
        mock->first_ns = mock->at.start_wall_ns;
    if (code != MR_OK || mock->builtin)
        return code;
    return mr_generator_open(&mock->generator, mock->schema,
                             mr_schema_node(pipeline, mock->schema->name),
                             (uint64_t)mock->options->seed, err);
}

static void close_mock(struct mr_source_run *run)
{
    struct mock *mock = run->self;
    mr_generator_close(&mock->generator);
    free(mock);
}

static int open_mock(struct mr_source_run *run, struct mr_error *err)
{
    run->self = calloc(1, sizeof(struct mock));
    if (!run->self)
        return mr_fail(err, MR_ERR_MEMORY, "no memory for the generator");
    int code = set_up(run, run->self, err);
    if (code != MR_OK)
        close_mock(run);
    return code;
}

// ns from the start to when record n is due.
static int64_t due_ns(const struct mock *mock, uint64_t n)
{
    return (int64_t)((double)n * mock->period_ns);
}

_Static_assert(sizeof(struct mr_mock) % 8 == 0, "no rounding that a run would have to zero");
static void fill_builtin(const struct mock *mock, uint64_t n, void *record)
{
    struct mr_mock *mr = record;
    uint64_t seed = (uint64_t)mock->options->seed;
    mr_record_begin(mr_market_schema(MR_SCHEMA_MOCK), mr);
    mr->id = 1 + (uint32_t)mr_random_within(mr_random_at(seed, 2 * n), 999);
    mr->value = 100.0 * mr_random_real(mr_random_at(seed, 2 * n + 1));
}

static uint32_t record_bytes(const struct mock *mock)
{
    return mock->builtin ? sizeof(struct mr_mock) : mock->generator.record_bytes;
}

// Records n to n + count, end to end; all but the first 8 bytes of each, which the ring writes, or
// who has claimed a run.
static void fill(const struct mock *mock, uint64_t n, uint64_t count, int64_t now_wall_ns,
                 void *records)
{
    uint64_t stride = mr_record_stride(record_bytes(mock));
    bool due = mock->steps || mock->paced;
    for (uint64_t i = 0; i < count; i++) {
        struct mr_record *record = (void *)((uint8_t *)records + i * stride);
        if (mock->builtin)
            fill_builtin(mock, n + i, record);
        else
            mr_generator_blank(&mock->generator, record);
        record->sequence = n + i + 1;
        record->event_time_ns = due ? mock->first_ns + due_ns(mock, n + i) : now_wall_ns;
        record->ingest_time_ns = mock->steps ? record->event_time_ns : now_wall_ns;
    }
    if (!mock->builtin)
        mr_generator_fill(&mock->generator, n, count, records);
}

// Makes as many of `count` records as there is room for now without a gap; says how many.
static uint64_t make_run(struct mr_source_run *run, struct mock *mock, uint64_t count,
                         int64_t now_wall_ns)
{
    struct mr_stage *stage = run->stage;
    struct mr_writer *writer = &stage->writers[MR_PORT_MAIN];
    uint64_t stride = mr_record_stride(record_bytes(mock));
    uint64_t made = mr_claim_run(writer, mr_min_u64(count * stride, RUN_BYTES_MAX)) / stride;
    if (made == 0)
        return 0;
    uint8_t *at = (uint8_t *)mr_claimed(writer);
    fill(mock, mock->at.n, made, now_wall_ns, at);
    for (uint64_t i = 1; i < made; i++)
        ((struct mr_record *)(void *)(at + i * stride))->length = record_bytes(mock);
    mr_stage_count_emitted(stage, mock->schema->id, made);
    mr_commit_run(writer, made * stride, made, record_bytes(mock));
    stage->now.counts[MR_COUNT_IN] += made;
    stage->now.counts[MR_COUNT_OUT] += made;
    mock->at.n += made;
    return made;
}

// One record, where there is no room for a run: waits for it, or drops the record. False where the stage
// was halted.
static bool make_one(struct mr_source_run *run, struct mock *mock, int64_t now_wall_ns)
{
    struct mr_stage *stage = run->stage;
    struct mr_record *record = mr_stage_claim(stage, MR_PORT_MAIN, record_bytes(mock));
    if (!record && stage->halted)
        return false;
    mr_source_take(run);
    if (record) {
        fill(mock, mock->at.n, 1, now_wall_ns, record);
        mr_stage_emit(stage, MR_PORT_MAIN);
        mr_source_out(run);
    } else {
        mr_source_dropped(run);
    }
    mock->at.n++;
    return true;
}

static int64_t next_due_mono_ns(const struct mock *mock)
{
    return mock->at.start_mono_ns + due_ns(mock, mock->at.n);
}

// How many records may be made now: those that are due, and no more than one batch.
static uint64_t records_now(struct mr_source_run *run, struct mock *mock)
{
    uint64_t batch = run->stage->pipeline->batch_bytes_max / record_bytes(mock) + 1;
    uint64_t left = mr_min_u64(mock->end - mock->at.n, batch);
    if (!mock->paced)
        return left;
    int64_t elapsed_ns = mr_mono_ns() - mock->at.start_mono_ns;
    int64_t waited_ns = elapsed_ns - due_ns(mock, mock->at.n);
    if (waited_ns < 0) {
        run->wake_mono_ns = next_due_mono_ns(mock);
        return 0;
    }
    uint64_t due = 1;
    while (due < left && due_ns(mock, mock->at.n + due) <= elapsed_ns)
        due++;
    if (waited_ns > OVERDUE_NS)
        mr_source_count(run, COUNT_OVERDUE, due);
    run->stage->origin_tick -= (uint64_t)((double)waited_ns / mr_ns_per_tick);
    return due;
}

// Time begins when the stages behind are ready, not while they open their files.
static void begin(struct mock *mock)
{
    mock->at.start_mono_ns = mr_mono_ns();
    mock->at.start_wall_ns = mr_wall_ns();
    if (!mock->steps)
        mock->first_ns = mock->at.start_wall_ns;
}

static enum mr_poll poll_mock(struct mr_source_run *run)
{
    struct mock *mock = run->self;
    int64_t run_time_ns = mock->options->run_time_ns;
    if (mock->at.start_mono_ns == 0)
        begin(mock);
    if (mock->at.n >= mock->end)
        return MR_POLL_END;
    if (!mock->paced && run_time_ns > 0 && mr_mono_ns() - mock->at.start_mono_ns >= run_time_ns)
        return MR_POLL_END;
    uint64_t count = records_now(run, mock);
    if (count == 0)
        return MR_POLL_IDLE;
    int64_t now_wall_ns = mock->steps ? 0 : mr_wall_ns();
    while (count > 0) {
        uint64_t made = make_run(run, mock, count, now_wall_ns);
        if (made == 0 && !make_one(run, mock, now_wall_ns))
            break;
        count -= made > 0 ? made : 1;
    }
    memcpy(run->mark, &mock->at, sizeof mock->at);
    if (mock->paced && mock->at.n < mock->end)
        run->wake_mono_ns = next_due_mono_ns(mock);
    return MR_POLL_MORE;
}

static const char *const mock_counters[] = {"overdue", NULL};

const struct mr_source mr_source_mock = {
    .name = "mock",
    .about = "seeded generator of records, at a rate or flat out",
    .options = mock_option_table,
    .options_bytes = sizeof(struct mock_options),
    .counters = mock_counters,
    .again_of = again_of,
    .declare = declare,
    .open = open_mock,
    .poll = poll_mock,
    .close = close_mock,
};
