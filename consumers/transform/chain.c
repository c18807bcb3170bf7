// SPDX-License-Identifier: Apache-2.0
// The chain: built from the pipeline file's `transform` list, closed by the egress operator, which
// writes to the ring. One record at a time goes through it, as a private copy, and gets exactly one
// fate.
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "consumers/transform/operator.h"

#define STATE_ALIGNMENT MR_CACHE_LINE

// ---- building

static void list_operators(char *out, size_t out_bytes)
{
    size_t used = 0;
    out[0] = '\0';
    for (unsigned i = 0; mr_operators[i] && used < out_bytes; i++)
        used += (size_t)snprintf(out + used, out_bytes - used, "%s%s", i ? ", " : "",
                                 mr_operators[i]->name);
}

// `- name: value` and, where an operator needs no value, `- name`.
static int item_name(const struct mr_node *item, const char **name, const struct mr_node **value,
                     struct mr_error *err)
{
    if (item->kind == MR_NODE_SCALAR && item->text) {
        *name = item->text;
        *value = NULL;
        return MR_OK;
    }
    if (item->kind != MR_NODE_MAP || item->child_count != 1)
        return mr_config_fail(item, err, "found %s, expected one operator, as in `- filter: ...`",
                              item->kind == MR_NODE_LIST  ? "a list"
                              : item->kind == MR_NODE_MAP ? "a mapping of several keys"
                                                          : "nothing");
    *name = item->children[0]->key;
    *value = item->children[0];
    return MR_OK;
}

static bool is_blank(const struct mr_node *node)
{
    if (!node)
        return true;
    if (node->kind != MR_NODE_SCALAR || node->quoted)
        return false;
    return !node->text || !node->text[0] || strcmp(node->text, "~") == 0 ||
           strcmp(node->text, "null") == 0;
}

static int bind_options(struct mr_op *op, const struct mr_node *item, const struct mr_node *value,
                        struct mr_error *err)
{
    op->node = value ? value : item;
    if (!op->kind->options) {
        if (is_blank(value))
            return mr_config_fail(op->node, err, "found nothing, expected what %s is to do",
                                  op->kind->name);
        return MR_OK;
    }
    if (is_blank(value))
        value = NULL;
    if (value && value->kind != MR_NODE_MAP)
        return mr_config_fail(value, err, "found %s, expected a mapping with the options of %s",
                              value->kind == MR_NODE_LIST ? "a list" : value->text, op->kind->name);
    op->options = calloc(1, op->kind->options_bytes ? op->kind->options_bytes : 1);
    if (!op->options)
        return mr_fail(err, MR_ERR_MEMORY, "out of memory for the options of %s", op->kind->name);
    return mr_config_bind(value, NULL, op->kind->options, op->options, op->kind->options_bytes,
                          err);
}

static struct mr_op *add_op(struct mr_chain *chain, const struct mr_operator *kind)
{
    struct mr_op *op = calloc(1, sizeof *op);
    if (!op)
        return NULL;
    op->kind = kind;
    op->chain = chain;
    if (chain->op_count > 0)
        chain->ops[chain->op_count - 1]->next = op;
    chain->ops[chain->op_count++] = op;
    if (kind->foresee)
        chain->foreseers[chain->foreseer_count++] = op;
    return op;
}

static int open_op(struct mr_chain *chain, const struct mr_operator *kind,
                   const struct mr_node *item, const struct mr_node *value,
                   const struct mr_schema_set *in, struct mr_error *err)
{
    struct mr_op *op = add_op(chain, kind);
    if (!op)
        return mr_fail(err, MR_ERR_MEMORY, "out of memory for operator %s", kind->name);
    int code = item ? bind_options(op, item, value, err) : MR_OK;
    if (code == MR_OK)
        code = mr_schema_set_copy(&op->in, in, err);
    return code == MR_OK ? kind->open(op, err) : code;
}

static int open_item(struct mr_chain *chain, const struct mr_node *item,
                     const struct mr_schema_set *in, struct mr_error *err)
{
    const char *name = NULL;
    const struct mr_node *value = NULL;
    int code = item_name(item, &name, &value, err);
    if (code != MR_OK)
        return code;
    const struct mr_operator *kind = mr_operator_find(name);
    if (!kind) {
        char names[400];
        list_operators(names, sizeof names);
        return mr_config_fail(value ? value : item, err,
                              "found operator \"%s\", expected one of %s", name, names);
    }
    return open_op(chain, kind, item, value, in, err);
}

