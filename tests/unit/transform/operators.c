// SPDX-License-Identifier: Apache-2.0
// filter, set, default, clamp, rename, drop, keep: what they do and what they refuse.
#include <criterion/criterion.h>
#include <string.h>

#include "tests/support/text_chain.h"

static struct text_chain f;

static void declare(void)
{
    chain_declare(&f, "trade",
                  "symbol char[8], price decimal(4), quantity u32, side enum(buy,sell), "
                  "customer i64?, live bool, at timestamp, ratio f64?");
    chain_declare(&f, "quote", "symbol char[8], bid decimal(4), ask decimal(4)");
    chain_declare(&f, "event", "kind u8, body bytes");
}

static void close_fixture(void)
{
    chain_close(&f);
}

TestSuite(operators, .init = declare, .fini = close_fixture);

static void assert_refused(const char *transform, const char *text)
{
    cr_assert_str_eq(chain_error(&f, transform), text);
}

// Where the rest of the sentence is another part's.
static void assert_refused_beginning(const char *transform, const char *text)
{
    const char *found = chain_error(&f, transform);
    cr_assert_eq(strncmp(found, text, strlen(text)), 0, "%s", found);
}

// ---- filter

Test(operators, filter_works_on_the_schemas_that_have_its_fields)
{
    chain_open(&f, "  - filter: \"price >= 10.5 && side == 'sell'\"\n");
    chain_feed(&f, "trade price=10.4999 side=sell");
    chain_feed(&f, "trade price=10.5 side=buy");
    chain_feed(&f, "trade price=10.5 side=sell symbol=X");
    chain_feed(&f, "quote bid=1 ask=2");
    cr_assert(strstr(chain_next(&f), "symbol=X"));
    cr_assert_str_eq(chain_next(&f), "quote symbol= bid=1.0000 ask=2.0000");
    cr_assert_null(chain_next(&f));
    cr_assert_eq(chain_count(&f, MR_COUNT_FILTERED), 2);
}

Test(operators, filter_can_drop_the_others_and_name_its_schemas)
{
    chain_open(&f, "  - filter: {where: \"symbol == 'A'\", on: [quote], others: drop}\n");
    chain_feed(&f, "trade symbol=A");
    chain_feed(&f, "quote symbol=A");
    chain_feed(&f, "quote symbol=B");
    cr_assert_str_eq(chain_next(&f), "quote symbol=A bid=0.0000 ask=0.0000");
    cr_assert_null(chain_next(&f));
    cr_assert_eq(chain_count(&f, MR_COUNT_FILTERED), 2);
}

Test(operators, filter_rejects_what_its_condition_cannot_judge)
{
    chain_open(&f, "  - filter: \"customer > 3\"\n");
    chain_feed(&f, "trade customer=~");
    chain_feed(&f, "trade customer=4");
    cr_assert_str_eq(chain_next_letter(&f),
                     "expression: transform[0].filter: customer is null: attempt to "
                     "compare number with nil");
    cr_assert_eq(chain_count(&f, MR_COUNT_OUT), 1);
}

Test(operators, filter_refuses_what_is_no_condition)
{
    assert_refused("  - filter: \"price + 1\"\n", "pipeline.yaml:6: transform[0].filter: in `price "
                                                  "+ 1`: found a number, expected a condition");
    assert_refused(
        "  - filter: \"prize > 1\"\n",
        "pipeline.yaml:6: transform[0].filter: found unknown field \"prize\" (did you mean "
        "\"price\"?), expected a field of what comes in: symbol, price, quantity, side, "
        "customer, live, at, ratio, bid, ask, kind, body");
    assert_refused("  - filter: \"price > bid\"\n",
                   "pipeline.yaml:6: transform[0].filter: found fields that no schema has "
                   "together: price, bid, "
                   "expected one of trade, quote, event to have them all");
    assert_refused(
        "  - filter: {where: \"price > 1\", on: qote}\n",
        "pipeline.yaml:6: transform[0].filter.on: found unknown schema \"qote\" (did you mean "
        "\"quote\"?), expected one of those that come in: trade, quote, event");
    assert_refused("  - filter: {where: \"price > 1\", on: quote}\n",
                   "pipeline.yaml:6: transform[0].filter.where: found unknown field \"price\", "
                   "expected a field "
                   "of quote: symbol, bid, ask");
}

