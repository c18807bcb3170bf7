// SPDX-License-Identifier: Apache-2.0
// The contract of an operator: one plugin, one file, ending in one `const struct mr_operator`.
//
// Operators form a chain. open() is called front to back: it gets the schemas that may come in and
// says which may go out. apply() gets one record and hands on none, one or several with
// mr_op_pass(). The record is private to the chain and may be modified in place, but not made
// longer: an operator that makes another kind of record builds it in memory of its own.
//
// Transforms are deterministic: same input, same bytes out. No clock, no random numbers, no
// dependence on how the input was cut into batches. State that must outlive the process is reserved
// in open() and lives in shared memory; mr_op_touch() comes before each modification of it.
//
//     static void apply(struct mr_op *op, struct mr_record *record)
//     {
//         if (wanted(op->self, record)) mr_op_pass(op, record);
//         else mr_op_fate(op, MR_COUNT_FILTERED);
//     }
#ifndef MR_CONSUMERS_TRANSFORM_OPERATOR_H
#define MR_CONSUMERS_TRANSFORM_OPERATOR_H

#include "consumers/transform/touch.h"
#include "core/pipeline/stage.h"

struct mr_op;

struct mr_operator {
    const char *name;  // as in `transform: [ {name: ...} ]`
    const char *about; // one line
    const char *help;  // examples, as lines of a pipeline file; or NULL
    const struct mr_option
        *options; // NULL: the operator reads its node itself (a scalar, a free mapping)
    size_t options_bytes;
    const char *const *counters; // names of its own counters, NULL-ended; or NULL
    // op->node, op->options and op->in stand. Fills op->out (mr_schema_set_copy(&op->out, &op->in)
    // where nothing changes), op->self, op->state_bytes. Also called by `millrace check`.
    int (*open)(struct mr_op *op, struct mr_error *err);
    // op->state stands: zeroed in a fresh run, as committed after a restart. May be NULL.
    int (*start)(struct mr_op *op, struct mr_error *err);
    void (*apply)(struct mr_op *op, struct mr_record *record);
    // A record that apply() will probably be given soon: MR_FORESIGHT records from now, where so many are
    // waiting. The time to prefetch what it will need. Only a hint: the record may change or fall to an
    // operator before this one, others may come unforeseen, so nothing but prefetches may follow from it.
    // It stands in shared memory and is at least as long as its schema in the chain's input says. May be
    // NULL.
    void (*foresee)(struct mr_op *op, const struct mr_record *record);
    // The input has ended: pass on what is held back, and forget it. Called again after a commit
    // for as long as it returns because mr_op_should_pause() said so. May be NULL.
    void (*drain)(struct mr_op *op);
    void (*close)(struct mr_op *op); // frees op->self. May be NULL.
};

struct mr_op {
    const struct mr_operator *kind;
    const struct mr_node *node; // what stands behind `- name:` in the pipeline file
    void *options;              // bound from kind->options
    void *self;
    uint64_t state_bytes;
    void *state;
    struct mr_schema_set in, out;
    struct mr_op *next; // the last one is the chain's own: it writes to the egress ring
    struct mr_chain *chain;
    unsigned counters; // first counter in stage->now.plugin
};

#define MR_FORESIGHT 12 // records; what distances are worth stands in docs/PERFORMANCE.md

struct mr_chain {
    struct mr_stage *stage;
    const struct mr_pipeline *pipeline;
    struct mr_op **ops; // the file's, then the egress
    unsigned op_count;
    struct mr_op **foreseers; // those of ops that foresee
    unsigned foreseer_count;
    uint8_t *copy; // the record at hand, private to the chain, 8-byte aligned
    size_t copy_bytes;
    uint32_t in_bytes[256]; // of the input's schemas, by index; of none UINT32_MAX
    bool has_input;         // an input is at hand (not draining)
    unsigned emitted;       // records written for the input at hand
    bool rejected;          // the input at hand went to the dead letters
    enum mr_count fate;     // of the record at hand, where nothing of it is emitted
    bool dropped;           // its output met a full ring
    bool paused;            // drain: an operator wants what it passed on to be committed first
    bool failed;            // an operator gave up: err says why
    struct mr_error err;
};

static inline void mr_op_pass(struct mr_op *op, struct mr_record *record)
{
    op->next->kind->apply(op->next, record);
}
// Why the record at hand goes no further: MR_COUNT_FILTERED, _DUPLICATE or _LATE.
static inline void mr_op_fate(struct mr_op *op, enum mr_count fate)
{
    op->chain->fate = fate;
}
// To the dead-letter journal, the whole record as it is now. The first of "a record of it was
// emitted" and "it was rejected" is the fate of the input at hand; letters about further records
// that operators made of it are counted as egress.derived_rejected, so that the balance holds.
void mr_op_reject(struct mr_op *op, const struct mr_record *record, enum mr_reason reason,
                  const char *format, ...) MR_PRINTF(4, 5);
