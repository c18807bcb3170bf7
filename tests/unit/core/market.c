// SPDX-License-Identifier: Apache-2.0
// The built-in schemas as literal numbers: a reader elsewhere (a journal's, another language's)
// relies on them.
#include <criterion/criterion.h>
#include <string.h>

#include "core/market.h"

struct expected {
    uint16_t id;
    const char *name;
    uint32_t bytes;
    uint16_t fields;
};

static const struct expected all[] = {
    {1, "system_event", 40, 2},
    {2, "stock_directory", 72, 15},
    {3, "trading_action", 56, 4},
    {4, "reg_sho", 48, 3},
    {5, "market_participant", 56, 6},
    {6, "mwcb_levels", 64, 4},
    {7, "mwcb_status", 40, 2},
    {8, "ipo_quote", 64, 5},
    {9, "luld_collar", 64, 6},
    {10, "operational_halt", 48, 4},
    {11, "order_add", 64, 6},
    {12, "order_add_mpid", 72, 7},
    {13, "order_executed", 72, 5},
    {14, "order_executed_price", 72, 7},
    {15, "order_cancel", 64, 4},
    {16, "order_delete", 56, 3},
    {17, "order_replace", 72, 6},
    {18, "trade", 72, 7},
    {19, "cross_trade", 72, 6},
    {20, "broken_trade", 56, 3},
    {21, "noii", 80, 10},
    {22, "retail_interest", 48, 3},
    {23, "direct_listing", 80, 9},
    {30, "best_quote", 80, 8},
    {31, "book_trade", 80, 8},
    {32, "book_alert", 56, 5},
    {33, "gap", 80, 4},
    {40, "mock", 48, 2},
};

Test(market, every_schema_has_its_id_name_and_size)
{
    for (size_t i = 0; i < MR_COUNT_OF(all); i++) {
        const struct mr_schema *schema = mr_market_schema(all[i].id);
        cr_assert_not_null(schema, "schema %u", all[i].id);
        cr_expect_str_eq(schema->name, all[i].name);
        cr_expect_eq(schema->id, all[i].id);
        cr_expect_eq(schema->record_bytes, all[i].bytes, "%s: %u bytes", schema->name,
                     schema->record_bytes);
        cr_expect_eq(schema->field_count, all[i].fields, "%s: %u fields", schema->name,
                     schema->field_count);
        cr_expect_eq(schema->null_offset, 0);
    }
    cr_expect_null(mr_market_schema(0));
    cr_expect_null(mr_market_schema(24));
    cr_expect_null(mr_market_schema(99));
    cr_expect_null(mr_market_schema(65535));
}

Test(market, fields_do_not_overlap_and_are_aligned)
{
    for (size_t i = 0; i < MR_COUNT_OF(all); i++) {
        const struct mr_schema *schema = mr_market_schema(all[i].id);
        uint8_t taken[128] = {0};
        for (unsigned f = 0; f < schema->field_count; f++) {
            const struct mr_field *field = &schema->fields[f];
            bool text = field->type == MR_TYPE_CHAR;
            cr_expect(text || field->offset % field->bytes == 0, "%s.%s", schema->name,
                      field->name);
            cr_assert_leq(field->offset + field->bytes, schema->record_bytes);
            cr_assert_geq(field->offset, MR_ENVELOPE_BYTES);
            for (unsigned b = field->offset; b < field->offset + field->bytes; b++)
                cr_expect_eq(taken[b]++, 0, "%s.%s overlaps at %u", schema->name, field->name, b);
        }
    }
}

static void expect_field(uint16_t id, const char *name, uint32_t offset, uint16_t bytes,
                         const char *type)
{
    const struct mr_schema *schema = mr_market_schema(id);
    const struct mr_field *field = mr_schema_field(schema, name);
    char text[128];
    cr_assert_not_null(field, "%s.%s", schema->name, name);
    mr_type_text(field, text, sizeof text);
    cr_expect_eq(field->offset, offset, "%s.%s at %u", schema->name, name, field->offset);
    cr_expect_eq(field->bytes, bytes);
    cr_expect_str_eq(text, type);
}

Test(market, order_messages_share_one_layout)
{
    for (uint16_t id = MR_SCHEMA_ORDER_ADD; id <= MR_SCHEMA_TRADE; id++) {
        expect_field(id, "locate", 36, 2, "u16");
        expect_field(id, "order_ref", 40, 8, "u64");
        expect_field(id, "symbol", 48, 8, "char[8]");
        if (id != MR_SCHEMA_ORDER_DELETE)
            expect_field(id, "shares", 56, 4, "u32");
    }
    expect_field(MR_SCHEMA_ORDER_ADD, "side", 38, 1, "char[1]");
    expect_field(MR_SCHEMA_ORDER_ADD, "price", 60, 4, "decimal_u32(4)");
    expect_field(MR_SCHEMA_ORDER_REPLACE, "new_order_ref", 64, 8, "u64");
    expect_field(MR_SCHEMA_MWCB_LEVELS, "level_2", 48, 8, "decimal(8)");
    expect_field(MR_SCHEMA_IPO_QUOTE, "release_time_ns", 48, 8, "timestamp");
    expect_field(MR_SCHEMA_BOOK_ALERT, "kind", 38, 1,
                 "enum(unknown_reference,crossed,overfill,duplicate_reference,full)");
    expect_field(MR_SCHEMA_GAP, "session", 64, 10, "char[10]");
    expect_field(MR_SCHEMA_MOCK, "value", 40, 8, "f64");
}

Test(market, a_set_takes_all_or_a_range)
{
    struct mr_schema_set set = {0};
    struct mr_error err;
    cr_assert_eq(mr_market_schemas_range(&set, MR_SCHEMA_ITCH_FIRST, MR_SCHEMA_ITCH_LAST, &err),
                 MR_OK);
    cr_expect_eq(set.count, 23);
    cr_expect_eq(mr_market_schemas(&set, &err), MR_ERR_CONFIG, "ids are unique in a set");
    mr_schema_set_clear(&set);
    cr_assert_eq(mr_market_schemas(&set, &err), MR_OK);
    cr_expect_eq(set.count, MR_COUNT_OF(all));
    cr_expect_not_null(mr_schema_set_by_name(&set, "best_quote"));
    mr_schema_set_clear(&set);
}