// ---- set

Test(operators, set_appends_new_fields_and_keeps_the_type_of_old_ones)
{
    chain_open(&f, "  - set:\n"
                   "      notional: {expr: \"price * quantity\", type: decimal(2)}\n"
                   "      price: \"price * 1.00005\"\n"
                   "      big: \"quantity > 100\"\n"
                   "      half: \"quantity / 2\"\n");
    chain_feed(&f, "trade symbol=A price=1.2345 quantity=101 side=sell customer=7 live=true");
    cr_assert_str_eq(
        chain_next(&f),
        "trade symbol=A price=1.2346 quantity=101 side=sell customer=7 live=true "
        "at=1970-01-01T00:00:00.000000000Z ratio=0 notional=124.68 big=true half=50.5");
    cr_assert_eq(mr_chain_out(&f.fixture.chain)->schemas[0]->id, 103,
                 "a changed schema has a new id");
    cr_assert_eq(mr_chain_out(&f.fixture.chain)->schemas[1]->id, f.schemas.schemas[1]->id);
}

Test(operators, set_reads_the_record_as_it_came_in)
{
    chain_open(&f, "  - set: {bid: ask, ask: bid}\n");
    chain_feed(&f, "quote bid=1 ask=2");
    cr_assert_str_eq(chain_next(&f), "quote symbol= bid=2.0000 ask=1.0000");
}

Test(operators, set_copies_a_field_exactly)
{
    chain_open(&f, "  - set:\n"
                   "      id: {expr: customer, type: i64}\n"
                   "      seen: {expr: at, type: timestamp}\n"
                   "      name: {expr: symbol, type: \"char[8]\"}\n");
    chain_feed(&f, "trade symbol=ABC customer=9007199254740993 at=2020-01-30T09:30:00.123456789Z");
    chain_feed(&f, "trade customer=~");
    const char *text = chain_next(&f);
    cr_assert(strstr(text, " id=9007199254740993 seen=2020-01-30T09:30:00.123456789Z name=ABC"),
              "%s", text);
    cr_assert(strstr(chain_next(&f), " id=~ "));
}

Test(operators, set_puts_times_labels_text_and_nulls_where_they_fit)
{
    chain_open(&f, "  - set:\n"
                   "      at: \"at + 0.5\"\n"
                   "      side: \"when(side == 'buy', 'sell', 'buy')\"\n"
                   "      symbol: \"upper(symbol) .. '.N'\"\n"
                   "      customer: \"when(customer == 0, null, customer)\"\n"
                   "      live: \"not live\"\n");
    chain_feed(&f, "trade symbol=ibm side=buy customer=0 at=2020-01-30T09:30:00Z");
    cr_assert_str_eq(chain_next(&f),
                     "trade symbol=IBM.N price=0.0000 quantity=0 side=sell customer=~ "
                     "live=true at=2020-01-30T09:30:00.500000000Z ratio=0");
}

