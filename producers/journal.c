// SPDX-License-Identifier: Apache-2.0
// Source `journal`: a journal played back (core/journal.h). Records keep everything they have:
// schema id, sequence, flags, event and ingest time. So the same pipeline makes of a replayed
// journal the same bytes that it makes of the feed itself.
//
// A torn tail ends the input with a warning; damage ends it with MR_ERR_CORRUPT, after the records
// before it. Resuming: the mark is the position of the next record.
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/formats/number.h"
#include "core/journal.h"
#include "core/log.h"
#include "producers/pace.h"
#include "producers/source.h"

struct options {
    const char *path;
    const char *pace;
    const char *from;
    const char *to;
    const char *schemas;
};

static const struct mr_option option_table[] = {
    {"path", MR_OPTION_STRING, offsetof(struct options, path), MR_OPTION_REQUIRED,
     "the journal's directory, or one segment file", NULL},
    {"pace", MR_OPTION_STRING, offsetof(struct options, pace), "asap",
     "asap, realtime, or a factor of it such as 10x; by event time", NULL},
    {"from", MR_OPTION_STRING, offsetof(struct options, from), NULL,
     "position or event time (2020-01-30T09:30:00Z) of the first record", NULL},
    {"to", MR_OPTION_STRING, offsetof(struct options, to), NULL,
     "position or event time behind the last record", NULL},
    {"schemas", MR_OPTION_STRING, offsetof(struct options, schemas), NULL,
     "names of schemas, comma-separated; the others are filtered", NULL},
    {0}};

enum { COUNTER_BYTES };
static const char *const counter_names[] = {"bytes", NULL};

// One end of the range that is played: a position, or a time.
struct bound {
    bool is_position, is_time;
    uint64_t position;
    int64_t time_ns;
};

struct mark {
    uint64_t position;
};
_Static_assert(sizeof(struct mark) <= MR_STAGE_MARK_BYTES, "mark");

struct replay {
    struct mr_journal journal;
    struct mr_pace pace;
    struct bound from, to;
    const char *schemas;
    const struct mr_record *ahead; // read, and not due yet
};

// ---- options -----------------------------------------------------------------------------------
static int parse_bound(const struct mr_node *node, const char *key, const char *text,
                       struct bound *out, struct mr_error *err)
{
    *out = (struct bound){0};
    if (!text)
        return MR_OK;
    out->is_position = mr_parse_u64(text, strlen(text), &out->position) == MR_NUMBER_OK;
    out->is_time =
        !out->is_position && mr_parse_timestamp(text, strlen(text), &out->time_ns) == MR_NUMBER_OK;
    if (out->is_position || out->is_time)
        return MR_OK;
    const struct mr_node *at = mr_config_child(node, key);
    return mr_config_fail(at ? at : node, err,
                          "found \"%s\", expected a position or a time such as "
                          "2020-01-30T09:30:00Z",
                          text);
}

// True for a name in a comma-separated list.
static bool list_has(const char *list, const char *name)
{
    size_t length = strlen(name);
    while (*list) {
        list += strspn(list, ", ");
        size_t word = strcspn(list, ", ");
        if (word == length && strncmp(list, name, word) == 0)
            return true;
        list += word;
    }
    return false;
}

static int check_schema_names(const struct mr_node *node, const char *list,
                              const struct mr_schema_set *set, struct mr_error *err)
{
    while (*list) {
        char name[MR_NAME_BYTES];
        list += strspn(list, ", ");
        size_t word = strcspn(list, ", ");
        size_t kept = mr_min_u64(word, sizeof name - 1);
        memcpy(name, list, kept);
        name[kept] = '\0';
        if (word > 0 && (word > kept || !mr_schema_set_by_name(set, name)))
            return mr_config_fail(mr_config_child(node, "schemas"), err,
                                  "found \"%.*s\", expected a schema of the journal", (int)word,
                                  list);
        list += word;
    }
    return MR_OK;
}

static int add_schemas(const struct options *options, const struct mr_schema_set *from,
                       struct mr_schema_set *out, struct mr_error *err)
{
    int code = MR_OK;
    for (unsigned i = 0; i < from->count && code == MR_OK; i++)
        if (!options->schemas || list_has(options->schemas, from->schemas[i]->name))
            code = mr_schema_set_add(out, mr_schema_copy(from->schemas[i]), err);
    return code;
}

static int declare(const void *bound, const struct mr_pipeline *pipeline, struct mr_schema_set *out,
                   struct mr_error *err)
{
    const struct options *options = bound;
    const struct mr_node *node = pipeline->source_node;
    struct mr_pace pace;
    struct bound ignored;
    struct mr_journal journal;
    struct mr_error why;
    if (mr_pace_parse(&pace, options->pace, &why) != MR_OK)
        return mr_config_fail(mr_config_child(node, "pace"), err, "%s", why.text);
    int code = parse_bound(node, "from", options->from, &ignored, err);
    if (code == MR_OK)
        code = parse_bound(node, "to", options->to, &ignored, err);
    if (code != MR_OK)
        return code;
    if (mr_journal_open(&journal, options->path, err) != MR_OK)
        return mr_config_within(mr_config_child(node, "path"), err);
    if (options->schemas)
        code = check_schema_names(node, options->schemas, &journal.schemas, err);
    if (code == MR_OK)
        code = add_schemas(options, &journal.schemas, out, err);
    mr_journal_close(&journal);
    return code;
}

