// SPDX-License-Identifier: Apache-2.0
// dedupe: lets the first record of each key through.
//
//     - dedupe: {key: [symbol, trade_id], within: 10s, max: 100000}
//
// A record is a duplicate if one with the same key went through before it, at most `within` of
// event time away (either way, for events may come out of order; without event time the ingest time
// counts). No `within`: however long ago. At most `max` keys are remembered; the one that was
// learnt first is forgotten first, and `dedupe.forgotten` counts it. Keys are compared whole, not
// by hash. Two schemas never share keys.
//
// State, in shared memory: a header, `bucket_count` words, then `max` entries in a circle. Each
// bucket is a chain of entries; a word is an entry's place plus one, 0 is the end.
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "consumers/transform/scope.h"

enum { COUNT_FORGOTTEN };
static const char *const counters[] = {"forgotten", NULL};
#define KEYS_MAX (1u << 30)

struct dedupe_options {
    const struct mr_node *key, *on;
    int64_t within_ns;
    int64_t keys_max;
};

static const struct mr_option option_table[] = {
    {"key", MR_OPTION_NODE, offsetof(struct dedupe_options, key), MR_OPTION_REQUIRED,
     "the fields that tell records apart", NULL},
    {"within", MR_OPTION_DURATION, offsetof(struct dedupe_options, within_ns), "0",
     "how far apart in event time duplicates can be; 0: any", NULL},
    {"max", MR_OPTION_INT, offsetof(struct dedupe_options, keys_max), "100000",
     "keys that are remembered", NULL},
    {"on", MR_OPTION_NODE, offsetof(struct dedupe_options, on), NULL,
     "the schemas it is for; else all that have its fields", NULL},
    {0},
};

struct table {       // at the state's beginning
    uint64_t learnt; // keys so far; the next entry is at learnt % max
    uint64_t reserved;
};

struct entry {
    int64_t time_ns;
    uint32_t next; // in its bucket
    uint32_t bucket;
    uint8_t key[]; // dedupe->key_bytes
};

struct plan {
    const struct mr_schema *schema;
    const struct mr_field *fields[MR_FIELDS_MAX];
    unsigned count;
};

struct dedupe {
    struct mr_plans plans;
    int64_t within_ns;
    uint64_t keys_max, bucket_count; // buckets: a power of two
    size_t key_bytes, entry_bytes;
    uint8_t *key; // of the record at hand
    struct table *table;
    uint32_t *buckets;
    uint8_t *entries;
};

// ---- opening

// A key is the schema's id, then for each field a byte that says null, and the value.
static size_t add_key_fields(struct plan *plan, const struct mr_scope *scope)
{
    size_t bytes = sizeof(uint16_t);
    for (unsigned i = 0; i < scope->field_count; i++) {
        plan->fields[plan->count] = mr_schema_field(plan->schema, scope->fields[i].name);
        bytes += 1 + plan->fields[plan->count++]->bytes;
    }
    return bytes;
}

static int add_plan(struct dedupe *dedupe, const struct mr_scope *scope,
                    const struct mr_schema *schema, struct mr_error *err)
{
    struct plan *plan = calloc(1, sizeof *plan);
    if (!plan)
        return mr_fail(err, MR_ERR_MEMORY, "out of memory for dedupe");
    plan->schema = schema;
    int code = mr_plans_set(&dedupe->plans, schema->id, plan, err);
    if (code != MR_OK) {
        free(plan);
        return code;
    }
    for (unsigned i = 0; i < scope->field_count; i++)
        if (mr_schema_field(schema, scope->fields[i].name)->type == MR_TYPE_BYTES)
            return mr_config_fail(scope->fields[i].node, err,
                                  "found a field of type bytes, expected one of a fixed size");
    size_t bytes = add_key_fields(plan, scope);
    if (bytes > dedupe->key_bytes)
        dedupe->key_bytes = bytes;
    return MR_OK;
}