Test(operators, set_rejects_values_that_do_not_fit)
{
    static const struct {
        const char *expression, *record, *letter;
    } cases[] = {
        {"quantity: \"-1\"", "trade", "quantity: found -1, expected what a u32 holds"},
        {"quantity: \"1e10\"", "trade", "quantity: found 10000000000, expected what a u32 holds"},
        {"ratio: \"quantity / 0\"", "trade quantity=1",
         "ratio: found inf, expected what a f64 holds"},
        {"price: \"ratio\"", "trade ratio=~",
         "price: found null, expected a decimal(4), which is never null"},
        {"symbol: \"'123456789'\"", "trade",
         "symbol: found text \"123456789\", expected what a char[8] holds"},
        {"side: \"'hold'\"", "trade",
         "side: found text \"hold\", expected what a enum(buy,sell) holds"},
        {"price: \"live and 1\"", "trade", "price: found false, expected what a decimal(4) holds"},
    };
    char transform[200], letter[300];
    for (size_t i = 0; i < MR_COUNT_OF(cases); i++) {
        snprintf(transform, sizeof transform, "  - set: {%s}\n", cases[i].expression);
        snprintf(letter, sizeof letter, "bad_value: transform[0].set: %s", cases[i].letter);
        if (i > 0)
            declare();
        chain_open(&f, transform);
        chain_feed(&f, cases[i].record);
        cr_assert_null(chain_next(&f));
        cr_assert_str_eq(chain_next_letter(&f), letter);
        cr_assert_eq(chain_count(&f, MR_COUNT_REJECTED), 1);
        if (i + 1 < MR_COUNT_OF(cases))
            chain_close(&f);
    }
}

Test(operators, set_keeps_a_tail_of_bytes_last)
{
    chain_open(&f, "  - set: {twice: \"kind * 2\", size: \"len(body)\"}\n");
    chain_feed(&f, "event kind=21 body=hello");
    chain_feed(&f, "event kind=1 body=");
    cr_assert_str_eq(chain_next(&f), "event kind=21 twice=42 size=5 body=hello");
    cr_assert_str_eq(chain_next(&f), "event kind=1 twice=2 size=0 body=");
}

Test(operators, set_refuses_types_that_cannot_be)
{
    assert_refused(
        "  - set: {price: \"symbol\"}\n",
        "pipeline.yaml:6: transform[0].set.price: in `symbol`: found text, expected a number, for "
        "price is decimal(4)");
    assert_refused("  - set: {name: \"symbol\"}\n", "pipeline.yaml:6: transform[0].set.name: found "
                                                    "text for a new field, expected its size too, "
                                                    "as in {expr: ..., type: char[16]}");
    assert_refused("  - set: {price: {expr: \"price\", type: f64}}\n",
                   "pipeline.yaml:6: transform[0].set.price: found type f64, expected none or "
                   "decimal(4), which "
                   "price has already");
    assert_refused_beginning("  - set: {spread: {expr: \"ask - bid\", type: money}}\n",
                             "pipeline.yaml:6: transform[0].set: field spread: ");
}

// ---- default, clamp

Test(operators, default_fills_nulls_only)
{
    chain_open(&f, "  - default: {customer: -1, ratio: 0.25}\n");
    chain_feed(&f, "trade customer=~ ratio=~");
    cr_assert(strstr(chain_next(&f),
                     "customer=-1 live=false at=1970-01-01T00:00:00.000000000Z ratio=0.25"));
    cr_assert_eq(f.flags, MR_FLAG_CORRECTED);
    chain_feed(&f, "trade customer=5 ratio=0.5");
    cr_assert(strstr(chain_next(&f),
                     "customer=5 live=false at=1970-01-01T00:00:00.000000000Z ratio=0.5"));
    cr_assert_eq(f.flags, 0);
    cr_assert_eq(chain_counter(&f, "default.filled"), 2);
}

Test(operators, default_refuses_what_it_could_never_fill)
{
    assert_refused("  - default: {customer: many}\n",
                   "pipeline.yaml:6: transform[0].default.customer: found \"many\", expected what "
                   "a i64 holds");
    assert_refused(
        "  - default: {price: 1}\n",
        "pipeline.yaml:6: transform[0].default.price: found a field that is never null in trade, "
        "expected a nullable one");
    assert_refused("  - default: {on: trade}\n",
                   "pipeline.yaml:6: transform[0].default: found no field, expected one at least");
}