// ---- opening -----------------------------------------------------------------------------------
static int start(struct mr_source_run *run, struct replay *replay, struct mr_error *err)
{
    const struct options *options = run->options;
    const struct mr_node *node = run->stage->pipeline->source_node;
    struct mark mark = {0};
    int code = mr_pace_parse(&replay->pace, options->pace, err);
    if (code == MR_OK)
        code = parse_bound(node, "from", options->from, &replay->from, err);
    if (code == MR_OK)
        code = parse_bound(node, "to", options->to, &replay->to, err);
    if (code == MR_OK)
        code = mr_journal_open(&replay->journal, options->path, err);
    if (code != MR_OK)
        return code;
    replay->schemas = options->schemas;
    if (run->resumed)
        memcpy(&mark, run->mark, sizeof mark);
    if (mark.position == 0 && replay->from.is_position)
        mark.position = replay->from.position;
    return mark.position > 0 ? mr_journal_seek(&replay->journal, mark.position, err) : MR_OK;
}

static void close_journal(struct mr_source_run *run)
{
    struct replay *replay = run->self;
    if (!replay)
        return;
    mr_journal_close(&replay->journal);
    free(replay);
    run->self = NULL;
}

static int open_journal(struct mr_source_run *run, struct mr_error *err)
{
    run->self = calloc(1, sizeof(struct replay));
    if (!run->self)
        return mr_fail(err, MR_ERR_MEMORY, "no memory for source journal");
    int code = start(run, run->self, err);
    if (code != MR_OK)
        close_journal(run);
    return code;
}

// ---- running -----------------------------------------------------------------------------------
static int64_t time_of(const struct mr_record *record)
{
    return record->event_time_ns ? record->event_time_ns : record->ingest_time_ns;
}

static bool is_wanted(const struct replay *replay, const struct mr_record *record)
{
    int64_t time_ns = time_of(record);
    if (replay->from.is_time && time_ns < replay->from.time_ns)
        return false;
    if (replay->to.is_time && time_ns >= replay->to.time_ns)
        return false;
    return !replay->schemas ||
           list_has(replay->schemas,
                    mr_schema_set_by_id(&replay->journal.schemas, record->schema_id)->name);
}

// The same record, byte for byte, but for the checksum, which the ring makes anew for its own
// position. False: the stage was halted.
static bool pass_on(struct mr_source_run *run, const struct mr_record *record)
{
    struct mr_stage *stage = run->stage;
    const size_t from = offsetof(struct mr_record, sequence);
    mr_source_take(run);
    if (!is_wanted(run->self, record)) {
        mr_source_filtered(run);
        return true;
    }
    uint32_t longest = mr_claim_bytes_max(&stage->writers[MR_PORT_MAIN]);
    if (record->length > longest) {
        mr_stage_reject(stage, MR_REASON_TOO_LONG, record->sequence, record->event_time_ns, record,
                        record->length, "found a record of %u bytes, the ring takes up to %u",
                        record->length, longest);
        return !stage->halted;
    }
    struct mr_record *out = mr_stage_claim(stage, MR_PORT_MAIN, record->length);
    if (!out && stage->halted)
        return false;
    if (!out) {
        mr_source_dropped(run);
        return true;
    }
    memcpy((uint8_t *)out + from, (const uint8_t *)record + from, record->length - from);
    mr_stage_emit(stage, MR_PORT_MAIN);
    mr_source_out(run);
    return true;
}

static bool is_due(struct mr_source_run *run, struct replay *replay)
{
    int64_t time_ns = time_of(replay->ahead);
    if (replay->pace.factor == 0 || time_ns == 0 || !is_wanted(replay, replay->ahead))
        return true;
    int64_t due_ns = mr_pace_due_mono_ns(&replay->pace, time_ns);
    if (due_ns <= mr_mono_ns())
        return true;
    run->wake_mono_ns = due_ns;
    return false;
}

static enum mr_poll end_of_journal(struct mr_source_run *run, const struct replay *replay)
{
    const struct mr_journal *journal = &replay->journal;
    if (journal->stop == MR_JOURNAL_DAMAGED) {
        run->err = journal->problem;
        return MR_POLL_FAILED;
    }
    if (journal->stop == MR_JOURNAL_TORN)
        mr_warn("the journal has a torn tail: %s", journal->problem.text);
    return MR_POLL_END;
}

static bool is_past_end(const struct replay *replay)
{
    return replay->to.is_position && replay->journal.record_position >= replay->to.position;
}

static enum mr_poll take_records(struct mr_source_run *run, struct replay *replay)
{
    struct mr_journal *journal = &replay->journal;
    uint64_t stop_pos = journal->position + run->stage->pipeline->batch_bytes_max / 2;
    do {
        if (!replay->ahead)
            replay->ahead = mr_journal_next(journal);
        if (!replay->ahead)
            return end_of_journal(run, replay);
        if (is_past_end(replay))
            return MR_POLL_END;
        if (!is_due(run, replay))
            return MR_POLL_IDLE;
        if (!pass_on(run, replay->ahead))
            return MR_POLL_MORE; // halted
        mr_source_count(run, COUNTER_BYTES, mr_record_stride(replay->ahead->length));
        replay->ahead = NULL;
    } while (journal->position < stop_pos && !mr_stage_should_commit(run->stage));
    return MR_POLL_MORE;
}

static enum mr_poll poll_journal(struct mr_source_run *run)
{
    struct replay *replay = run->self;
    enum mr_poll polled = take_records(run, replay);
    struct mark mark = {replay->ahead ? replay->journal.record_position : replay->journal.position};
    memcpy(run->mark, &mark, sizeof mark);
    return polled;
}

const struct mr_source mr_source_journal = {
    .name = "journal",
    .about = "a journal played back, as fast as it goes or paced by event time",
    .options = option_table,
    .options_bytes = sizeof(struct options),
    .counters = counter_names,
    .again = MR_AGAIN_SAME,
    .declare = declare,
    .open = open_journal,
    .poll = poll_journal,
    .close = close_journal,
};
