// SPDX-License-Identifier: Apache-2.0
// dedupe: its bounds by count and time, against a model, and its state across a crash.
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/text_chain.h"

static struct text_chain f;

static void declare(void)
{
    chain_declare(&f, "trade", "symbol char[8], id u32?, price f64");
    chain_declare(&f, "fill", "symbol char[8], id u32?");
    chain_declare(&f, "other", "x u8");
}

static void close_fixture(void)
{
    chain_close(&f);
}

TestSuite(dedupe, .init = declare, .fini = close_fixture);

static bool passes(const char *record)
{
    uint64_t out = chain_count(&f, MR_COUNT_OUT);
    chain_feed(&f, record);
    return chain_count(&f, MR_COUNT_OUT) == out + 1;
}

Test(dedupe, the_key_is_all_its_fields_within_one_schema)
{
    chain_open(&f, "  - dedupe: {key: [symbol, id]}\n");
    cr_assert(passes("trade symbol=A id=1 price=1"));
    cr_assert(passes("trade symbol=A id=2"));
    cr_assert(passes("trade symbol=B id=1"));
    cr_assert_not(passes("trade symbol=A id=1 price=2"));
    cr_assert(passes("fill symbol=A id=1"));
    cr_assert_not(passes("fill symbol=A id=1"));
    cr_assert(passes("trade symbol=A id=0"));
    cr_assert(passes("trade symbol=A id=~"), "null is not zero");
    cr_assert_not(passes("trade symbol=A id=~"));
    cr_assert(passes("other x=1"));
    cr_assert(passes("other x=1"));
    cr_assert_eq(chain_count(&f, MR_COUNT_DUPLICATE), 3);
}

Test(dedupe, within_counts_from_the_one_that_went_through)
{
    chain_open(&f, "  - dedupe: {key: id, within: 10s}\n");
    cr_assert(passes("trade id=1 @100"));
    cr_assert_not(passes("trade id=1 @106"));
    cr_assert_not(passes("trade id=1 @110"));
    cr_assert_not(passes("trade id=1 @95"));
    cr_assert(passes("trade id=1 @111"));
    cr_assert_not(passes("trade id=1 @121"));
    cr_assert(passes("trade id=1 @100"), "11 s before the last one that went through");
}

Test(dedupe, max_forgets_the_first_learnt)
{
    chain_open(&f, "  - dedupe: {key: id, max: 3, on: trade}\n");
    cr_assert(passes("trade id=1"));
    cr_assert(passes("trade id=2"));
    cr_assert(passes("trade id=3"));
    cr_assert_not(passes("trade id=1"));
    cr_assert(passes("trade id=4"));
    cr_assert_eq(chain_counter(&f, "dedupe.forgotten"), 1);
    cr_assert_not(passes("trade id=2"));
    cr_assert_not(passes("trade id=4"));
    cr_assert(passes("trade id=1"));
    cr_assert(passes("fill id=1"), "not asked to");
    cr_assert(passes("fill id=1"), "not asked to");
}

// The model: a list of the last `max` keys in the order they were learnt.
Test(dedupe, like_a_plain_list)
{
    enum { KEYS = 40, MAX = 16, RECORDS = 20000 };
    uint64_t random = random_seed(42);
    int64_t model_key[MAX], model_time[MAX];
    uint64_t learnt = 0, duplicates = 0;
    char text[80];
    chain_open(&f, "  - dedupe: {key: id, max: 16, within: 50s}\n");
    for (int i = 0; i < RECORDS; i++) {
        int64_t key = (int64_t)random_below(&random, KEYS);
        int64_t time = 1000 + i / 4 + (int64_t)random_below(&random, 20);
        uint64_t at = 0, known = learnt < MAX ? learnt : MAX;
        while (at < known && model_key[at] != key)
            at++;
        bool duplicate = at < known && llabs(model_time[at] - time) <= 50;
        snprintf(text, sizeof text, "trade id=%lld @%lld", (long long)key, (long long)time);
        cr_assert_eq(passes(text), !duplicate, "record %d, %s", i, text);
        duplicates += duplicate;
        if (at < known && !duplicate)
            model_time[at] = time;
        if (at == known) {
            model_key[learnt % MAX] = key;
            model_time[learnt++ % MAX] = time;
        }
        if (i % 50 == 0)
            while (chain_next(&f))
                ;
    }
    cr_assert_gt(duplicates, 1000);
    cr_assert_eq(chain_counter(&f, "dedupe.forgotten"), learnt - MAX);
    cr_assert_eq(chain_count(&f, MR_COUNT_DUPLICATE), duplicates);
}

Test(dedupe, a_crash_takes_back_what_was_not_committed)
{
    chain_open(&f, "  - dedupe: {key: id, max: 2}\n");
    cr_assert(passes("trade id=1"));
    cr_assert(passes("trade id=2"));
    cr_assert_not_null(chain_next(&f)); // commits
    size_t bytes = mr_chain_state_bytes(&f.fixture.chain);
    uint8_t *before = malloc(bytes);
    memcpy(before, f.fixture.stage->state, bytes);
    cr_assert(passes("trade id=3"));
    cr_assert(passes("trade id=4"));
    cr_assert(passes("trade id=1"));
    cr_assert_neq(memcmp(before, f.fixture.stage->state, bytes), 0);
    chain_crash(&f);
    cr_assert_eq(memcmp(before, f.fixture.stage->state, bytes), 0,
                 "the state is that of the commit");
    free(before);
    cr_assert_not(passes("trade id=1"));
    cr_assert_not(passes("trade id=2"));
    cr_assert(passes("trade id=3"));
    cr_assert_eq(chain_counter(&f, "dedupe.forgotten"), 1);
}

Test(dedupe, refuses_impossible_options)
{
    cr_assert_str_eq(
        chain_error(&f, "  - dedupe: {key: id, max: 0}\n"),
        "pipeline.yaml:6: transform[0].dedupe.max: found 0, expected 1 to 1073741824 keys");
    cr_assert_str_eq(chain_error(&f, "  - dedupe: {key: [ident]}\n"),
                     "pipeline.yaml:6: transform[0].dedupe.key[0]: found unknown field \"ident\", "
                     "expected a field of what comes in: symbol, id, price, x");
    cr_assert_str_neq(chain_error(&f, "  - dedupe: {within: 1s}\n"), "");
}