static inline void mr_op_touch(struct mr_op *op, void *at, uint32_t bytes)
{
    mr_stage_touch(op->chain->stage, at, bytes);
}
// For structures that live in the operator's state; from start() on.
struct mr_touch mr_op_state_touch(const struct mr_op *op);
static inline void mr_op_count(struct mr_op *op, unsigned counter, uint64_t add)
{
    op->chain->stage->now.plugin[op->counters + counter] += add;
}
// Of a counter that goes up and down: what it is now, from the operator's state.
static inline void mr_op_set_count(struct mr_op *op, unsigned counter, uint64_t value)
{
    op->chain->stage->now.plugin[op->counters + counter] = value;
}
// For loops in drain(): true when the output is as full as one batch may make it; return then.
static inline bool mr_op_should_pause(struct mr_op *op)
{
    if (mr_stage_should_commit(op->chain->stage))
        op->chain->paused = true;
    return op->chain->paused;
}
// Stops the stage with an error after the batch's last good record. To be called before anything
// was modified or passed on for the record at hand: it will be the first one after a restart.
void mr_op_fail(struct mr_op *op, int code, const char *format, ...) MR_PRINTF(3, 4);

// An operator in a shared object (operator `shared_object`) is declared by
//
//     MR_OPERATOR_PLUGIN = {.name = "notional", .open = ..., .apply = ...};
//
// which also exports the layout of the structs above: an object that was built against others is refused.
#define MR_OPERATOR_LAYOUT                                                                         \
    ((uint64_t)sizeof(struct mr_stage) << 40 ^ (uint64_t)sizeof(struct mr_chain) << 26 ^           \
     (uint64_t)sizeof(struct mr_op) << 13 ^ (uint64_t)sizeof(struct mr_operator))
#define MR_OPERATOR_PLUGIN                                                                         \
    extern const uint64_t mr_operator_plugin_layout;                                               \
    const uint64_t mr_operator_plugin_layout = MR_OPERATOR_LAYOUT;                                 \
    extern const struct mr_operator mr_operator_plugin;                                            \
    const struct mr_operator mr_operator_plugin

extern const struct mr_operator *const mr_operators[]; // NULL-ended; registry.c
extern const struct mr_operator
    mr_operator_egress; // the end of every chain; not for pipeline files
const struct mr_operator *mr_operator_find(const char *name);

// Builds the chain of the pipeline for these input schemas; the last op's `in` is what goes out.
int mr_chain_open(struct mr_chain *chain, const struct mr_pipeline *pipeline,
                  const struct mr_schema_set *in, struct mr_error *err);
uint64_t mr_chain_state_bytes(const struct mr_chain *chain);
int mr_chain_start(struct mr_chain *chain, struct mr_stage *stage, struct mr_error *err);
// One record, 8-byte aligned and with its rounding, as in a ring: a private copy of it goes through the
// chain, and its fate is counted. False where an
// operator gave up: chain->err says why, and the record was not taken in.
bool mr_chain_apply(struct mr_chain *chain, const struct mr_record *record, uint32_t length);
// A chain without operators only: moves records from the reader straight to the egress ring, until
// end_pos, the end of what is there, or one that is not to go that way (a schema the input does not
// declare, a full ring): that one is left to mr_chain_apply.
void mr_chain_pass(struct mr_chain *chain, struct mr_reader *reader, uint64_t end_pos);
static inline bool mr_chain_is_empty(const struct mr_chain *chain)
{
    return chain->op_count == 1; // the egress
}
// Whether a record is one of the input's schema `index` (or MR_SCHEMA_UNKNOWN) and as long as that.
static inline bool mr_chain_is_whole(const struct mr_chain *chain, uint8_t index, uint32_t length)
{
    return length >= chain->in_bytes[index];
}
// A record that mr_chain_apply will be given MR_FORESIGHT records later, or some more. Only worth calling
// where mr_chain_foresees.
static inline void mr_chain_foresee(const struct mr_chain *chain, const struct mr_record *record,
                                    uint32_t length)
{
    uint8_t index = chain->stage->in_schema_index[record->schema_id];
    if (MR_UNLIKELY(!mr_chain_is_whole(chain, index, length)))
        return; // to be rejected in its turn
    for (unsigned i = 0; i < chain->foreseer_count; i++)
        chain->foreseers[i]->kind->foresee(chain->foreseers[i], record);
}
static inline bool mr_chain_foresees(const struct mr_chain *chain)
{
    return chain->foreseer_count > 0;
}
// The input has ended: every operator, front to back, passes on what it holds back. Commits as it
// goes; the last batch is the caller's to commit.
void mr_chain_drain(struct mr_chain *chain);
// Dead letters that the stage has written so far.
uint64_t mr_chain_letters(const struct mr_chain *chain);
const struct mr_schema_set *mr_chain_out(const struct mr_chain *chain);
void mr_chain_close(struct mr_chain *chain);

// The transform process, from start to drained. Returns an exit code; the error was logged.
int mr_transform_main(const struct mr_pipeline *pipeline);

#endif
