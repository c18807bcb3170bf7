// SPDX-License-Identifier: Apache-2.0
// The chain: one fate for every input, checked lengths, errors that name the place.
#include <criterion/criterion.h>
#include <string.h>

#include "tests/support/text_chain.h"

static struct text_chain f;

static void declare(void)
{
    chain_declare(&f, "trade", "symbol char[8], price decimal(2), quantity u32");
    chain_declare(&f, "note", "words char[16]");
}

static void close_fixture(void)
{
    chain_close(&f);
}

TestSuite(chain, .init = declare, .fini = close_fixture);

Test(chain, without_operators_everything_passes)
{
    chain_open(&f, "  []\n");
    chain_feed(&f, "trade symbol=A price=1.50 quantity=3");
    chain_feed(&f, "note words=hello");
    cr_assert_str_eq(chain_next(&f), "trade symbol=A price=1.50 quantity=3");
    cr_assert_str_eq(chain_next(&f), "note words=hello");
    cr_assert_null(chain_next(&f));
    cr_assert_eq(chain_count(&f, MR_COUNT_IN), 2);
    cr_assert_eq(chain_count(&f, MR_COUNT_OUT), 2);
    cr_assert_eq(chain_count(&f, MR_COUNT_EMITTED), 2);
    cr_assert_eq(f.fixture.stage->now.in_by_schema[0], 1);
    cr_assert_eq(f.fixture.stage->now.out_by_schema[1], 1);
}

Test(chain, a_short_record_and_an_unknown_schema_are_rejected)
{
    uint8_t bytes[256] __attribute__((aligned(8)));
    struct mr_record *record = (void *)bytes;
    chain_open(&f, "  []\n");
    mr_record_init(f.schemas.schemas[0], record);
    uint32_t whole = record->length;
    cr_assert(chain_feed_raw(&f, record, whole - 1));
    record->length = 1u << 30; // what stands in shared memory is not asked again
    cr_assert(chain_feed_raw(&f, record, whole));
    record->schema_id = 77;
    cr_assert(chain_feed_raw(&f, record, whole));
    cr_assert_str_eq(chain_next_letter(&f),
                     "bad_length: found a trade of 59 bytes, expected at least 60");
    cr_assert_str_eq(chain_next_letter(&f),
                     "unknown_type: found schema id 77, which the input does not declare");
    cr_assert_null(chain_next_letter(&f));
    cr_assert_eq(chain_count(&f, MR_COUNT_REJECTED), 2);
    cr_assert_eq(chain_count(&f, MR_COUNT_OUT), 1);
}

Test(chain, fates_add_up_along_the_chain)
{
    chain_open(&f, "  - filter: \"price > 10\"\n"
                   "  - dedupe: {key: symbol}\n"
                   "  - set: {quantity: \"quantity * 2000000000\"}\n");
    chain_feed(&f, "trade symbol=A price=9.99 quantity=1");
    chain_feed(&f, "trade symbol=B price=11.00 quantity=1");
    chain_feed(&f, "trade symbol=B price=12.00 quantity=1");
    chain_feed(&f, "trade symbol=C price=12.00 quantity=3");
    chain_feed(&f, "note words=x");
    cr_assert_str_eq(chain_next(&f), "trade symbol=B price=11.00 quantity=2000000000");
    cr_assert_str_eq(chain_next(&f), "note words=x");
    cr_assert_str_eq(chain_next_letter(&f),
                     "bad_value: transform[2].set: quantity: found 6000000000, "
                     "expected what a u32 holds");
    cr_assert_eq(chain_count(&f, MR_COUNT_IN), 5);
    cr_assert_eq(chain_count(&f, MR_COUNT_OUT), 2);
    cr_assert_eq(chain_count(&f, MR_COUNT_FILTERED), 1);
    cr_assert_eq(chain_count(&f, MR_COUNT_DUPLICATE), 1);
    cr_assert_eq(chain_count(&f, MR_COUNT_REJECTED), 1);
}

Test(chain, counters_of_a_second_operator_of_a_kind_have_its_number)
{
    chain_open(&f, "  - clamp: {price: [5, ~]}\n  - clamp: {price: [~, 5]}\n");
    chain_feed(&f, "trade price=1");
    chain_feed(&f, "trade price=8");
    chain_feed(&f, "trade price=9");
    cr_assert_eq(chain_counter(&f, "clamp.clamped"), 1);
    cr_assert_eq(chain_counter(&f, "clamp_2.clamped"), 2);
}

Test(chain, a_crash_before_the_commit_leaves_no_trace)
{
    chain_open(&f, "  - filter: \"price > 10\"\n");
    chain_feed(&f, "trade symbol=A price=20");
    cr_assert_not_null(chain_next(&f));
    chain_feed(&f, "trade symbol=B price=20");
    chain_feed(&f, "trade symbol=C price=2");
    chain_crash(&f);
    cr_assert_eq(chain_count(&f, MR_COUNT_IN), 1);
    cr_assert_eq(chain_count(&f, MR_COUNT_EMITTED), 1);
    cr_assert_null(chain_next(&f));
    chain_feed(&f, "trade symbol=B price=20");
    cr_assert_str_eq(chain_next(&f), "trade symbol=B price=20.00 quantity=0");
}

static void assert_refused(const char *transform, const char *text)
{
    cr_assert_str_eq(chain_error(&f, transform), text);
}

Test(chain, errors_in_the_list_name_the_place)
{
    assert_refused(
        "  - flter: \"price > 10\"\n",
        "pipeline.yaml:6: transform[0].flter: found operator \"flter\", expected one of filter, "
        "set, default, clamp, rename, drop, keep, dedupe, script, shared_object, order_book, "
        "bars");
    assert_refused("  - [a, b]\n", "pipeline.yaml:6: transform[0]: found a list, expected one "
                                   "operator, as in `- filter: ...`");
    assert_refused(
        "  - filter: \"price > 1\"\n    set: {price: 1}\n",
        "pipeline.yaml:6: transform[0]: found a mapping of several keys, expected one operator, as "
        "in `- filter: ...`");
    assert_refused("  - filter\n",
                   "pipeline.yaml:6: transform[0]: found nothing, expected what filter is to do");
    assert_refused("  - dedupe: symbol\n", "pipeline.yaml:6: transform[0].dedupe: found symbol, "
                                           "expected a mapping with the options of "
                                           "dedupe");
}