static int lay_out(struct mr_op *op, struct dedupe *dedupe, struct mr_error *err)
{
    dedupe->bucket_count = 16;
    while (dedupe->bucket_count < 2 * dedupe->keys_max)
        dedupe->bucket_count *= 2;
    dedupe->entry_bytes = mr_align_up(sizeof(struct entry) + dedupe->key_bytes, 8);
    op->state_bytes = sizeof(struct table) + dedupe->bucket_count * sizeof(uint32_t) +
                      dedupe->keys_max * dedupe->entry_bytes;
    dedupe->key = calloc(1, dedupe->key_bytes);
    return dedupe->key ? MR_OK : mr_fail(err, MR_ERR_MEMORY, "out of memory for dedupe");
}

static int check_options(struct mr_op *op, const struct dedupe_options *options,
                         struct mr_error *err)
{
    if (options->keys_max < 1 || options->keys_max > KEYS_MAX)
        return mr_config_fail(mr_config_child(op->node, "max"), err,
                              "found %lld, expected 1 to %u keys", (long long)options->keys_max,
                              KEYS_MAX);
    if (options->within_ns < 0)
        return mr_config_fail(mr_config_child(op->node, "within"), err,
                              "found a negative duration, expected a positive one, or 0 for any");
    return MR_OK;
}

static int dedupe_open(struct mr_op *op, struct mr_error *err)
{
    const struct dedupe_options *options = op->options;
    struct mr_scope scope = {.on = options->on};
    struct dedupe *dedupe = calloc(1, sizeof *dedupe);
    if (!dedupe)
        return mr_fail(err, MR_ERR_MEMORY, "out of memory for dedupe");
    op->self = dedupe;
    dedupe->within_ns = options->within_ns;
    dedupe->keys_max = (uint64_t)options->keys_max;
    int code = check_options(op, options, err);
    if (code == MR_OK)
        code = mr_scope_add_list(&scope, options->key, err);
    if (code == MR_OK)
        code = mr_scope_resolve(&scope, op, err);
    for (unsigned i = 0; i < op->in.count && code == MR_OK; i++)
        if (scope.takes[i])
            code = add_plan(dedupe, &scope, op->in.schemas[i], err);
    if (code == MR_OK)
        code = lay_out(op, dedupe, err);
    return code == MR_OK ? mr_schema_set_copy(&op->out, &op->in, err) : code;
}

static int dedupe_start(struct mr_op *op, struct mr_error *err)
{
    struct dedupe *dedupe = op->self;
    (void)err;
    dedupe->table = op->state;
    dedupe->buckets = (uint32_t *)(void *)(dedupe->table + 1);
    dedupe->entries = (uint8_t *)(dedupe->buckets + dedupe->bucket_count);
    return MR_OK;
}

// ---- the table

static inline struct entry *entry_at(const struct dedupe *dedupe, uint64_t place)
{
    if (MR_UNLIKELY(place >= dedupe->keys_max))
        mr_state_damaged("the number of a key", place);
    return (struct entry *)(void *)(dedupe->entries + place * dedupe->entry_bytes);
}

static void set_word(struct mr_op *op, uint32_t *word, uint32_t value)
{
    mr_op_touch(op, word, sizeof *word);
    *word = value;
}

static inline void check_chain(const struct dedupe *dedupe, uint64_t passed)
{
    if (MR_UNLIKELY(passed > dedupe->keys_max))
        mr_state_damaged("a chain of keys without an end, after", passed);
}

static struct entry *find(const struct dedupe *dedupe, uint32_t bucket)
{
    uint64_t passed = 0;
    for (uint32_t link = mr_load_relaxed_u32(&dedupe->buckets[bucket]); link != 0;) {
        struct entry *entry = entry_at(dedupe, (uint64_t)link - 1);
        if (memcmp(entry->key, dedupe->key, dedupe->key_bytes) == 0)
            return entry;
        link = mr_load_relaxed_u32(&entry->next);
        check_chain(dedupe, ++passed);
    }
    return NULL;
}