static int open_all(struct mr_chain *chain, const struct mr_schema_set *in, struct mr_error *err)
{
    const struct mr_node *list = chain->pipeline->transform_node;
    unsigned count = list ? list->child_count : 0;
    chain->ops = calloc(count + 1, sizeof(void *));
    chain->foreseers = calloc(count + 1, sizeof(void *));
    if (!chain->ops || !chain->foreseers)
        return mr_fail(err, MR_ERR_MEMORY, "out of memory for %u operators", count);
    for (unsigned i = 0; i < count; i++) {
        int code = open_item(chain, list->children[i], in, err);
        if (code != MR_OK)
            return code;
        in = &chain->ops[i]->out;
    }
    return open_op(chain, &mr_operator_egress, NULL, NULL, in, err);
}

int mr_chain_open(struct mr_chain *chain, const struct mr_pipeline *pipeline,
                  const struct mr_schema_set *in, struct mr_error *err)
{
    const struct mr_node *list = pipeline->transform_node;
    memset(chain, 0, sizeof *chain);
    chain->pipeline = pipeline;
    memset(chain->in_bytes, 0xFF, sizeof chain->in_bytes);
    for (uint32_t i = 0; i < in->count; i++)
        chain->in_bytes[i] = in->schemas[i]->record_bytes;
    if (list && list->kind != MR_NODE_LIST && !is_blank(list))
        return mr_config_fail(list, err, "found %s, expected a list of operators",
                              list->kind == MR_NODE_MAP ? "a mapping" : list->text);
    int code = open_all(chain, in, err);
    if (code != MR_OK)
        mr_chain_close(chain);
    return code;
}

const struct mr_schema_set *mr_chain_out(const struct mr_chain *chain)
{
    return &chain->ops[chain->op_count - 1]->in;
}

void mr_chain_close(struct mr_chain *chain)
{
    for (unsigned i = 0; i < chain->op_count && chain->ops[i]; i++) {
        struct mr_op *op = chain->ops[i];
        if (op->kind->close && op->self)
            op->kind->close(op);
        mr_schema_set_clear(&op->in);
        mr_schema_set_clear(&op->out);
        free(op->options);
        free(op);
    }
    free(chain->ops);
    free(chain->foreseers);
    free(chain->copy);
    chain->ops = chain->foreseers = NULL;
    chain->op_count = chain->foreseer_count = 0;
    chain->copy = NULL;
    chain->copy_bytes = 0;
}

// ---- starting

uint64_t mr_chain_state_bytes(const struct mr_chain *chain)
{
    uint64_t bytes = 0;
    for (unsigned i = 0; i < chain->op_count; i++)
        bytes += mr_align_up(chain->ops[i]->state_bytes, STATE_ALIGNMENT);
    return bytes;
}

// Counters of the second `clamp` of a chain are called clamp_2.
static void name_counters(struct mr_chain *chain, unsigned at)
{
    struct mr_op *op = chain->ops[at];
    char name[MR_NAME_BYTES + 12];
    unsigned nth = 1;
    for (unsigned i = 0; i < at; i++)
        nth += chain->ops[i]->kind == op->kind;
    if (nth == 1)
        snprintf(name, sizeof name, "%s", op->kind->name);
    else
        snprintf(name, sizeof name, "%s_%u", op->kind->name, nth);
    for (unsigned i = 0; op->kind->counters && op->kind->counters[i]; i++) {
        unsigned index = mr_stage_add_counter(chain->stage, name, op->kind->counters[i]);
        if (i == 0)
            op->counters = index;
    }
}

int mr_chain_start(struct mr_chain *chain, struct mr_stage *stage, struct mr_error *err)
{
    uint8_t *state = stage->state;
    chain->stage = stage;
    for (unsigned i = 0; i < chain->op_count; i++) {
        struct mr_op *op = chain->ops[i];
        op->state = op->state_bytes ? state : NULL;
        state += mr_align_up(op->state_bytes, STATE_ALIGNMENT);
        name_counters(chain, i);
        int code = op->kind->start ? op->kind->start(op, err) : MR_OK;
        if (code != MR_OK)
            return code;
    }
    return MR_OK;
}

// ---- a record's way

static bool make_room(struct mr_chain *chain, uint64_t bytes)
{
    uint64_t wanted = mr_max_u64(mr_align_up(bytes, MR_PAGE_BYTES), 2 * chain->copy_bytes);
    uint8_t *copy = aligned_alloc(MR_CACHE_LINE, wanted);
    if (!copy) {
        chain->failed = true;
        mr_fail(&chain->err, MR_ERR_MEMORY, "out of memory for a record of %llu bytes",
                (unsigned long long)bytes);
        return false;
    }
    free(chain->copy);
    chain->copy = copy;
    chain->copy_bytes = wanted;
    return true;
}

