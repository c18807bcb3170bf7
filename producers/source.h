// SPDX-License-Identifier: Apache-2.0
// The contract of a source: one plugin, one file, ending in one `const struct mr_source`.
//
// The producer's loop calls poll() again and again. A poll takes some input, emits records, and
// returns soon (after at most about pipeline->batch_bytes_max of records); the loop then commits,
// so that the records and the source's mark become final together. A source that restarts is opened
// with the mark of the last commit and goes on exactly behind it.
//
//     for each message of the input:
//         stage->now.counts[MR_COUNT_IN]++                       (mr_source_take does it)
//         record = mr_stage_claim(stage, MR_PORT_MAIN, schema->record_bytes)
//         ... fill; mr_stage_emit(stage, MR_PORT_MAIN); mr_source_out(run)
//     or  mr_stage_reject(stage, MR_REASON_SYNTAX, ...) where it cannot be used
#ifndef MR_PRODUCERS_SOURCE_H
#define MR_PRODUCERS_SOURCE_H

#include "core/pipeline/stage.h"

enum mr_poll {
    MR_POLL_MORE,   // took something; call again, at run->wake_mono_ns where that is set
    MR_POLL_IDLE,   // nothing now: wait until run->wake_mono_ns, or until run->wait_fd is readable
    MR_POLL_END,    // the input has ended
    MR_POLL_FAILED, // run->err says why; what was emitted is committed first
};

struct mr_source;

struct mr_source_run {
    const struct mr_source *source;
    const void *options;
    struct mr_stage *stage;
    void *self;           // the source's own memory, from open()
    int64_t wake_mono_ns; // when there is more, where that is known; 0: it is not
    int wait_fd;          // MR_POLL_IDLE: -1 none
    unsigned counters;    // the source's first counter in stage->now.plugin
    bool resumed;         // mark is from an earlier process
    bool behind; // the run before this one was cut off, and the source cannot give it again
    uint8_t mark[MR_STAGE_MARK_BYTES]; // the source keeps it up to date; committed with each batch
    struct mr_error err;
};

struct mr_source {
    const char *name;  // as in `source: {type: name}`
    const char *about; // one line
    const struct mr_option *options;
    size_t options_bytes;
    const char *const *counters; // names of its own counters, NULL-ended; or NULL
    // Of run->stage->state, where the mark is too small for what it must know when it goes on: zeroed in a
    // fresh run, else as committed. mr_stage_touch before anything in it is changed.
    uint64_t state_bytes;
    // What can be done about it after a power cut; 0: its options decide, again_of says.
    enum mr_again again;
    enum mr_again (*again_of)(const void *options);
    // Checks the options and adds the schemas it will emit; opens nothing that outlives the call.
    // Also called by `millrace check`.
    int (*declare)(const void *options, const struct mr_pipeline *pipeline,
                   struct mr_schema_set *out, struct mr_error *err);
    // Where it fails it has let go of everything: close() is not called.
    int (*open)(struct mr_source_run *run, struct mr_error *err);
    enum mr_poll (*poll)(struct mr_source_run *run);
    void (*close)(struct mr_source_run *run);
};

static inline enum mr_again mr_source_again(const struct mr_source *source, const void *options)
{
    return source->again ? source->again : source->again_of(options);
}

// One input message was taken in; one left as a record.
static inline void mr_source_take(struct mr_source_run *run)
{
    run->stage->now.counts[MR_COUNT_IN]++;
}
static inline void mr_source_out(struct mr_source_run *run)
{
    run->stage->now.counts[MR_COUNT_OUT]++;
}
static inline void mr_source_dropped(struct mr_source_run *run) // mr_stage_claim said NULL
{
    run->stage->now.counts[MR_COUNT_DROPPED]++;
}
static inline void mr_source_filtered(struct mr_source_run *run)
{
    run->stage->now.counts[MR_COUNT_FILTERED]++;
}
static inline void mr_source_count(struct mr_source_run *run, unsigned counter, uint64_t add)
{
    run->stage->now.plugin[run->counters + counter] += add;
}

// Records and mark become final together. The loop does it after each poll; a source that must not
// leave anything behind in memory (what came over a socket) may do it within one.
static inline void mr_source_commit(struct mr_source_run *run)
{
    uint64_t origin_tick = run->stage->origin_tick;
    __builtin_memcpy(run->stage->now.mark, run->mark, sizeof run->mark);
    mr_stage_commit(run->stage);
    run->stage->origin_tick = origin_tick;
}

// "<file>:<line>: source.path: cannot read ...": from errno. Returns MR_ERR_INPUT.
int mr_source_fail_path(const struct mr_node *source, const char *path, struct mr_error *err);

extern const struct mr_source *const mr_sources[]; // NULL-ended; producers/registry.c
const struct mr_source *mr_source_find(const char *name);

// Options of the pipeline's source, bound; the caller frees *options.
int mr_source_bind(const struct mr_pipeline *pipeline, const struct mr_source **source,
                   void **options, struct mr_error *err);
// The producer process of one source (0: the first), from start to drained. `after_others`: takes nothing in before the stages
// behind it are ready, so that a run which one of them refuses has accepted nothing. Returns an exit
// code; the error was logged.
int mr_producer_main(const struct mr_pipeline *pipeline, unsigned source, bool after_others);

#endif