Test(operators, clamp_is_exact_and_flags_what_it_changes)
{
    chain_open(&f, "  - clamp: {price: [0.0001, 1000], ratio: [-1, 1]}\n");
    chain_feed(&f, "trade price=0 ratio=2");
    cr_assert(strstr(chain_next(&f), "price=0.0001"));
    cr_assert(strstr(f.text, "ratio=1"));
    cr_assert_eq(f.flags, MR_FLAG_CORRECTED);
    chain_feed(&f, "trade price=1000 ratio=~");
    cr_assert(strstr(chain_next(&f), "price=1000.0000"));
    cr_assert(strstr(f.text, "ratio=~"));
    cr_assert_eq(f.flags, 0);
    chain_feed(&f, "trade price=1000.0001 ratio=-7");
    cr_assert(strstr(chain_next(&f), "price=1000.0000"));
    cr_assert(strstr(f.text, "ratio=-1"));
    cr_assert_eq(chain_counter(&f, "clamp.clamped"), 4);
}

Test(operators, clamp_refuses_bounds_that_are_none)
{
    assert_refused(
        "  - clamp: {price: 5}\n",
        "pipeline.yaml:6: transform[0].clamp.price: found 5, expected [lowest, highest]");
    assert_refused(
        "  - clamp: {price: [5, 1]}\n",
        "pipeline.yaml:6: transform[0].clamp.price: found a lowest value above the highest");
    assert_refused("  - clamp: {quantity: [-1, 1]}\n",
                   "pipeline.yaml:6: transform[0].clamp.quantity[0]: found \"-1\", expected what a "
                   "u32 holds, or "
                   "~ for no bound");
    assert_refused(
        "  - clamp: {symbol: [1, 2]}\n",
        "pipeline.yaml:6: transform[0].clamp.symbol: found a field of type char[8], expected a "
        "number");
}

// ---- rename, drop, keep

Test(operators, rename_keeps_order_values_and_nulls)
{
    chain_open(&f, "  - rename: {customer: client, at: time, on: trade, as: fill}\n");
    chain_feed(&f, "trade symbol=A price=1 customer=~ ratio=0.5");
    cr_assert_str_eq(chain_next(&f),
                     "fill symbol=A price=1.0000 quantity=0 side=buy client=~ live=false "
                     "time=1970-01-01T00:00:00.000000000Z ratio=0.5");
}

Test(operators, drop_and_keep_make_the_target_schema)
{
    chain_open(&f, "  - drop: [live, at, side]\n"
                   "  - keep: {fields: [ratio, customer, symbol], as: slim}\n"
                   "  - keep: {fields: [ask], on: quote}\n");
    chain_feed(&f, "trade symbol=A customer=~ ratio=0.5");
    chain_feed(&f, "quote symbol=A ask=2.5");
    cr_assert_str_eq(chain_next(&f), "slim ratio=0.5 customer=~ symbol=A");
    cr_assert_str_eq(chain_next(&f), "quote ask=2.5000");
}

Test(operators, a_tail_of_bytes_goes_along)
{
    chain_open(&f, "  - rename: {body: text}\n  - keep: [text]\n");
    chain_feed(&f, "event kind=3 body=abcdefghijk");
    cr_assert_str_eq(chain_next(&f), "event text=abcdefghijk");
}

Test(operators, projections_refuse_what_leads_to_no_schema)
{
    assert_refused("  - rename: {bid: ask}\n",
                   "pipeline.yaml:6: transform[0].rename: schema quote has a field ask already");
    assert_refused_beginning("  - rename: {bid: \"a b\"}\n",
                             "pipeline.yaml:6: transform[0].rename.bid: found field name \"a b\"");
    assert_refused(
        "  - drop: [symbol, bid, ask]\n",
        "pipeline.yaml:6: transform[0].drop: found no field left in quote, expected one at least");
    assert_refused("  - keep: [bid, bid]\n",
                   "pipeline.yaml:6: transform[0].keep[1]: schema quote has a field bid already");
    assert_refused(
        "  - keep: {fields: [bid], as: trade}\n",
        "pipeline.yaml:6: transform[0].keep: found a second schema of the name trade, expected "
        "another name");
}
