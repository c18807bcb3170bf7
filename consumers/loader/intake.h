// SPDX-License-Identifier: Apache-2.0
// One input of the loader: a ring, the sink behind it, and what lies between.
//
//     released        durable         accepted          walked          write_pos
//        |   spans: counted, handed over  |    counted     |                |
//
// Each envelope is walked once: its length is checked, the record counted. What was walked is
// handed to the sink; what the sink calls durable is counted as out and given back to the ring with
// the next commit. Records that were counted as in by a process that died before they were out are
// walked again, and not counted again.
#ifndef MR_CONSUMERS_LOADER_INTAKE_H
#define MR_CONSUMERS_LOADER_INTAKE_H

#include "consumers/loader/sink.h"

#define MR_INTAKE_SPANS_MAX 64

struct mr_intake_span {
    uint64_t begin_pos, end_pos; // of one lap
    uint64_t records;
};

struct mr_intake {
    struct mr_stage *stage;
    struct mr_reader *reader;
    unsigned port;
    const struct mr_schema_set *schemas; // NULL: not known yet
    uint32_t
        bytes_min[MR_SCHEMA_UNKNOWN + 1]; // of a record, by its schema's index; UINT32_MAX: of none
    struct mr_sink_run run;               // run.sink NULL: not opened yet
    unsigned counter; // of dead letters, in stage->now.plugin; the egress counts as the stage does
    uint64_t recount; // records still to be walked that are in the counts already
    uint64_t walked_pos;
    uint64_t seen_tick; // of the last look that found something; 0: mr_intake_age has told of it
    uint64_t aged_pos, aged_notes;                    // how far mr_intake_age has come
    struct mr_intake_span spans[MR_INTAKE_SPANS_MAX]; // a ring, oldest first
    unsigned first, count;
};

void mr_intake_open(struct mr_intake *intake, struct mr_stage *stage, unsigned port);
// Before the first walk. The set stays the caller's, and as it is.
void mr_intake_use_schemas(struct mr_intake *intake, const struct mr_schema_set *schemas);
// Looks at what is new in the ring. *moved: something was. MR_ERR_CORRUPT.
int mr_intake_walk(struct mr_intake *intake, bool *moved, struct mr_error *err);
// Hands what was walked to the sink, as much as it takes. *moved: it took something.
int mr_intake_hand_over(struct mr_intake *intake, bool *moved, struct mr_error *err);
// Something was handed to the I/O layer that mr_intake_age was not told of.
static inline bool mr_intake_is_young(const struct mr_intake *intake)
{
    return intake->run.handed_pos > intake->aged_pos;
}
// The kernel had taken what is before `position` at `tick`: records how old that was then, and how old what was
// walked was when it was seen.
void mr_intake_age(struct mr_intake *intake, uint64_t position, uint64_t tick);
// Takes note of what has become durable: counts and in_pos, for the next commit. True: something
// has.
bool mr_intake_settle(struct mr_intake *intake);
// Walked, and not durable yet.
static inline bool mr_intake_is_busy(const struct mr_intake *intake)
{
    return intake->count > 0;
}
// Nothing that could be handed over now.
static inline bool mr_intake_is_idle(const struct mr_intake *intake)
{
    return intake->walked_pos == intake->run.accepted_pos;
}

#endif