// A record of a schema that the input does not declare, or shorter than that.
static __attribute__((noinline)) void reject_record(struct mr_stage *stage,
                                                    const struct mr_record *record, uint8_t index)
{
    if (index == MR_SCHEMA_UNKNOWN) {
        mr_stage_reject(stage, MR_REASON_UNKNOWN_TYPE, record->sequence, record->event_time_ns,
                        record, record->length,
                        "found schema id %u, which the input does not declare", record->schema_id);
        return;
    }
    const struct mr_schema *schema = stage->in_schemas.schemas[index];
    mr_stage_reject(stage, MR_REASON_BAD_LENGTH, record->sequence, record->event_time_ns, record,
                    record->length, "found a %s of %u bytes, expected at least %u", schema->name,
                    record->length, schema->record_bytes);
}

// An operator that gave up before it did anything leaves the record to whoever comes next.
static bool is_untouched(const struct mr_chain *chain)
{
    return chain->failed && chain->emitted == 0 && !chain->rejected;
}

static void count_fate(struct mr_chain *chain)
{
    uint64_t *counts = chain->stage->now.counts;
    if (chain->rejected) // counted when it was
        return;
    if (chain->emitted > 0)
        counts[MR_COUNT_OUT]++;
    else if (chain->dropped)
        counts[MR_COUNT_DROPPED]++;
    else
        counts[chain->fate]++;
}

static struct mr_record *copy_record(struct mr_chain *chain, const struct mr_record *record,
                                     uint32_t length)
{
    uint64_t bytes = mr_record_stride(length);
    if (MR_UNLIKELY(bytes > chain->copy_bytes) && !make_room(chain, bytes))
        return NULL;
    struct mr_record *copy = (struct mr_record *)(void *)chain->copy;
    mr_record_copy(copy, record, length);
    copy->length = length; // the shared one may have changed since it was checked
    copy->checksum = record->checksum;
    return copy;
}

bool mr_chain_apply(struct mr_chain *chain, const struct mr_record *record, uint32_t length)
{
    struct mr_stage *stage = chain->stage;
    struct mr_record *copy = copy_record(chain, record, length);
    if (MR_UNLIKELY(!copy))
        return false;
    chain->has_input = true;
    chain->emitted = 0;
    chain->rejected = false;
    chain->dropped = false;
    chain->fate = MR_COUNT_FILTERED;
    uint8_t index = stage->in_schema_index[copy->schema_id];
    if (MR_LIKELY(mr_chain_is_whole(chain, index, length))) {
        chain->ops[0]->kind->apply(chain->ops[0], copy);
        chain->has_input = false;
        if (MR_UNLIKELY(is_untouched(chain)))
            return false;
        stage->now.in_by_schema[index]++;
        count_fate(chain);
    } else {
        reject_record(stage, copy, index);
    }
    stage->now.counts[MR_COUNT_IN]++;
    return true;
}

void mr_chain_drain(struct mr_chain *chain)
{
    chain->has_input = false;
    for (unsigned i = 0; i < chain->op_count; i++) {
        struct mr_op *op = chain->ops[i];
        if (!op->kind->drain)
            continue;
        do {
            chain->paused = false;
            op->kind->drain(op);
            if (chain->failed || chain->stage->halted)
                return;
            if (chain->paused)
                mr_stage_commit(chain->stage);
        } while (chain->paused);
    }
}

// ---- for operators

struct mr_touch mr_op_state_touch(const struct mr_op *op)
{
    return (struct mr_touch){op->chain->stage};
}

void mr_op_reject(struct mr_op *op, const struct mr_record *record, enum mr_reason reason,
                  const char *format, ...)
{
    struct mr_chain *chain = op->chain;
    struct mr_stage_slot *now = &chain->stage->now;
    char text[600];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    mr_stage_reject(chain->stage, reason, record->sequence, record->event_time_ns, record,
                    record->length, "%s: %s", op->node ? op->node->path : op->kind->name, text);
    if (chain->has_input && chain->emitted == 0 && !chain->rejected) {
        chain->rejected = true;
        return;
    }
    // The input at hand has its fate already, or there is none: a letter, but no second fate.
    struct mr_op *egress = chain->ops[chain->op_count - 1];
    now->counts[MR_COUNT_REJECTED]--;
    now->rejected[reason]--;
    mr_op_count(egress, 0, 1);
}

uint64_t mr_chain_letters(const struct mr_chain *chain)
{
    const struct mr_stage_slot *now = &chain->stage->now;
    const struct mr_op *egress = chain->ops[chain->op_count - 1];
    return now->counts[MR_COUNT_REJECTED] + now->plugin[egress->counters]; // see mr_op_reject
}

void mr_op_fail(struct mr_op *op, int code, const char *format, ...)
{
    struct mr_chain *chain = op->chain;
    char text[600];
    if (chain->failed)
        return;
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    chain->failed = true;
    if (op->node)
        mr_config_fail(op->node, &chain->err, "%s", text);
    else
        mr_fail(&chain->err, code, "%s: %s", op->kind->name, text);
    chain->err.code = code;
}
