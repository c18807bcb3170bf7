// SPDX-License-Identifier: Apache-2.0
// Each operator, alone in a chain, with the stage's commits: from a record at hand to the egress ring. The
// list is the registry's: an operator without a case ends the run. What a chain itself costs is the case
// "operator (none)".
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/instructions/cases.h"
#include "core/market.h"
#include "tests/support/chain_fixture.h"

#define BATCH 64
#define TRADE_FIELDS 4

struct operator_case {
    const char *operator; // "": none
    const char *transform;
    bool is_itch;         // order messages come in, else trades
    unsigned out, per_in; // records that come out, for so many that go in
};

static const struct operator_case cases[] = {
    {"", "  []\n", false, 1, 1},
    {"filter", "  - filter: 'price > 10'\n", false, 1, 1},
    {"set", "  - set: {notional: 'price * quantity'}\n", false, 1, 1},
    {"default", "  - default: {customer: 7}\n", false, 1, 1},
    {"clamp", "  - clamp: {quantity: [1, 50]}\n", false, 1, 1},
    {"rename", "  - rename: {quantity: size}\n", false, 1, 1},
    {"drop", "  - drop: [customer]\n", false, 1, 1},
    {"keep", "  - keep: [symbol, price]\n", false, 1, 1},
    {"dedupe", "  - dedupe: {key: [customer], max: 1000}\n", false, 1, 1},
    {"script", "  - script: {path: '%s/examples/operators/notional.lua'}\n", false, 1, 1},
    {"shared_object", "  - shared_object: {path: '%s/examples/operators/notional.so'}\n", false, 1,
     1},
    {"order_book", "  - order_book: {orders_max: 16384, levels_max: 16384, unknown_max: 1024}\n",
     true, 1, 1},
    {"bars", "  - bars: {key: symbol, price: price, volume: quantity, every: 1s}\n", false, 1, 64},
};

struct chain_run {
    const struct operator_case *what;
    struct chain_fixture fixture;
    struct mr_schema_set schemas;
    _Alignas(8) uint8_t records[BATCH][128];
    uint64_t made, came; // records so far
};

static void declare(struct chain_run *run)
{
    struct mr_error err;
    int code;
    if (run->what->is_itch) {
        code =
            mr_market_schemas_range(&run->schemas, MR_SCHEMA_ITCH_FIRST, MR_SCHEMA_ITCH_LAST, &err);
    } else {
        static const char *const fields[TRADE_FIELDS][2] = {{"symbol", "char[8]"},
                                                            {"price", "decimal(4)"},
                                                            {"quantity", "u32"},
                                                            {"customer", "i64"}};
        struct mr_schema *schema = mr_schema_new("trade", mr_schema_set_free_id(&run->schemas));
        code = MR_OK;
        for (unsigned i = 0; i < TRADE_FIELDS && code == MR_OK; i++)
            code = mr_schema_add(schema, fields[i][0], fields[i][1], i == TRADE_FIELDS - 1, &err);
        mr_schema_seal(schema);
        if (code == MR_OK)
            code = mr_schema_set_add(&run->schemas, schema, &err);
    }
    expect(code == MR_OK, run->what->operator, err.text);
}

// Every other trade names no customer, unless customers are the key; 64 trades lie within a second.
static void make_trade(struct chain_run *run, struct mr_record *record)
{
    const struct mr_schema *schema = run->schemas.schemas[0];
    const struct mr_field *customer = mr_schema_field(schema, "customer");
    bool is_key = strcmp(run->what->operator, "dedupe") == 0;
    uint64_t i = run->made;
    mr_record_init(schema, record);
    record->sequence = i + 1;
    record->event_time_ns = 1000000000000 + (int64_t)(i / BATCH) * 1000000000;
    mr_field_set_text(schema, mr_schema_field(schema, "symbol"), record, "AAPL", 4);
    mr_field_set_i64(schema, mr_schema_field(schema, "price"), record,
                     1000000 + (int64_t)(i % 100));
    mr_field_set_i64(schema, mr_schema_field(schema, "quantity"), record, 1 + (int64_t)(i % 100));
    mr_field_set_null(schema, customer, record, !is_key && i % 2);
    if (is_key || i % 2 == 0)
        mr_field_set_i64(schema, customer, record, (int64_t)i);
}