static void forget(struct mr_op *op, uint64_t place)
{
    const struct dedupe *dedupe = op->self;
    const struct entry *entry = entry_at(dedupe, place);
    uint32_t bucket = mr_load_relaxed_u32(&entry->bucket), found;
    uint64_t passed = 0;
    if (MR_UNLIKELY(bucket >= dedupe->bucket_count))
        mr_state_damaged("the number of a bucket", bucket);
    uint32_t *link = &dedupe->buckets[bucket];
    while ((found = mr_load_relaxed_u32(link)) != place + 1) {
        link = &entry_at(dedupe, (uint64_t)found - 1)->next; // 0, the end, is none, either
        check_chain(dedupe, ++passed);
    }
    set_word(op, link, entry->next);
    mr_op_count(op, COUNT_FORGOTTEN, 1);
}

static void learn(struct mr_op *op, uint32_t bucket, int64_t time_ns)
{
    struct dedupe *dedupe = op->self;
    uint64_t place = dedupe->table->learnt % dedupe->keys_max;
    struct entry *entry = entry_at(dedupe, place);
    if (dedupe->table->learnt >= dedupe->keys_max)
        forget(op, place);
    mr_op_touch(op, entry, (uint32_t)dedupe->entry_bytes);
    entry->time_ns = time_ns;
    entry->bucket = bucket;
    entry->next = dedupe->buckets[bucket];
    memcpy(entry->key, dedupe->key, dedupe->key_bytes);
    set_word(op, &dedupe->buckets[bucket], (uint32_t)place + 1);
    mr_op_touch(op, &dedupe->table->learnt, sizeof dedupe->table->learnt);
    dedupe->table->learnt++;
}

static uint32_t build_key(struct dedupe *dedupe, const struct plan *plan,
                          const struct mr_record *record)
{
    uint8_t *at = dedupe->key;
    memset(at, 0, dedupe->key_bytes);
    memcpy(at, &plan->schema->id, sizeof plan->schema->id);
    at += sizeof plan->schema->id;
    for (unsigned i = 0; i < plan->count; i++) {
        const struct mr_field *field = plan->fields[i];
        *at = mr_field_is_null(plan->schema, field, record);
        memcpy(at + 1, (const uint8_t *)record + field->offset, field->bytes);
        at += 1 + field->bytes;
    }
    return (uint32_t)(XXH3_64bits(dedupe->key, dedupe->key_bytes) & (dedupe->bucket_count - 1));
}

static bool is_near(const struct dedupe *dedupe, int64_t a_ns, int64_t b_ns)
{
    uint64_t apart_ns =
        a_ns > b_ns ? (uint64_t)a_ns - (uint64_t)b_ns : (uint64_t)b_ns - (uint64_t)a_ns;
    return dedupe->within_ns == 0 || apart_ns <= (uint64_t)dedupe->within_ns;
}

static void dedupe_apply(struct mr_op *op, struct mr_record *record)
{
    struct dedupe *dedupe = op->self;
    const struct plan *plan = mr_plans_get(&dedupe->plans, record->schema_id);
    if (!plan) {
        mr_op_pass(op, record);
        return;
    }
    int64_t time_ns = record->event_time_ns ? record->event_time_ns : record->ingest_time_ns;
    uint32_t bucket = build_key(dedupe, plan, record);
    struct entry *entry = find(dedupe, bucket);
    if (entry && is_near(dedupe, time_ns, entry->time_ns)) {
        mr_op_fate(op, MR_COUNT_DUPLICATE);
        return;
    }
    if (entry) {
        mr_op_touch(op, &entry->time_ns, sizeof entry->time_ns);
        entry->time_ns = time_ns;
    } else {
        learn(op, bucket, time_ns);
    }
    mr_op_pass(op, record);
}

static void dedupe_close(struct mr_op *op)
{
    struct dedupe *dedupe = op->self;
    mr_plans_clear(&dedupe->plans, free);
    free(dedupe->key);
    free(dedupe);
}

const struct mr_operator mr_operator_dedupe = {
    .name = "dedupe",
    .about = "lets the first record of each key through",
    .help = "- dedupe: {key: [symbol, trade_id], within: 10s, max: 100000}\n",
    .options = option_table,
    .options_bytes = sizeof(struct dedupe_options),
    .counters = counters,
    .open = dedupe_open,
    .start = dedupe_start,
    .apply = dedupe_apply,
    .close = dedupe_close,
};