// An order comes, is cancelled in part, replaced and deleted. Each changes the best price or its size, so that
// a quote comes of each.
static void make_order_message(struct chain_run *run, void *record)
{
    static const uint8_t kinds[4] = {MR_SCHEMA_ORDER_ADD, MR_SCHEMA_ORDER_CANCEL,
                                     MR_SCHEMA_ORDER_REPLACE, MR_SCHEMA_ORDER_DELETE};
    uint64_t i = run->made, ref = 1 + i / 4 * 2;
    struct mr_order_replace *message = record; // the others are its beginning, or its part
    const struct mr_schema *schema = mr_schema_set_by_id(&run->schemas, kinds[i % 4]);
    mr_record_init(schema, record);
    message->env.sequence = i + 1;
    message->env.event_time_ns = (int64_t)(i + 1) * 1000;
    message->locate = (uint16_t)(1 + i / 4 % 16);
    message->order_ref = ref + (i % 4 == 3);
    memcpy(message->symbol, "AAPL\0\0\0", sizeof message->symbol);
    if (i % 4 < 3)
        message->shares = i % 4 == 1 ? 10 : 100;
    if (i % 4 == 0)
        ((struct mr_order_add *)record)->side = i / 4 % 2 ? 'B' : 'S';
    if (i % 2 == 0 && i % 4 < 3)
        message->price = 1000000 + (uint32_t)(i % 4) * 100;
    if (i % 4 == 2)
        message->new_order_ref = ref + 1;
}

static void make_batch(struct chain_run *run)
{
    for (unsigned i = 0; i < BATCH; i++, run->made++) {
        struct mr_record *record = (struct mr_record *)(void *)run->records[i];
        if (run->what->is_itch)
            make_order_message(run, record);
        else
            make_trade(run, record);
    }
}

static void take_away(struct chain_run *run)
{
    struct mr_reader *reader = &run->fixture.readers[0];
    for (uint32_t length; mr_next(reader, &length) != NULL;)
        run->came++;
    mr_release(reader, reader->position, NULL);
    expect(mr_next(&run->fixture.readers[1], &(uint32_t){0}) == NULL, run->what->operator,
           "a record was rejected");
}

static void turn(struct chain_run *run, unsigned records)
{
    for (unsigned i = 0; i < records; i += BATCH) {
        bool good = true;
        make_batch(run);
        count_begin();
        for (unsigned j = 0; j < BATCH; j++) {
            const struct mr_record *record = (const struct mr_record *)(void *)run->records[j];
            good &= mr_chain_apply(&run->fixture.chain, record, record->length);
        }
        mr_stage_commit(run->fixture.stage);
        count_end();
        expect(good, run->what->operator, run->fixture.chain.err.text);
        take_away(run);
    }
}

static void count_case(const struct operator_case *what, const char *directory)
{
    char name[64], transform[PATH_MAX + 128];
    struct chain_run *run = calloc(1, sizeof *run);
    run->what = what;
    snprintf(name, sizeof name, "operator %s", *what->operator ? what->operator: "(none)");
    const char *at = strstr(what->transform, "%s");
    if (at)
        snprintf(transform, sizeof transform, "%.*s%s%s", (int)(at - what->transform),
                 what->transform, directory, at + 2);
    else
        snprintf(transform, sizeof transform, "%s", what->transform);
    declare(run);
    chain_fixture_open(&run->fixture, transform, &run->schemas);
    turn(run, 2 * CASE_RECORDS); // what is compiled while it runs is compiled by then
    uint64_t came = run->came;
    struct tally tally = tally_start(name);
    turn(run, CASE_RECORDS);
    tally_finish(&tally, CASE_RECORDS);
    expect(run->came - came == CASE_RECORDS / what->per_in * what->out, name,
           "other than the expected number of records came out");
    chain_fixture_close(&run->fixture);
    mr_schema_set_clear(&run->schemas);
    free(run);
}

static const struct operator_case *find_case(const char *name)
{
    for (unsigned i = 0; i < MR_COUNT_OF(cases); i++)
        if (strcmp(cases[i].operator, name) == 0)
            return &cases[i];
    expect(false, name,
           "an operator without a case, expected one in bench/instructions/operators.c");
    return NULL;
}

void count_operators(const char *build_directory)
{
    char source[PATH_MAX], build[PATH_MAX];
    expect(realpath(".", source) && realpath(build_directory, build), build_directory,
           "no such directory");
    count_case(find_case(""), source);
    for (unsigned i = 0; mr_operators[i]; i++) {
        const struct operator_case *what = find_case(mr_operators[i]->name);
        count_case(what, strcmp(what->operator, "shared_object") == 0 ? build : source);
    }
}
